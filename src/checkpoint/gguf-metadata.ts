/**
 * The key–value part of a GGUF file. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 * Refuses what llama.cpp's reader refuses, but for arrays of arrays, which the specification allows.
 */
import { isUtf8 } from "node:buffer";
import { CheckpointError } from "./checkpoint";
import type { GgufCursor } from "./gguf-cursor";
import { setOwn } from "./json-reader";
import { grouped, quote } from "./quote";
import { StringTable } from "./string-table";

/** Longer arrays are shown as their length, first and last items. */
const LONGEST_ARRAY = 100;
const FIRST_SHOWN = 8;
const LAST_SHOWN = 2;
/** Longer strings are shown as their length and start. */
const LONGEST_STRING = 1 << 20;
const START_SHOWN = 1000;

const MOST_NESTED = 4;
const MOST_INNER_ARRAYS = 10_000;

/** A key, a type and a value take no less. */
const SMALLEST_ENTRY = 8 + 1 + 4 + 1;

type Scalar = number | string | boolean;
/** What is shown of a value; integers beyond ±(2^53 − 1), infinities and NaN as text. */
export type GgufValue = Scalar | FoldedString | GgufValue[] | FoldedArray;

export interface FoldedString {
  type: "string";
  /** In bytes. */
  length: number;
  start: string;
}

export interface FoldedArray {
  type: "array";
  item: string;
  length: number;
  first: GgufValue[];
  last: GgufValue[];
  /** Of strings: SHA-256 of all of them joined by NUL bytes, by which two vocabularies can be told apart. */
  sha256_joined_nul?: string;
}

interface ValueType {
  name: string;
  /** 0: not fixed. */
  bytes: number;
  read(cursor: GgufCursor): Scalar;
}

const integer = (value: bigint): number | string => (value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : String(value));
const float = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
const unreachable = (): never => {
  throw new Error("strings and arrays have no fixed size");
};

const BOOL = 7;
const STRING = 8;
const ARRAY = 9;
/** `enum gguf_metadata_value_type`. */
const VALUE_TYPES: readonly ValueType[] = [
  { name: "uint8", bytes: 1, read: (cursor) => cursor.u8() },
  { name: "int8", bytes: 1, read: (cursor) => cursor.i8() },
  { name: "uint16", bytes: 2, read: (cursor) => cursor.u16() },
  { name: "int16", bytes: 2, read: (cursor) => cursor.i16() },
  { name: "uint32", bytes: 4, read: (cursor) => cursor.u32() },
  { name: "int32", bytes: 4, read: (cursor) => cursor.i32() },
  { name: "float32", bytes: 4, read: (cursor) => float(cursor.f32()) },
  { name: "bool", bytes: 1, read: (cursor) => cursor.u8() !== 0 },
  { name: "string", bytes: 0, read: unreachable },
  { name: "array", bytes: 0, read: unreachable },
  { name: "uint64", bytes: 8, read: (cursor) => integer(cursor.u64()) },
  { name: "int64", bytes: 8, read: (cursor) => integer(cursor.i64()) },
  { name: "float64", bytes: 8, read: (cursor) => float(cursor.f64()) },
];

export interface GgufMetadata {
  values: Record<string, GgufValue>;
  /** Type by key; what readers rely on (`general.alignment`) must have the right one. */
  types: Map<string, string>;
  /** Arrays of strings that `values` shows only ends of. */
  tables: Map<string, StringTable>;
}

/**
 * Reads `count` entries from the cursor's position.
 * @throws CheckpointError that names the key and the byte.
 */
export async function readMetadata(cursor: GgufCursor, count: number): Promise<GgufMetadata> {
  if (count * SMALLEST_ENTRY > cursor.remaining) {
    throw new CheckpointError("malformed", `the header announces ${grouped(count)} metadata entries, more than the ${grouped(cursor.remaining)} bytes after it can hold`, cursor.path, { offset: 16 });
  }
  const reader = new MetadataReader(cursor);
  for (let i = 0; i < count; i++) await reader.entry();
  return reader.metadata;
}

class MetadataReader {
  readonly metadata: GgufMetadata = { values: {}, types: new Map(), tables: new Map() };
  private key = "";
  private innerArrays = 0;

  constructor(private readonly cursor: GgufCursor) {}

  async entry(): Promise<void> {
    const { cursor, metadata } = this;
    const at = cursor.position;
    this.key = "";
    const bytes = await this.string("a metadata key");
    if (bytes.length === 0) throw this.refused("a metadata key is empty", at);
    if (!isUtf8(bytes)) throw this.refused(`the metadata key ${quote(bytes.toString("utf8"))} at byte ${grouped(at)} is not UTF-8`, at);
    const key = bytes.toString("utf8");
    if (metadata.types.has(key)) throw this.refused(`the metadata key ${quote(key)} is there twice, again at byte ${grouped(at)}`, at);
    this.key = key;
    const type = await this.type();
    metadata.types.set(key, VALUE_TYPES[type]!.name);
    setOwn(metadata.values, key, await this.value(type, 0));
  }

  private async type(): Promise<number> {
    const { cursor } = this;
    if (!cursor.has(4)) await cursor.fill(4, this.of("the type"));
    const at = cursor.position;
    const type = cursor.u32();
    if (type >= VALUE_TYPES.length) throw this.refused(`the metadata value ${quote(this.key)} has type ${type} at byte ${grouped(at)}, which GGUF does not have`, at);
    return type;
  }

  private async value(type: number, depth: number): Promise<GgufValue> {
    const { cursor } = this;
    if (type === STRING) return shownString(await this.string(this.of("the value")));
    if (type === ARRAY) return this.array(depth + 1);
    const { bytes, read } = VALUE_TYPES[type]!;
    if (!cursor.has(bytes)) await cursor.fill(bytes, this.of("the value"));
    if (type === BOOL) this.checkBools(1);
    return read(cursor);
  }

  private async array(depth: number): Promise<GgufValue[] | FoldedArray> {
    const { cursor } = this;
    const at = cursor.position;
    if (depth > MOST_NESTED) throw this.refused(`the metadata value ${quote(this.key)} nests arrays more than ${MOST_NESTED} deep, at byte ${grouped(at)}`, at);
    if (depth > 1 && ++this.innerArrays > MOST_INNER_ARRAYS) throw this.refused(`the metadata holds more than ${grouped(MOST_INNER_ARRAYS)} arrays inside arrays, in ${quote(this.key)}`, at);
    const type = await this.type();
    if (!cursor.has(8)) await cursor.fill(8, this.of("the length"));
    const length = cursor.count();
    const smallest = type === STRING ? 8 : type === ARRAY ? 12 : VALUE_TYPES[type]!.bytes;
    if (length * smallest > cursor.remaining) {
      throw this.refused(`the array ${quote(this.key)} at byte ${grouped(at)} announces ${grouped(length)} items, more than the ${grouped(cursor.remaining)} bytes after it can hold`, at);
    }
    const keep = length > LONGEST_ARRAY ? FIRST_SHOWN : length;
    if (type === STRING) return this.strings(length, keep, depth);
    const first: GgufValue[] = [];
    const last: GgufValue[] = [];
    for (let i = 0; i < length; i++) {
      if (i === keep) i = await this.pass(type, i, length);
      const item = await this.value(type, depth);
      if (i < keep) first.push(item);
      else if (i >= length - LAST_SHOWN) last.push(item);
    }
    return keep === length ? first : { type: "array", item: VALUE_TYPES[type]!.name, length, first, last };
  }

  /** Passes the items of a long array that are not shown, those of fixed size unread; answers the index of the next. */
  private async pass(type: number, index: number, length: number): Promise<number> {
    const { cursor } = this;
    const items = length - LAST_SHOWN - index;
    const { bytes } = VALUE_TYPES[type]!;
    if (bytes === 0) return index;
    if (type === BOOL) {
      for (let left = items; left > 0; ) {
        const run = Math.min(left, 1 << 16);
        await cursor.fill(run, this.of("the value"));
        this.checkBools(run);
        cursor.skip(run);
        left -= run;
      }
    } else cursor.skip(items * bytes);
    return length - LAST_SHOWN;
  }

  private async strings(length: number, keep: number, depth: number): Promise<GgufValue[] | FoldedArray> {
    const { cursor } = this;
    const first: GgufValue[] = [];
    const last: GgufValue[] = [];
    const folded = keep < length;
    if (folded) cursor.record();
    const what = this.of("the value");
    for (let i = 0; i < length; i++) {
      // Without a promise for each: a vocabulary has hundreds of thousands.
      const bytes = this.stringHere() ?? (await this.string(what));
      if (i < keep) first.push(shownString(bytes));
      else if (i >= length - LAST_SHOWN) last.push(shownString(bytes));
    }
    if (!folded) return first;
    const table = new StringTable(length, cursor.recording());
    if (depth === 1) this.metadata.tables.set(this.key, table);
    return { type: "array", item: "string", length, first, last, sha256_joined_nul: table.sha256() };
  }

  /** A string that is there already; undefined, and nothing passed, when it is not. */
  private stringHere(): Buffer | undefined {
    const { cursor } = this;
    if (!cursor.has(8)) return undefined;
    const length = cursor.peekCount();
    if (!cursor.has(8 + length)) return undefined;
    cursor.skip(8);
    return cursor.bytes(length);
  }

  /** A string's bytes, borrowed until the next read. */
  private async string(what: string): Promise<Buffer> {
    const { cursor } = this;
    if (!cursor.has(8)) await cursor.fill(8, what);
    const at = cursor.position;
    const length = cursor.count();
    if (length > cursor.remaining) {
      throw new CheckpointError("truncated", `${what} at byte ${grouped(at)} is a string of ${grouped(length)} bytes, but the file has ${grouped(cursor.remaining)} after it`, cursor.path, {
        offset: at,
        ...(this.key === "" ? {} : { key: this.key }),
      });
    }
    if (!cursor.has(length)) await cursor.fill(length, what);
    return cursor.bytes(length);
  }

  /** The next `count` bytes, which are there, must each be 0 or 1. */
  private checkBools(count: number): void {
    const { cursor } = this;
    const wrong = cursor.peek(count).findIndex((byte) => byte > 1);
    if (wrong >= 0) throw this.refused(`the metadata value ${quote(this.key)} holds a bool at byte ${grouped(cursor.position + wrong)} that is neither 0 nor 1`, cursor.position + wrong);
  }

  private of(part: string): string {
    return `${part} of the metadata key ${quote(this.key)}`;
  }

  private refused(message: string, offset: number): CheckpointError {
    return new CheckpointError("malformed", message, this.cursor.path, { offset, ...(this.key === "" ? {} : { key: this.key }) });
  }
}

function shownString(bytes: Buffer): string | FoldedString {
  if (bytes.length <= LONGEST_STRING) return bytes.toString("utf8");
  return { type: "string", length: bytes.length, start: bytes.toString("utf8", 0, START_SHOWN) };
}
