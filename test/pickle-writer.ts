/** Writes pickles opcode by opcode, sound ones and ones that no pickler would make. */

export type Op = Buffer;

const latin = (text: string): Buffer => Buffer.from(text, "latin1");

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** A whole pickle of protocol 2 (or another): PROTO, the opcodes, STOP. */
export function pickle(ops: readonly Op[], protocol = 2): Buffer {
  return Buffer.concat([protocol < 2 ? Buffer.alloc(0) : Buffer.from([0x80, protocol]), ...ops, latin(".")]);
}

export function text(value: string): Op {
  const bytes = Buffer.from(value);
  return Buffer.concat([latin("X"), u32(bytes.length), bytes]);
}

export function int(value: number): Op {
  if (Number.isInteger(value) && value >= 0 && value < 256) return Buffer.from([0x4b, value]);
  const bytes = Buffer.alloc(10);
  bytes.writeUInt8(0x8a, 0);
  bytes.writeUInt8(8, 1);
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
}

export const op = latin;
export const global = (module: string, name: string): Op => latin(`c${module}\n${name}\n`);
export const tuple = (...items: Op[]): Op => Buffer.concat([latin("("), ...items, latin("t")]);
export const list = (...items: Op[]): Op => Buffer.concat([latin("]("), ...items, latin("e")]);
export const dict = (entries: Record<string, Op>): Op => Buffer.concat([latin("}("), ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]), latin("u")]);
export const call = (callee: Op, ...args: Op[]): Op => Buffer.concat([callee, tuple(...args), latin("R")]);

export interface TensorParts {
  key?: string;
  type?: string;
  /** Elements of the storage. */
  count?: number;
  offset?: number;
  shape?: number[];
  strides?: number[];
  /** Of the legacy form: (key, offset, count), or null. */
  view?: Op;
  bits?: Op;
}

/** `_rebuild_tensor_v2` of a storage by its persistent id: two elements of F32 unless said otherwise. */
export function tensor({ key = "0", type = "FloatStorage", count = 2, offset = 0, shape = [2], strides = [1], view, bits }: TensorParts = {}): Op {
  const id = Buffer.concat([tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(count), ...(view === undefined ? [] : [view])), latin("Q")]);
  return call(global("torch._utils", "_rebuild_tensor_v2"), id, int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), latin("\x89"), call(global("collections", "OrderedDict")), ...(bits === undefined ? [] : [bits]));
}
