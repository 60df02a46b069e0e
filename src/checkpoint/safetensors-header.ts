/**
 * The header of a safetensors file: u64 length, then JSON of that many bytes, then the tensors' bytes without gaps.
 * Refuses what the reference implementation refuses (`SafeTensors::read_metadata` of the Rust crate, 0.8), and duplicate
 * keys besides, which it lets the last one win. Specification: https://github.com/huggingface/safetensors#format.
 */
import { CheckpointError } from "./checkpoint";
import { bitsOf } from "./dtypes";
import { JsonReader, setOwn } from "./json-reader";
import { grouped, quote } from "./quote";

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

/** As many as NumPy allows. */
const MAX_AXES = 64;

export interface HeaderEntry {
  name: string;
  dtype: string;
  shape: number[];
  /** Product of the shape. */
  parameters: number;
  /** Half-open byte range after the header. */
  begin: number;
  end: number;
}

export interface Header {
  /** By offset; tensors at the same place (all but one of them empty) by name. */
  entries: HeaderEntry[];
  metadata: Record<string, string>;
}

/**
 * Reads and checks a header.
 * @param bytes the JSON, without the length before it.
 * @param dataBytes how many bytes of the file follow the header.
 * @throws CheckpointError that names the tensor or key and the byte (counted from the file's start).
 */
export function parseHeader(bytes: Uint8Array, file: string, dataBytes: number): Header {
  const reader = new JsonReader(bytes, { file, what: "the header", base: 8 });
  const entries: HeaderEntry[] = [];
  const names = new Set<string>();
  let metadata: Record<string, string> | undefined;
  reader.object((key, offset) => {
    if (key === "__metadata__") {
      if (metadata !== undefined) reader.failAt(`the key "__metadata__" appears twice in the header, again at byte ${offset}`, offset);
      metadata = readMetadata(reader);
      return;
    }
    if (names.size === names.add(key).size) {
      throw new CheckpointError("malformed", `the tensor ${quote(key)} appears twice in the header, again at byte ${offset}`, file, { tensor: key, offset });
    }
    entries.push(readEntry(reader, key, offset, file));
  });
  reader.end();
  sortByOffset(entries);
  checkRanges(entries, file, dataBytes, 8 + bytes.length);
  return { entries, metadata: metadata ?? {} };
}

function readMetadata(reader: JsonReader): Record<string, string> {
  const metadata: Record<string, string> = {};
  if (reader.next() === "other" && reader.shown() === "null") {
    reader.skip();
    return metadata;
  }
  if (reader.next() !== "object") reader.failHere(`__metadata__ at byte ${reader.position()} is ${reader.shown()}, not an object`);
  reader.object((key, offset) => {
    if (Object.hasOwn(metadata, key)) reader.failAt(`the key ${quote(key)} appears twice in __metadata__, again at byte ${offset}`, offset);
    if (reader.next() !== "string") reader.failHere(`the value of ${quote(key)} in __metadata__ at byte ${reader.position()} is ${reader.shown()}, not a string`);
    setOwn(metadata, key, reader.string());
  });
  return metadata;
}

function readEntry(reader: JsonReader, name: string, offset: number, file: string): HeaderEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let range: number[] | undefined;
  const of = (field: string): string => `${field} of ${quote(name)}`;
  const fail = (message: string): never => {
    throw new CheckpointError("malformed", message, file, { tensor: name, offset: reader.position() });
  };
  const once = (field: string, value: unknown): void => {
    if (value !== undefined) fail(`${of(field)} appears twice, again at byte ${reader.position()}`);
  };
  if (reader.next() !== "object") fail(`the entry of ${quote(name)} at byte ${reader.position()} is ${reader.shown()}, not an object`);
  reader.object((field) => {
    if (field === "dtype") {
      once(field, dtype);
      if (reader.next() !== "string") fail(`${of(field)} at byte ${reader.position()} is ${reader.shown()}, not a string`);
      dtype = reader.string();
    } else if (field === "shape") {
      once(field, shape);
      shape = readIntegers(reader, () => of(field), MAX_AXES, "axes", fail);
    } else if (field === "data_offsets") {
      once(field, range);
      range = readIntegers(reader, () => of(field), 2, "offsets", fail);
      if (range.length !== 2) fail(`${of(field)} has ${range.length} offsets, not 2, before byte ${reader.position()}`);
    } else reader.skip();
  });
  const missing = dtype === undefined ? "dtype" : shape === undefined ? "shape" : range === undefined ? "data_offsets" : undefined;
  if (dtype === undefined || shape === undefined || range === undefined) {
    throw new CheckpointError("malformed", `the entry of ${quote(name)} at byte ${offset} has no ${missing}`, file, { tensor: name, offset });
  }
  return checkedEntry({ name, dtype, shape, parameters: 1, begin: range[0]!, end: range[1]! }, offset, file);
}

function readIntegers(reader: JsonReader, name: () => string, most: number, unit: string, fail: (message: string) => never): number[] {
  const values: number[] = [];
  if (reader.next() !== "array") fail(`${name()} at byte ${reader.position()} is ${reader.shown()}, not an array`);
  reader.array((index) => {
    if (index === most) fail(`${name()} has more than ${most} ${unit}, at byte ${reader.position()}`);
    const start = reader.position();
    const value = reader.integer(`${unit === "axes" ? "shape" : "data_offsets"}[${index}]`);
    if (typeof value === "bigint") {
      reader.failAt(`${name()} at byte ${start} holds ${grouped(value)}, more than any file`, start);
    }
    values.push(value);
  });
  return values;
}

/** The entry with `parameters`, after the checks that need no other entry. */
function checkedEntry(entry: HeaderEntry, offset: number, file: string): HeaderEntry {
  const { name, dtype, shape, begin, end } = entry;
  const fail = (message: string): never => {
    throw new CheckpointError("malformed", `${message} (entry at byte ${offset})`, file, { tensor: name, offset });
  };
  if (begin > end) fail(`data_offsets of ${quote(name)} begin at ${grouped(begin)}, after their end ${grouped(end)}`);
  let product = 1;
  for (const length of shape) {
    product *= length;
    if (product >= 2 ** 64) fail(`the shape of ${quote(name)}, ${shown(shape)}, overflows a 64-bit count of elements`);
  }
  const bits = bitsOf(dtype);
  if (bits !== undefined) {
    // Exact: beyond 2^53 the product cannot equal the bits of a range whose ends are below 2^53, not even rounded.
    if (bits < 8 && product <= Number.MAX_SAFE_INTEGER && (product * bits) % 8 !== 0) {
      fail(`${quote(name)} has ${grouped(product)} elements of ${dtype}, ${bits} bits each: not a whole number of bytes`);
    }
    if (product * bits !== (end - begin) * 8) {
      fail(`${quote(name)} is ${dtype} ${shown(shape)}, ${grouped(Math.ceil((product * bits) / 8))} bytes, but its data_offsets hold ${grouped(end - begin)}`);
    }
  } else if (product > Number.MAX_SAFE_INTEGER) fail(`the shape of ${quote(name)}, ${shown(shape)}, has more elements than any file`);
  entry.parameters = product;
  return entry;
}

function sortByOffset(entries: HeaderEntry[]): void {
  const before = (a: HeaderEntry, b: HeaderEntry): number => a.begin - b.begin || a.end - b.end || (a.name < b.name ? -1 : 1);
  for (let i = 1; i < entries.length; i++) {
    if (before(entries[i - 1]!, entries[i]!) > 0) {
      entries.sort(before);
      return;
    }
  }
}

/** Every byte after the header belongs to exactly one tensor: no holes, no overlaps (also not of equal ranges), no rest. */
function checkRanges(entries: readonly HeaderEntry[], file: string, dataBytes: number, dataStart: number): void {
  let reached = 0;
  let previous: HeaderEntry | undefined;
  for (const entry of entries) {
    if (entry.begin !== reached) {
      const where = { tensor: entry.name, offset: dataStart + entry.begin };
      const message = entry.begin < reached
        ? `${quote(entry.name)} (bytes ${range(entry)} of the data) overlaps ${quote(previous!.name)} (bytes ${range(previous!)})`
        : `bytes ${grouped(reached)}–${grouped(entry.begin)} of the data, before ${quote(entry.name)}, belong to no tensor`;
      throw new CheckpointError("malformed", message, file, where);
    }
    reached = entry.end;
    previous = entry;
  }
  if (reached > dataBytes) {
    const cut = entries.find((entry) => entry.end > dataBytes)!;
    throw new CheckpointError(
      "truncated",
      `the file is incomplete: its tensors need ${grouped(reached)} bytes after the header but ${grouped(dataBytes)} are there; ${quote(cut.name)} would end at byte ${grouped(dataStart + cut.end)}`,
      file,
      { tensor: cut.name, offset: dataStart + dataBytes },
    );
  }
  if (reached < dataBytes) {
    throw new CheckpointError("malformed", `${grouped(dataBytes - reached)} bytes after the last tensor, from byte ${grouped(dataStart + reached)}, belong to no tensor`, file, { offset: dataStart + reached });
  }
}

function range({ begin, end }: HeaderEntry): string {
  return `${grouped(begin)}–${grouped(end)}`;
}

function shown(shape: readonly number[]): string {
  return `[${shape.length > 8 ? `${shape.slice(0, 8).join(", ")}, …` : shape.join(", ")}]`;
}
