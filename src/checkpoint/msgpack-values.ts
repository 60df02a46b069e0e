/**
 * MessagePack as Flax writes it, from a file of any size: containers become a tree, arrays' bytes stay where they are.
 * Specifications: https://github.com/msgpack/msgpack/blob/master/spec.md; Flax's extension types 1 (an array: shape, NumPy's
 * name of its type, row-major bytes), 2 (a complex number) and 3 (a NumPy scalar, stored as an array), `flax.serialization`.
 * A library would decode the arrays' bytes into memory with everything else; this reads around them.
 */
import { CheckpointError, type ByteSource } from "./checkpoint";
import { grouped, quote } from "./quote";
import { WindowedReader } from "./windowed";

export type MsgpackNode =
  | { kind: "value"; value: unknown }
  | { kind: "array"; array: StoredArray }
  | { kind: "map"; entries: [string, MsgpackNode][] }
  | { kind: "list"; items: MsgpackNode[] };

export interface StoredArray {
  shape: number[];
  /** NumPy's name: `float32`, `bfloat16` … */
  type: string;
  /** First of its bytes, row-major, counted from the file's start. */
  offset: number;
  bytes: number;
  /** Where the array is written, for messages. */
  at: number;
}

const MAX_DEPTH = 128;
const MAX_VALUES = 500_000;
const MAX_AXES = 64;
const MAX_KEY_BYTES = 1 << 16;
/** Longer texts are shown by their size. */
const MAX_TEXT_BYTES = 1 << 16;

const ARRAY = 1, COMPLEX = 2, SCALAR = 3;

/** What stands at a byte: a finished scalar, or the extent of what follows. */
type Head =
  | { kind: "scalar"; value: null | boolean | number | bigint; next: number }
  | { kind: "text" | "bytes" | "extension"; type: number; start: number; next: number }
  | { kind: "map" | "list"; count: number; next: number };

/**
 * The one value that a file holds.
 * @throws CheckpointError that names the byte.
 */
export async function readMsgpack(source: ByteSource): Promise<MsgpackNode> {
  const size = await source.size();
  const reader = new MsgpackReader(source, size);
  const { node, next } = await reader.node(0, 0);
  if (next < size) throw new CheckpointError("malformed", `the file has ${grouped(size - next)} bytes after its end, from byte ${grouped(next)}; it is no single msgpack value`, source.path, { offset: next });
  return node;
}

class MsgpackReader {
  private readonly window: WindowedReader;
  private values = 0;

  constructor(private readonly source: ByteSource, private readonly size: number) {
    this.window = new WindowedReader(source, size);
  }

  async node(at: number, depth: number): Promise<{ node: MsgpackNode; next: number }> {
    if (++this.values > MAX_VALUES) this.fail(`the file has more than ${grouped(MAX_VALUES)} values, at byte ${grouped(at)}`, at);
    const head = await this.head(at);
    switch (head.kind) {
      case "scalar":
        return { node: { kind: "value", value: plain(head.value) }, next: head.next };
      case "text":
        return { node: { kind: "value", value: await this.text(head) }, next: head.next };
      case "bytes":
        return { node: { kind: "value", value: `<${head.next - head.start} bytes>` }, next: head.next };
      case "extension":
        return { node: await this.extension(head, at), next: head.next };
      case "list": {
        this.checkDepth(depth, at);
        const items: MsgpackNode[] = [];
        let { next } = head;
        for (let i = 0; i < head.count; i++) {
          const item = await this.node(next, depth + 1);
          items.push(item.node);
          next = item.next;
        }
        return { node: { kind: "list", items }, next };
      }
      case "map":
        this.checkDepth(depth, at);
        return this.map(head, depth);
    }
  }

  private async map({ count, next: start }: Head & { kind: "map" | "list" }, depth: number): Promise<{ node: MsgpackNode; next: number }> {
    const entries: [string, MsgpackNode][] = [];
    const seen = new Set<string>();
    let next = start;
    for (let i = 0; i < count; i++) {
      const at = next;
      const head = await this.head(at);
      const key = await this.key(head, at);
      if (seen.size === seen.add(key).size) this.fail(`the key ${quote(key)} appears twice in a map, again at byte ${grouped(at)}`, at, key);
      const entry = await this.node(head.next, depth + 1);
      entries.push([key, entry.node]);
      next = entry.next;
    }
    return { node: { kind: "map", entries }, next };
  }

  private async key(head: Head, at: number): Promise<string> {
    if (head.kind === "scalar" && (typeof head.value === "number" || typeof head.value === "bigint")) return String(head.value);
    if (head.kind !== "text") return this.fail(`a key at byte ${grouped(at)} is neither a text nor a number`, at);
    if (head.next - head.start > MAX_KEY_BYTES) this.fail(`a key at byte ${grouped(at)} has ${grouped(head.next - head.start)} bytes, more than the limit of ${grouped(MAX_KEY_BYTES)}`, at);
    return Buffer.from(await this.bytes(head.start, head.next - head.start)).toString("utf8");
  }

  private async text({ start, next }: { start: number; next: number }): Promise<string> {
    if (next - start > MAX_TEXT_BYTES) return `<text of ${next - start} bytes>`;
    return Buffer.from(await this.bytes(start, next - start)).toString("utf8");
  }

  private async extension({ type, start, next }: { type: number; start: number; next: number }, at: number): Promise<MsgpackNode> {
    if (type === ARRAY || type === SCALAR) return { kind: "array", array: await this.array(start, next, at) };
    if (type !== COMPLEX) return { kind: "value", value: `<extension type ${type}, ${next - start} bytes>` };
    const pair = await this.head(start);
    const real = pair.kind === "list" && pair.count === 2 ? await this.head(pair.next) : undefined;
    const imaginary = real?.kind === "scalar" ? await this.head(real.next) : undefined;
    if (real?.kind !== "scalar" || imaginary?.kind !== "scalar" || imaginary.next !== next) return this.fail(`the complex number at byte ${grouped(at)} is not a pair`, at);
    return { kind: "value", value: [plain(real.value), plain(imaginary.value)] };
  }

  /** [shape, type, bytes]. */
  private async array(start: number, end: number, at: number): Promise<StoredArray> {
    const wrong = (what: string): never => this.fail(`the array at byte ${grouped(at)} ${what}`, at);
    const outer = await this.head(start);
    if (outer.kind !== "list" || outer.count !== 3) return wrong("is not a list of shape, type and bytes");
    const sizes = await this.head(outer.next);
    if (sizes.kind !== "list") return wrong("has no shape");
    if (sizes.count > MAX_AXES) wrong(`has ${grouped(sizes.count)} axes, more than NumPy's limit of ${MAX_AXES}`);
    const shape: number[] = [];
    let { next } = sizes;
    for (let axis = 0; axis < sizes.count; axis++) {
      const length = await this.head(next);
      if (length.kind !== "scalar" || typeof length.value !== "number" || !Number.isSafeInteger(length.value) || length.value < 0) return wrong("has a shape with an entry that is no non-negative integer below 2^53");
      shape.push(length.value);
      ({ next } = length);
    }
    const type = await this.head(next);
    if (type.kind !== "text" || type.next - type.start > 100) return wrong("does not name its type");
    const data = await this.head(type.next);
    if (data.kind !== "bytes" || data.next !== end) return wrong("does not end with its bytes");
    return { shape, type: await this.text(type), offset: data.start, bytes: data.next - data.start, at };
  }

  /** Reads the first bytes of a value and checks that its extent lies in the file. */
  private async head(at: number): Promise<Head> {
    const raw = this.window.held(at, 9) ?? (await this.window.at(at, 9));
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const first = raw[0];
    if (first === undefined) return this.cut(at, at + 1);
    const need = (length: number): void => {
      if (1 + length > raw.length) this.cut(at, at + 1 + length);
    };
    const scalar = (value: null | boolean | number | bigint, length = 0): Head => ({ kind: "scalar", value, next: at + 1 + length });
    const span = (kind: "text" | "bytes" | "extension", header: number, length: number, type = 0): Head => {
      const start = at + header;
      if (start + length > this.size) this.cut(at, start + length);
      return { kind, type, start, next: start + length };
    };
    const container = (kind: "map" | "list", header: number, count: number): Head => {
      // Each element takes a byte at least.
      if (at + header + count * (kind === "map" ? 2 : 1) > this.size) this.cut(at, at + header + count);
      return { kind, count, next: at + header };
    };
    if (first <= 0x7f) return scalar(first);
    if (first >= 0xe0) return scalar(first - 256);
    if (first <= 0x8f) return container("map", 1, first & 15);
    if (first <= 0x9f) return container("list", 1, first & 15);
    if (first <= 0xbf) return span("text", 1, first & 31);
    const length = LENGTH_BYTES[first - 0xc0]!;
    need(length);
    const unsigned = length === 1 ? view.getUint8(1) : length === 2 ? view.getUint16(1) : length === 4 ? view.getUint32(1) : 0;
    switch (first) {
      case 0xc0: return scalar(null);
      case 0xc2: return scalar(false);
      case 0xc3: return scalar(true);
      case 0xc4: case 0xc5: case 0xc6: return span("bytes", 1 + length, unsigned);
      case 0xc7: case 0xc8: case 0xc9: need(length + 1); return span("extension", 2 + length, unsigned, view.getInt8(1 + length));
      case 0xca: return scalar(view.getFloat32(1), 4);
      case 0xcb: return scalar(view.getFloat64(1), 8);
      case 0xcc: case 0xcd: case 0xce: return scalar(unsigned, length);
      case 0xcf: return scalar(narrow(view.getBigUint64(1)), 8);
      case 0xd0: return scalar(view.getInt8(1), 1);
      case 0xd1: return scalar(view.getInt16(1), 2);
      case 0xd2: return scalar(view.getInt32(1), 4);
      case 0xd3: return scalar(narrow(view.getBigInt64(1)), 8);
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return span("extension", 2, 1 << (first - 0xd4), view.getInt8(1));
      case 0xd9: case 0xda: case 0xdb: return span("text", 1 + length, unsigned);
      case 0xdc: case 0xdd: return container("list", 1 + length, unsigned);
      case 0xde: case 0xdf: return container("map", 1 + length, unsigned);
      default: return this.fail(`byte ${grouped(at)} is 0xc1, which msgpack does not use; this is no msgpack file or it is damaged`, at);
    }
  }

  private async bytes(offset: number, length: number): Promise<Uint8Array> {
    return this.window.held(offset, length) ?? (await this.window.at(offset, length));
  }

  private checkDepth(depth: number, at: number): void {
    if (depth >= MAX_DEPTH) this.fail(`the file nests deeper than ${MAX_DEPTH} levels at byte ${grouped(at)}`, at);
  }

  private cut(at: number, needed: number): never {
    throw new CheckpointError("truncated", `the value at byte ${grouped(at)} needs ${grouped(needed)} bytes but the file has ${grouped(this.size)}; it is incomplete or no msgpack file`, this.source.path, { offset: at });
  }

  private fail(message: string, offset: number, key?: string): never {
    throw new CheckpointError("malformed", message, this.source.path, { offset, ...(key === undefined ? {} : { key }) });
  }
}

/** After the first bytes 0xc0 … 0xdf: bytes of the length or value that follows (of an extension of fixed size, its type). */
const LENGTH_BYTES = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4];

function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** As JSON has it: what it cannot hold as text. */
function plain(value: null | boolean | number | bigint): unknown {
  return typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value;
}
