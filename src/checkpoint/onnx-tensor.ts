/** An ONNX initializer as a tensor: its elements in place where they are plain bytes, else decoded when asked for. */
import type { FileHandle } from "node:fs/promises";
import { CheckpointError, type ByteSource, type CheckpointFile, type Tensor } from "./checkpoint";
import { isDecodable } from "./dtypes";
import { messagesOf, TYPED_FIELDS, type TensorRecord } from "./onnx-model";
import { UNPACKED, unpack } from "./packed-values";
import { readVarint } from "./protobuf-fields";
import { grouped, quote } from "./quote";
import { spoolFile, versionKey } from "./spool";
import { elementBits, elementCount, packedBytes, tensorAt, tooManyAxes, whyUnreadable } from "./tensor-at";

/** `TensorProto.DataType`. */
const TYPES: readonly (string | undefined)[] = [
  undefined, "F32", "U8", "I8", "U16", "I16", "I32", "I64", "STRING", "BOOL", "F16", "F64", "U32", "U64", "C64", "C128", "BF16",
  "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ", "U4", "I4", "F4", "F8_E8M0", "U2", "I2", "F6_E2M3", "F6_E3M2",
];

/** Packed elements read at a time: whole bytes of every packed type. */
const STEP = 3 << 18;

/** A file that holds an initializer's bytes. */
export interface Holder {
  /** Index into `Checkpoint.files`. */
  index: number;
  file: CheckpointFile;
  source: ByteSource;
}

/**
 * The tensor of `record`.
 * @param model the file of the message.
 * @param external where its bytes are when they are in a file beside it; null when that file is missing.
 * @throws CheckpointError that names the initializer when sizes contradict each other.
 */
export function tensorOf(record: TensorRecord, model: Holder, external: Holder | null): Tensor {
  const { name, shape, start } = record;
  const parameters = elementCount(shape);
  const wrong = (message: string, code: "malformed" | "truncated" = "malformed"): never => {
    throw new CheckpointError(code, `the initializer ${quote(name)} at byte ${grouped(start)} ${message}`, model.file.path, { tensor: name, offset: start });
  };
  if (parameters === undefined) return wrong("has a shape whose number of elements overflows");
  const dtype = TYPES[record.type] ?? `type ${record.type}`;
  const bytes = packedBytes(dtype, parameters);
  const tensor: Tensor = { name, dtype, shape, parameters, bytes: bytes ?? 0, file: model.index, offset: null, expression: null };
  if (record.sparse === true) return { ...tensor, bytes: record.raw === null ? 0 : record.raw.end - record.raw.start, unreadable: "a sparse initializer" };
  if (dtype === "STRING") return { ...tensor, unreadable: "text" };
  if (bytes === undefined) return elementBits(dtype) === undefined ? { ...tensor, unreadable: `values of ${dtype} cannot be decoded` } : wrong("has a shape whose size in bytes overflows");
  const place = placeOf(record, bytes, model, external, wrong);
  if (place === "missing") return { ...tensor, unreadable: `its file ${quote(record.external!.get("location") ?? "")} is missing` };
  const held = { ...tensor, ...(place === null ? {} : { file: place.holder.index, offset: place.offset }) };
  const packed = UNPACKED.get(dtype);
  const unreadable = packed === undefined ? whyUnreadable(dtype, shape) : tooManyAxes(shape);
  if (unreadable !== undefined) return { ...held, unreadable };
  // The engine takes packed floats in whole bytes only.
  if (place !== null && isDecodable(dtype) && parameters * elementBits(dtype)! === 8 * bytes) {
    return tensorAt({ name, dtype, shape, parameters, bytes, file: place.holder.index, path: place.holder.file.path, offset: place.offset });
  }
  const decoded = packed?.dtype ?? dtype;
  const size = packedBytes(decoded, parameters)!;
  if (place === null) checkTyped(record, parameters, bytes, wrong);
  return {
    ...held,
    load: async (signal) => {
      const key = `${versionKey((place?.holder ?? model).file)} ${place?.offset ?? record.start} ${dtype} ${parameters}`;
      const path = await spoolFile(key, async (to, shared) => {
        const pieces = place === null ? typedBytes(record, model.source, dtype, bytes) : storedBytes(place.holder.source, place.offset, bytes);
        let left = parameters;
        for await (const piece of pieces) {
          shared.throwIfAborted();
          left -= await write(to, piece, packed, left);
        }
        if (left > 0 && packed !== undefined) wrong("has fewer elements than its shape");
      }, signal);
      return tensorAt({ name, dtype: decoded, shape, parameters, bytes: size, file: 0, path, offset: 0 }).expression!;
    },
  };
}

/** Where the elements are plain bytes; null when they are in a typed field that has to be decoded. */
function placeOf(
  record: TensorRecord, bytes: number, model: Holder, external: Holder | null, wrong: (message: string, code?: "malformed" | "truncated") => never,
): { holder: Holder; offset: number } | "missing" | null {
  if (record.external !== null) {
    if (external === null) return "missing";
    const offset = numberOf(record.external.get("offset") ?? "0") ?? wrong(`says its data are at ${quote(record.external.get("offset")!)}, which is no offset`);
    const said = record.external.get("length");
    const length = said === undefined ? external.file.bytes - offset : (numberOf(said) ?? wrong(`says its data have ${quote(said)} bytes, which is no length`));
    if (offset + bytes > external.file.bytes) wrong(`needs ${grouped(bytes)} bytes from byte ${grouped(offset)} of ${quote(external.file.path)}, which has ${grouped(external.file.bytes)}`, "truncated");
    if (length < bytes || (said !== undefined && length !== bytes)) wrong(`says its data have ${grouped(length)} bytes, but its shape needs ${grouped(bytes)}`);
    return { holder: external, offset };
  }
  if (record.raw !== null) {
    const length = record.raw.end - record.raw.start;
    if (length !== bytes) wrong(`has ${grouped(length)} bytes of data, but its shape needs ${grouped(bytes)}`);
    return { holder: model, offset: record.raw.start };
  }
  const [run, another] = record.typed;
  if (run === undefined) return bytes === 0 ? { holder: model, offset: record.end } : wrong("has no data");
  const inPlace = another === undefined && run.packed && TYPED_FIELDS.get(run.field) !== "varint" && run.end - run.start === bytes;
  return inPlace ? { holder: model, offset: run.start } : null;
}

/** A typed field has at least a byte for each element, or for each packed byte. */
function checkTyped({ typed, end, start }: TensorRecord, parameters: number, bytes: number, wrong: (message: string) => never): void {
  const elements = Math.min(parameters, bytes);
  const [run, another] = typed;
  const most = another === undefined && run!.packed ? run!.end - run!.start : end - start;
  if (elements > most) wrong(`has ${grouped(most)} bytes of data, too few for ${grouped(elements)} elements`);
}

async function* storedBytes(source: ByteSource, offset: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes; at += STEP) yield await source.read(offset + at, Math.min(STEP, bytes - at));
}

/** The elements of a typed field as bytes: each number's low bytes, as many as an element (or two packed ones) has. */
async function* typedBytes(record: TensorRecord, source: ByteSource, dtype: string, bytes: number): AsyncGenerator<Uint8Array> {
  const width = Math.max(1, Math.floor(elementBits(dtype)! / 8));
  const fail = (message: string): never => {
    throw new CheckpointError("malformed", `the initializer ${quote(record.name)} at byte ${grouped(record.start)} ${message}`, source.path, { tensor: record.name, offset: record.start });
  };
  const runs: { start: number; end: number; kind: "float" | "double" | "varint" }[] = [];
  await messagesOf(source, record.end).fields(record.start, record.end, ({ number, start, end }) => {
    const kind = TYPED_FIELDS.get(number);
    if (kind !== undefined) runs.push({ start, end, kind });
  });
  let done = 0;
  for (const { start, end, kind } of runs) {
    for (let at = start; at < end; ) {
      const piece = await source.read(at, Math.min(STEP, end - at));
      const [values, used] = kind === "varint" ? fromVarints(piece, width, at + piece.length === end) : [piece, piece.length];
      if (used === 0) fail("has a number that does not end");
      at += used;
      done += values.length;
      if (done > bytes) fail("has more elements than its shape");
      yield values;
    }
  }
  if (done !== bytes) fail("has fewer elements than its shape");
}

/** The low `width` bytes of each varint that is whole, and how many bytes those took. */
function fromVarints(bytes: Uint8Array, width: number, last: boolean): [Uint8Array, number] {
  const result = Buffer.alloc(width * bytes.length);
  const low = Buffer.alloc(8);
  let at = 0;
  let count = 0;
  while (at < bytes.length) {
    const varint = readVarint(bytes, at);
    if (varint === undefined) {
      if (last) return [result, 0];
      break;
    }
    low.writeBigUInt64LE(varint.value);
    low.copy(result, width * count++, 0, width);
    at += varint.length;
  }
  return [result.subarray(0, width * count), at];
}

/** Writes the elements in `piece`, at most `left`; answers how many. */
async function write(to: FileHandle, piece: Uint8Array, packed: Parameters<typeof unpack>[0] | undefined, left: number): Promise<number> {
  if (packed === undefined) {
    await to.writeFile(piece);
    return 0;
  }
  const count = Math.min(left, Math.floor((8 * piece.length) / packed.bits));
  await to.writeFile(unpack(packed, piece, count));
  return count;
}

/** A non-negative decimal integer below 2^53. */
function numberOf(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
