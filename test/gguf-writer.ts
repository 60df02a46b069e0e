/** Builds GGUF files for tests, byte by byte: sound ones, and ones that are wrong in one place. */

const VALUE_TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

export interface TypedValue {
  type: ValueType | number;
  value: unknown;
}
export interface TypedArray {
  item: ValueType | number;
  items: unknown[];
  /** Said instead of the number of items. */
  length?: bigint;
}
export interface WrittenTensor {
  name: string | Uint8Array;
  /** In the file's order: the contiguous axis first. */
  lengths: (number | bigint)[];
  /** `enum ggml_type`. */
  type: number;
  bytes: number;
  /** Said instead of where the data lies. */
  offset?: bigint;
  /** Said instead of the number of lengths. */
  axes?: number;
}
export interface Described {
  magic?: string;
  version?: number;
  metadata?: [string | Uint8Array, TypedValue][];
  tensors?: WrittenTensor[];
  alignment?: number;
  /** Said instead of the numbers of tensors and entries. */
  counts?: [bigint, bigint];
  /** Bytes of data, instead of as many as the tensors take. */
  data?: number;
}

const number = (bytes: number, write: (buffer: Buffer) => unknown): Buffer => {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
};
export const u32 = (value: number): Buffer => number(4, (buffer) => buffer.writeUInt32LE(value));
export const u64 = (value: bigint | number): Buffer => number(8, (buffer) => buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value))));
export const string = (text: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([u64(bytes.length), bytes]);
};

const typeNumber = (type: ValueType | number): number => (typeof type === "number" ? type : VALUE_TYPES.indexOf(type));

function written({ type, value }: TypedValue): Buffer {
  switch (type) {
    case "uint8": return number(1, (buffer) => buffer.writeUInt8(value as number));
    case "int8": return number(1, (buffer) => buffer.writeInt8(value as number));
    case "uint16": return number(2, (buffer) => buffer.writeUInt16LE(value as number));
    case "int16": return number(2, (buffer) => buffer.writeInt16LE(value as number));
    case "uint32": return u32(value as number);
    case "int32": return number(4, (buffer) => buffer.writeInt32LE(value as number));
    case "float32": return number(4, (buffer) => buffer.writeFloatLE(value as number));
    case "bool": return Buffer.of(Number(value));
    case "string": return string(value as string | Uint8Array);
    case "uint64": case "int64": return u64(value as bigint);
    case "float64": return number(8, (buffer) => buffer.writeDoubleLE(value as number));
    case "array": {
      const { item, items, length } = value as TypedArray;
      return Buffer.concat([u32(typeNumber(item)), u64(length ?? items.length), ...items.map((each) => written({ type: item, value: each }))]);
    }
    default: return Buffer.from(value as Uint8Array);
  }
}

/** The file that `described` says, with whatever is wrong in it. */
export function ggufBytes({ magic = "GGUF", version = 3, metadata = [], tensors = [], alignment = 32, counts, data }: Described): Buffer {
  const padded = (length: number): number => Math.ceil(length / alignment) * alignment;
  const parts: Buffer[] = [Buffer.from(magic, "latin1"), u32(version), u64(counts?.[0] ?? tensors.length), u64(counts?.[1] ?? metadata.length)];
  for (const [key, value] of metadata) parts.push(string(key), u32(typeNumber(value.type)), written(value));
  let at = 0;
  let end = 0;
  for (const { name, lengths, type, bytes, offset, axes } of tensors) {
    parts.push(string(name), u32(axes ?? lengths.length), ...lengths.map(u64), u32(type), u64(offset ?? at));
    end = at + bytes;
    at = padded(end);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc((tensors.length === 0 ? 0 : padded(header.length) - header.length) + (data ?? end))]);
}
