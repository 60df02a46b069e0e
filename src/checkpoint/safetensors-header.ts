/**
 * The header of a safetensors file: u64 length, then JSON of that many bytes, then the tensors' bytes without gaps.
 * Refuses what the reference implementation refuses (`SafeTensors::read_metadata` of the Rust crate, 0.8), and duplicate
 * keys besides, which it lets the last one win. Specification: https://github.com/huggingface/safetensors#format.
 */
import { CheckpointError, type Tensor } from "./checkpoint";
import { bitsOf, isDecodable } from "./dtypes";
import { JsonReader, setOwn } from "./json-reader";
import { grouped, quote } from "./quote";

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

/** As many as NumPy allows. */
const MAX_AXES = 64;

/** Between the values of an entry as the format's own libraries write it. */
const [DTYPE, SHAPE, OFFSETS, COMMA, END] = ['{"dtype":"', ',"shape":[', '],"data_offsets":[', ",", "]}"].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer, Buffer];

/** As many axes as the engine addresses. */
const MAX_ENGINE_AXES = 16;

/** A tensor of a safetensors file: its bytes are in one place. */
export interface StoredTensor extends Tensor {
  offset: number;
}

export interface Header {
  /** By offset; tensors at the same place (all but one of them empty) by name. */
  tensors: StoredTensor[];
  metadata: Record<string, string>;
}

export interface HeaderOptions {
  /** How many bytes of the file follow the header. */
  dataBytes: number;
  /** What `Tensor.file` is to be. */
  index?: number;
}

/**
 * Reads and checks a header.
 * @param bytes the JSON, without the length before it.
 * @param file path of the file, which is where the tensors' values are read from.
 * @throws CheckpointError that names the tensor or key and the byte (counted from the file's start).
 */
export function parseHeader(bytes: Uint8Array, file: string, { dataBytes, index = 0 }: HeaderOptions): Header {
  const header = new HeaderParser(bytes, file, index).parse();
  sortByOffset(header.tensors);
  checkRanges(header.tensors, file, dataBytes, 8 + bytes.length);
  return header;
}

/** Holds the entry being read in its fields: its callbacks are made once, not once per tensor. */
class HeaderParser {
  private readonly reader: JsonReader;
  private readonly tensors: StoredTensor[] = [];
  private readonly dataStart: number;
  private last: string | undefined;
  /** Of the tensors, from the first name on that does not come after the one before it: libraries write them in order. */
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

  constructor(bytes: Uint8Array, private readonly file: string, private readonly index: number) {
    this.dataStart = 8 + bytes.length;
    this.reader = new JsonReader(bytes, { file, what: "the header", base: 8 });
  }

  parse(): Header {
    this.reader.object(this.onKey);
    this.reader.end();
    return { tensors: this.tensors, metadata: this.metadata ?? {} };
  }

  private readonly onKey = (key: string, offset: number): void => {
    if (key === "__metadata__") {
      if (this.metadata !== undefined) this.reader.failAt(`the key "__metadata__" appears twice in the header, again at byte ${offset}`, offset);
      this.metadata = readMetadata(this.reader);
      return;
    }
    if (!this.isNew(key)) this.reader.failAt(`the tensor ${quote(key)} appears twice in the header, again at byte ${offset}`, offset, key);
    this.name = key;
    this.dtype = this.shape = undefined;
    this.hasOffsets = false;
    if (!this.readAsWritten()) this.readFields();
    const { dtype, shape } = this;
    if (dtype === undefined || shape === undefined || !this.hasOffsets) {
      const missing = dtype === undefined ? "dtype" : shape === undefined ? "shape" : "data_offsets";
      this.reader.failAt(`the entry of ${quote(key)} at byte ${offset} has no ${missing}`, offset, key);
    }
    this.tensors.push(this.tensorOf(dtype, shape, offset));
  };

  /** The tensor of the entry at hand, after the checks that need no other entry. @param at of the entry. */
  private tensorOf(dtype: string, shape: number[], at: number): StoredTensor {
    const { name, begin, end, file, index } = this;
    const fail = (message: string): never => this.reader.failAt(`${message} (entry at byte ${at})`, at, name);
    if (begin > end) fail(`data_offsets of ${quote(name)} begin at ${grouped(begin)}, after their end ${grouped(end)}`);
    let parameters = 1;
    for (const length of shape) {
      parameters *= length;
      if (parameters >= 2 ** 64) fail(`the shape of ${quote(name)}, ${shown(shape)}, overflows a 64-bit count of elements`);
    }
    const bits = bitsOf(dtype);
    if (bits !== undefined) {
      // Exact: beyond 2^53 the product cannot equal the bits of a range whose ends are below 2^53, not even rounded.
      if (bits < 8 && parameters <= Number.MAX_SAFE_INTEGER && (parameters * bits) % 8 !== 0) {
        fail(`${quote(name)} has ${grouped(parameters)} elements of ${dtype}, ${bits} bits each: not a whole number of bytes`);
      }
      if (parameters * bits !== (end - begin) * 8) {
        fail(`${quote(name)} is ${dtype} ${shown(shape)}, ${grouped(Math.ceil((parameters * bits) / 8))} bytes, but its data_offsets hold ${grouped(end - begin)}`);
      }
    } else if (parameters > Number.MAX_SAFE_INTEGER) fail(`the shape of ${quote(name)}, ${shown(shape)}, has more elements than any file`);
    const bytes = end - begin;
    const offset = this.dataStart + begin;
    if (isDecodable(dtype) && shape.length <= MAX_ENGINE_AXES) {
      return { name, dtype, shape, parameters, bytes, file: index, offset, expression: { kind: "range", file, offset, bytes, dtype, shape } };
    }
    const unreadable = isDecodable(dtype)
      ? `it has ${shape.length} axes; values are read for up to ${MAX_ENGINE_AXES}`
      : `values of dtype ${bits === undefined ? quote(dtype) : dtype} cannot be decoded`;
    return { name, dtype, shape, parameters, bytes, file: index, offset, verbatim: true, unreadable, expression: null };
  }

  /** Whether no entry has this name yet. */
  private isNew(name: string): boolean {
    if (this.names === undefined) {
      const ascends = this.last === undefined || name > this.last;
      this.last = name;
      if (ascends) return true;
      this.names = new Set(this.tensors.map((tensor) => tensor.name));
    }
    const { size } = this.names;
    return this.names.add(name).size > size;
  }

  /**
   * Reads an entry that is written as the format's own libraries do, byte for byte: most of the time that half a million of them
   * take goes into being ready for anything else. False, and nothing read, when it is written otherwise.
   */
  private readAsWritten(): boolean {
    const { reader, integers } = this;
    const mark = reader.mark();
    this.count = 0;
    if (reader.take(DTYPE)) {
      const dtype = reader.takePlain();
      if (dtype !== null && reader.take(SHAPE) && this.takeShape() && reader.take(OFFSETS)) {
        this.begin = reader.takeInteger();
        if (this.begin >= 0 && reader.take(COMMA)) {
          this.end = reader.takeInteger();
          if (this.end >= 0 && reader.take(END)) {
            this.dtype = dtype;
            this.shape = this.shapes.of(integers, this.count);
            return (this.hasOffsets = true);
          }
        }
      }
    }
    reader.goBackTo(mark);
    return false;
  }

  /** The lengths of axes, without the brackets. */
  private takeShape(): boolean {
    const { reader, integers } = this;
    for (let length = reader.takeInteger(); length >= 0; length = reader.takeInteger()) {
      if (this.count === MAX_AXES) return false;
      integers[this.count++] = length;
      if (!reader.take(COMMA)) return true;
    }
    return this.count === 0;
  }

  private readFields(): void {
    const { reader, name } = this;
    if (reader.next() !== "object") reader.failHere(`the entry of ${quote(name)} at byte ${reader.position()} is ${reader.shown()}, not an object`, name);
    reader.object(this.onField);
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

function sortByOffset(tensors: StoredTensor[]): void {
  const before = (a: StoredTensor, b: StoredTensor): number => a.offset - b.offset || a.bytes - b.bytes || (a.name < b.name ? -1 : 1);
  for (let i = 1; i < tensors.length; i++) {
    if (before(tensors[i - 1]!, tensors[i]!) > 0) {
      tensors.sort(before);
      return;
    }
  }
}

/** Every byte after the header belongs to exactly one tensor: no holes, no overlaps (also not of equal ranges), no rest. */
function checkRanges(tensors: readonly StoredTensor[], file: string, dataBytes: number, dataStart: number): void {
  const range = ({ offset, bytes }: StoredTensor): string => `${grouped(offset - dataStart)}–${grouped(offset - dataStart + bytes)}`;
  let reached = dataStart;
  let previous: StoredTensor | undefined;
  for (const tensor of tensors) {
    const { name, offset } = tensor;
    if (offset !== reached) {
      const message = offset < reached
        ? `${quote(name)} (bytes ${range(tensor)} of the data) overlaps ${quote(previous!.name)} (bytes ${range(previous!)})`
        : `bytes ${grouped(reached - dataStart)}–${grouped(offset - dataStart)} of the data, before ${quote(name)}, belong to no tensor`;
      throw new CheckpointError("malformed", message, file, { tensor: name, offset });
    }
    reached += tensor.bytes;
    previous = tensor;
  }
  const [needed, end] = [reached - dataStart, dataStart + dataBytes];
  if (needed > dataBytes) {
    const cut = tensors.find(({ offset, bytes }) => offset + bytes > end)!;
    throw new CheckpointError(
      "truncated",
      `the file is incomplete: its tensors need ${grouped(needed)} bytes after the header but ${grouped(dataBytes)} are there; ${quote(cut.name)} would end at byte ${grouped(cut.offset + cut.bytes)}`,
      file,
      { tensor: cut.name, offset: end },
    );
  }
  if (needed < dataBytes) {
    throw new CheckpointError("malformed", `${grouped(dataBytes - needed)} bytes after the last tensor, from byte ${grouped(reached)}, belong to no tensor`, file, { offset: reached });
  }
}

function shown(shape: readonly number[]): string {
  return `[${shape.length > 8 ? `${shape.slice(0, 8).join(", ")}, …` : shape.join(", ")}]`;
}
