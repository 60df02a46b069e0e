/** Safetensors files and models of several, read for the checks alone: a second reading, that owes nothing to the one under test. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const WIDTHS: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1, U16: 2, U32: 4, U64: 8 };
const FLOATS: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);

export class StoredTensor {
  constructor(readonly dtype: string, readonly shape: readonly number[], readonly raw: Buffer) {}

  get floating(): boolean {
    return FLOATS.has(this.dtype);
  }

  get count(): number {
    return this.raw.length / WIDTHS[this.dtype]!;
  }

  /** As doubles, row-major. */
  values(): Float64Array {
    const { raw, dtype } = this;
    return Float64Array.from({ length: this.count }, (_, i) => {
      switch (dtype) {
        case "F64": return raw.readDoubleLE(8 * i);
        case "F32": return raw.readFloatLE(4 * i);
        case "BF16": return fromBFloat16(raw.readUInt16LE(2 * i));
        case "F16": return fromHalf(raw.readUInt16LE(2 * i));
        default: throw new Error(`${dtype} has no floating-point values`);
      }
    });
  }

  /** Integers in the order of the values, one step for each number that the type has; −0 and +0 are one. */
  ordered(): bigint[] {
    const { raw, dtype } = this;
    return Array.from({ length: this.count }, (_, i) => {
      if (dtype === "F64") return signed(raw.readBigUInt64LE(8 * i), 1n << 63n);
      if (dtype === "F32") return signed(BigInt(raw.readUInt32LE(4 * i)), 1n << 31n);
      return signed(BigInt(raw.readUInt16LE(2 * i)), 1n << 15n);
    });
  }
}

function signed(bits: bigint, sign: bigint): bigint {
  return (bits & sign) !== 0n ? sign - bits : bits;
}

function fromBFloat16(bits: number): number {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt16LE(bits, 2);
  return buffer.readFloatLE(0);
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

export type StoredTensors = Map<string, StoredTensor>;

/** @throws Error when the header does not fit the file, or the data has a gap, an overlap, or bytes to spare. */
export function readStored(path: string): { tensors: StoredTensors; metadata: Record<string, string> } {
  const data = readFileSync(path);
  const length = Number(data.readBigUInt64LE(0));
  const head = JSON.parse(data.toString("utf8", 8, 8 + length)) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const { __metadata__: metadata = {}, ...entries } = head as typeof head & { __metadata__?: unknown };
  const tensors: StoredTensors = new Map();
  const spans: [number, number][] = [];
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(entries)) {
    const bytes = shape.reduce((product, axis) => product * axis, 1) * WIDTHS[dtype]!;
    if (end - begin !== bytes || 8 + length + end > data.length) throw new Error(`${path}: ${name} has ${end - begin} bytes where ${bytes} are needed`);
    spans.push([begin, end]);
    tensors.set(name, new StoredTensor(dtype, shape, data.subarray(8 + length + begin, 8 + length + end)));
  }
  let at = 0;
  for (const [begin, end] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (begin !== at) throw new Error(`${path}: there is a gap or an overlap at ${at}`);
    at = end;
  }
  if (8 + length + at !== data.length) throw new Error(`${path}: there are bytes after the last tensor`);
  return { tensors, metadata: metadata as Record<string, string> };
}

export interface StoredModel {
  tensors: StoredTensors;
  /** Bytes and number of tensors of each shard; null for one file. */
  shards: { bytes: number; count: number }[] | null;
}

/** @throws Error when index and files disagree, or a file does not name its framework. */
export function readStoredModel(folder: string): StoredModel {
  const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors") && !name.startsWith("adapter")).sort();
  const indexPath = join(folder, "model.safetensors.index.json");
  if (!existsSync(indexPath)) {
    if (files.join() !== "model.safetensors") throw new Error(`the weights are in ${files.join(", ")}`);
    const { tensors, metadata } = readStored(join(folder, "model.safetensors"));
    if (metadata.format !== "pt") throw new Error("model.safetensors does not say format: pt");
    return { tensors, shards: null };
  }
  const index = JSON.parse(readFileSync(indexPath, "utf8")) as { metadata: { total_size: number }; weight_map: Record<string, string> };
  const named = [...new Set(Object.values(index.weight_map))].sort();
  const expected = named.map((_, i) => `model-${String(i + 1).padStart(5, "0")}-of-${String(named.length).padStart(5, "0")}.safetensors`);
  if (named.join() !== expected.join() || files.join() !== expected.join()) throw new Error(`the index names ${named.join(", ")}; there are ${files.join(", ")}`);
  const tensors: StoredTensors = new Map();
  const shards = named.map((file) => {
    const stored = readStored(join(folder, file));
    if (stored.metadata.format !== "pt") throw new Error(`${file} does not say format: pt`);
    for (const [name, tensor] of stored.tensors) {
      if (tensors.has(name) || index.weight_map[name] !== file) throw new Error(`index and shards disagree about ${name}`);
      tensors.set(name, tensor);
    }
    return { bytes: [...stored.tensors.values()].reduce((sum, { raw }) => sum + raw.length, 0), count: stored.tensors.size };
  });
  if (tensors.size !== Object.keys(index.weight_map).length) throw new Error("the index names tensors that no shard has");
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  if (index.metadata.total_size !== total) throw new Error(`total_size is ${index.metadata.total_size}, and the shards hold ${total}`);
  return { tensors, shards };
}

const EXPERT = /^(.*\.)(?:block_sparse_moe|mlp)\.experts\.(\d+)\.(w1|w2|w3|gate_proj|up_proj|down_proj)\.weight$/;
const PARTS: Readonly<Record<string, string>> = { w1: "gate", w3: "up", w2: "down", gate_proj: "gate", up_proj: "up", down_proj: "down" };

/** Tensors of single experts as the packed ones, under the names of transformers 5. */
export function packExperts(tensors: StoredTensors): StoredTensors {
  const out: StoredTensors = new Map();
  const groups = new Map<string, Map<string, StoredTensor[]>>();
  for (const [name, tensor] of tensors) {
    const [, prefix, expert, part] = EXPERT.exec(name) ?? [];
    if (prefix === undefined) {
      out.set(name.replace(/\.block_sparse_moe\.gate\.weight$/, ".mlp.gate.weight"), tensor);
      continue;
    }
    const group = groups.get(prefix) ?? groups.set(prefix, new Map(["gate", "up", "down"].map((key) => [key, []]))).get(prefix)!;
    group.get(PARTS[part!]!)![Number(expert)] = tensor;
  }
  for (const [prefix, group] of groups) {
    const [gate, up, down] = ["gate", "up", "down"].map((part) => group.get(part)!) as [StoredTensor[], StoredTensor[], StoredTensor[]];
    const { dtype, shape } = gate[0]!;
    out.set(`${prefix}mlp.experts.gate_up_proj`, new StoredTensor(dtype, [gate.length, 2 * shape[0]!, shape[1]!], Buffer.concat(gate.flatMap((each, i) => [each.raw, up[i]!.raw]))));
    out.set(`${prefix}mlp.experts.down_proj`, new StoredTensor(dtype, [down.length, ...down[0]!.shape], Buffer.concat(down.map(({ raw }) => raw))));
  }
  return out;
}
