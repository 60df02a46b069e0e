/**
 * The header of a NumPy array: magic, version, length, and a Python dict of `descr`, `fortran_order` and `shape`.
 * Specification: `numpy.lib.format`, versions 1.0, 2.0 (longer headers) and 3.0 (UTF-8).
 */
import { isUtf8 } from "node:buffer";
import { CheckpointError } from "./checkpoint";
import { LiteralError, parseLiteral, type PythonLiteral } from "./python-literal";
import { grouped, quote } from "./quote";
import { elementBits, elementCount } from "./tensor-at";

const MAGIC = Buffer.from("\x93NUMPY", "latin1");

/** As NumPy's `max_header_size`, and the bytes before the dict. */
const MAX_HEADER_BYTES = 10_000;
export const MOST_HEADER_BYTES = 12 + MAX_HEADER_BYTES;
const MAX_AXES = 64;

export interface NpyHeader {
  /** Safetensors' spelling for plain numbers, else NumPy's description. */
  dtype: string;
  shape: number[];
  /** Product of the shape. */
  parameters: number;
  fortran: boolean;
  order?: "big";
  /** First byte of the elements, counted from the array's start. */
  dataStart: number;
  /** Of the elements; undefined when their size is not known (Python objects, structures). */
  bytes?: number;
  /** Why this is no array of numbers. */
  unreadable?: string;
  /** The elements are a pickle. */
  objects?: true;
}

/** Kind and size in bytes of NumPy's type strings → dtype. */
const DTYPES: ReadonlyMap<string, string> = new Map([
  ["b1", "BOOL"], ["i1", "I8"], ["i2", "I16"], ["i4", "I32"], ["i8", "I64"], ["u1", "U8"], ["u2", "U16"], ["u4", "U32"], ["u8", "U64"],
  ["f2", "F16"], ["f4", "F32"], ["f8", "F64"], ["c8", "C64"], ["c16", "C128"],
]);

/**
 * Reads a header.
 * @param bytes from the array's start: the file, or as much of it as `MOST_HEADER_BYTES`.
 * @param file for messages; `base` is where the array starts in it, `key` names the member that is the array.
 * @throws CheckpointError that says what is wrong and where.
 */
export function parseNpyHeader(bytes: Uint8Array, file: string, { base = 0, key }: { base?: number; key?: string } = {}): NpyHeader {
  const of = key === undefined ? "" : ` of ${quote(key)}`;
  const fail = (message: string, at: number, code: "malformed" | "truncated" | "unsupported" = "malformed"): never => {
    throw new CheckpointError(code, message, file, { offset: base + at, ...(key === undefined ? {} : { key }) });
  };
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!data.subarray(0, 6).equals(MAGIC)) fail(`the array${of} does not start with \\x93NUMPY at byte ${base}; it is no NumPy array`, 0);
  if (data.length < 10) fail(`the array${of} ends after ${data.length} bytes, inside its header`, data.length, "truncated");
  const major = data[6]!;
  if (major < 1 || major > 3 || data[7] !== 0) fail(`the array${of} has header version ${major}.${data[7]}; versions 1.0, 2.0 and 3.0 can be read`, 6, "unsupported");
  const start = major === 1 ? 10 : 12;
  if (data.length < start) fail(`the array${of} ends after ${data.length} bytes, inside its header`, data.length, "truncated");
  const length = major === 1 ? data.readUInt16LE(8) : data.readUInt32LE(8);
  if (length > MAX_HEADER_BYTES) fail(`the header${of} says ${grouped(length)} bytes, more than NumPy's limit of ${grouped(MAX_HEADER_BYTES)}`, 8);
  if (start + length > data.length) fail(`the header${of} says ${grouped(length)} bytes but only ${grouped(data.length - start)} follow; the array is incomplete`, 8, "truncated");
  const raw = data.subarray(start, start + length);
  if (major === 3 && !isUtf8(raw)) fail(`the header${of} at byte ${base + start} is not UTF-8`, start);
  const dict = literalOf(raw.toString(major === 3 ? "utf8" : "latin1"), (message, at) => fail(`the header${of} is not valid: ${message}, at character ${at}`, start));
  const header = fieldsOf(dict, start + length, (message) => fail(`the header${of} at byte ${base + start} ${message}`, start));
  return header;
}

function literalOf(text: string, fail: (message: string, at: number) => never): PythonLiteral {
  try {
    return parseLiteral(text);
  } catch (error) {
    if (error instanceof LiteralError) return fail(error.message, error.at);
    throw error;
  }
}

function fieldsOf(dict: PythonLiteral, dataStart: number, fail: (message: string) => never): NpyHeader {
  if (!(dict instanceof Map)) return fail("is not a dict");
  const [descr, fortran, shape] = ["descr", "fortran_order", "shape"].map((key) => (dict.has(key) ? dict.get(key)! : fail(`has no ${quote(key)}`)));
  if (dict.size !== 3) fail(`has ${dict.size} keys, not "descr", "fortran_order" and "shape" alone`);
  if (typeof fortran !== "boolean") return fail('has a "fortran_order" that is neither True nor False');
  if (!Array.isArray(shape)) return fail('has a "shape" that is no tuple');
  if (shape.length > MAX_AXES) fail(`has ${shape.length} axes, more than NumPy's limit of ${MAX_AXES}`);
  if (!shape.every((length): length is number => Number.isSafeInteger(length) && (length as number) >= 0)) return fail('has a "shape" with an entry that is no non-negative integer below 2^53');
  const parameters = elementCount(shape);
  if (parameters === undefined) return fail(`has a shape whose number of elements overflows`);
  const type = typeOf(descr!, fail);
  const { itemBytes, ...rest } = type;
  const bytes = itemBytes === undefined ? undefined : itemBytes * parameters;
  if (bytes !== undefined && bytes > Number.MAX_SAFE_INTEGER) fail("has a shape whose size in bytes overflows");
  return { ...rest, shape, parameters, fortran, dataStart, ...(bytes === undefined ? {} : { bytes }) };
}

type ElementType = Pick<NpyHeader, "dtype" | "order" | "unreadable" | "objects"> & { itemBytes?: number };

function typeOf(descr: PythonLiteral, fail: (message: string) => never): ElementType {
  if (Array.isArray(descr)) return { dtype: structureText(descr), unreadable: "structured dtype" };
  const match = typeof descr === "string" ? /^([<>|=]?)([a-zA-Z])(\d{0,9})(\[[^\]]{0,40}\])?$/.exec(descr) : null;
  if (match === null) return fail(`has a "descr" that is not understood (${quote(structureText(descr))})`);
  const [text, order, kind, size] = match as unknown as [string, string, string, string];
  if (kind === "O") return { dtype: "|O", unreadable: "object array: pickled Python objects, refused", objects: true };
  const plain = DTYPES.get(kind + size);
  if (plain !== undefined) return { dtype: plain, itemBytes: elementBits(plain)! / 8, ...(order === ">" && size !== "1" ? { order: "big" } : {}) };
  // Bytes and raw data have no order: NumPy writes either and reads them as "|".
  const dtype = kind === "V" || kind === "S" || kind === "a" ? `|${kind}${size}` : text;
  const itemBytes = kind === "U" ? 4 * Number(size) : kind === "M" || kind === "m" ? 8 : Number(size);
  return { dtype, itemBytes, unreadable: `dtype ${dtype} is not a plain number type` };
}

/** A structured type as one line of JSON: `[["x", "<f4"], ["y", "<i8", [2]]]`. */
function structureText(value: PythonLiteral): string {
  if (Array.isArray(value)) return `[${value.map(structureText).join(", ")}]`;
  return value instanceof Map ? `{${[...value].map(([key, item]) => `${JSON.stringify(key)}: ${structureText(item)}`).join(", ")}}` : JSON.stringify(value);
}
