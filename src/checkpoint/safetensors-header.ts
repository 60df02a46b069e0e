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
  const header = new HeaderParser(bytes, file).parse();
  sortByOffset(header.entries);
  checkRanges(header.entries, file, dataBytes, 8 + bytes.length);
  return header;
}

/** Holds the entry being read in its fields: its callbacks are made once, not once per tensor. */
class HeaderParser {
  private readonly reader: JsonReader;
  private readonly entries: HeaderEntry[] = [];
  private last: string | undefined;
  /** Of the entries, from the first name on that does not come after the one before it: libraries write them in order. */
  private names: Set<string> | undefined;
  private readonly shapes = new Shapes();
  private metadata: Record<string, string> | undefined;

  private name = "";
  private dtype: string | undefined;
  private shape: number[] | undefined;
  private hasOffsets = false;
  private begin = 0;
  private end = 0;
  /** The integers of the array being read, and what they are. */
  private readonly integers: number[] = [];
  private count = 0;
  private array = "";

  constructor(bytes: Uint8Array, private readonly file: string) {
    this.reader = new JsonReader(bytes, { file, what: "the header", base: 8 });
  }

  parse(): Header {
    this.reader.object(this.onKey);
    this.reader.end();
    return { entries: this.entries, metadata: this.metadata ?? {} };
  }

  private readonly onKey = (key: string, offset: number): void => {
    if (key === "__metadata__") {
      if (this.metadata !== undefined) this.reader.failAt(`the key "__metadata__" appears twice in the header, again at byte ${offset}`, offset);
      this.metadata = readMetadata(this.reader);
      return;
    }
    if (!this.isNew(key)) this.reader.failAt(`the tensor ${quote(key)} appears twice in the header, again at byte ${offset}`, offset, key);
    if (this.reader.next() !== "object") this.reader.failHere(`the entry of ${quote(key)} at byte ${this.reader.position()} is ${this.reader.shown()}, not an object`, key);
    this.name = key;
    this.dtype = this.shape = undefined;
    this.hasOffsets = false;
    this.reader.object(this.onField);
    const { dtype, shape } = this;
    if (dtype === undefined || shape === undefined || !this.hasOffsets) {
      const missing = dtype === undefined ? "dtype" : shape === undefined ? "shape" : "data_offsets";
      this.reader.failAt(`the entry of ${quote(key)} at byte ${offset} has no ${missing}`, offset, key);
    }
    this.entries.push(checkedEntry({ name: key, dtype, shape, parameters: 1, begin: this.begin, end: this.end }, offset, this.file));
  };

  /** Whether no entry has this name yet. */
  private isNew(name: string): boolean {
    if (this.names === undefined) {
      const ascends = this.last === undefined || name > this.last;
      this.last = name;
      if (ascends) return true;
      this.names = new Set(this.entries.map((entry) => entry.name));
    }
    const { size } = this.names;
    return this.names.add(name).size > size;
  }

  private readonly onField = (field: string): void => {
    const { reader } = this;
    if (field === "dtype") {
      if (this.dtype !== undefined) this.twice(field);
      if (reader.next() !== "string") reader.failHere(`dtype of ${quote(this.name)} at byte ${reader.position()} is ${reader.shown()}, not a string`, this.name);
      this.dtype = reader.string();
    } else if (field === "shape") {
      if (this.shape !== undefined) this.twice(field);
      this.readIntegers(field);
      this.shape = this.shapes.of(this.integers, this.count);
    } else if (field === "data_offsets") {
      if (this.hasOffsets) this.twice(field);
      this.readIntegers(field);
      if (this.count !== 2) reader.failHere(`data_offsets of ${quote(this.name)} has ${this.count} offsets, not 2, before byte ${reader.position()}`, this.name);
      this.hasOffsets = true;
      this.begin = this.integers[0]!;
      this.end = this.integers[1]!;
    } else reader.skip();
  };

  private readIntegers(field: string): void {
    const { reader } = this;
    if (reader.next() !== "array") reader.failHere(`${field} of ${quote(this.name)} at byte ${reader.position()} is ${reader.shown()}, not an array`, this.name);
    this.array = field;
    this.count = 0;
    reader.array(this.onInteger);
  }

  private readonly onInteger = (index: number): void => {
    const reader: JsonReader = this.reader;
    const { array } = this;
    if (index === (array === "shape" ? MAX_AXES : 2)) {
      reader.failHere(`${array} of ${quote(this.name)} has more than ${array === "shape" ? `${MAX_AXES} axes` : "2 offsets"}, at byte ${reader.position()}`, this.name);
    }
    if (!reader.atInteger()) {
      reader.failHere(`${array}[${index}] of ${quote(this.name)} at byte ${reader.position()} is ${reader.shown()}, not a non-negative integer`, this.name);
    }
    const start = reader.position();
    const value = reader.integer();
    if (typeof value === "bigint") reader.failAt(`${array}[${index}] of ${quote(this.name)} at byte ${start} is ${grouped(value)}, more than any file holds`, start, this.name);
    this.integers[this.count++] = value;
  };

  private twice(field: string): never {
    this.reader.failHere(`${field} of ${quote(this.name)} appears twice, again at byte ${this.reader.position()}`, this.name);
  }
}

/** Equal shapes are one array: models repeat few of them many times. */
class Shapes {
  private readonly slots: (number[] | undefined)[] = new Array<undefined>(1024).fill(undefined);

  of(values: readonly number[], count: number): number[] {
    let hash = count;
    for (let i = 0; i < count; i++) hash = (Math.imul(hash, 31) + values[i]!) | 0;
    const slot = hash & 1023;
    const known = this.slots[slot];
    if (known !== undefined && known.length === count && known.every((value, i) => value === values[i])) return known;
    return (this.slots[slot] = values.slice(0, count));
  }
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
