/** How a merged model is divided into files: Hugging Face's shards with an index, or one file. */
import { layOut, type LaidOutTensor, type Layout } from "../../analysis/safetensors-layout";

export const SINGLE = "model.safetensors";
export const INDEX = "model.safetensors.index.json";

export interface Shard<T extends LaidOutTensor> extends Layout<T> {
  name: string;
}

export interface Weights<T extends LaidOutTensor> {
  shards: Shard<T>[];
  /** The text of the index; null for a model of one file. */
  index: string | null;
  /** Of the tensors alone. */
  dataBytes: number;
  /** Of all shards. */
  bytes: number;
}

export interface ShardOptions {
  /** Bytes of tensor data to a shard, exceeded by single tensors only; 0: no limit. */
  limit: number;
  /** Of each shard. */
  metadata: Readonly<Record<string, string>>;
  /** The folder they will lie in, for messages. */
  target: string;
}

/**
 * Fills shards in the order of the names' bytes, as mergekit does: `layers.10` before `layers.2`. Within a file wide types come first, so
 * that every element is aligned.
 * @throws CheckpointError as `layOut`.
 */
export function layOutShards<T extends LaidOutTensor>(tensors: readonly T[], { limit, metadata, target }: ShardOptions): Weights<T> {
  const groups = divide(byName(tensors), limit);
  const shards = groups.map((group, i) => ({ name: groups.length === 1 ? SINGLE : shardName(i, groups.length), ...layOut(group, { metadata }, target) }));
  const dataBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  return { shards, index: shards.length === 1 ? null : indexText(shards, dataBytes), dataBytes, bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** In the order of the names' UTF-8 bytes, which is not that of JavaScript's strings beyond U+FFFF. */
export function byName<T extends { name: string }>(tensors: readonly T[]): T[] {
  return tensors
    .map((tensor) => ({ tensor, key: Buffer.from(tensor.name) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ tensor }) => tensor);
}

/** At least one group, also of no tensors. */
function divide<T extends LaidOutTensor>(tensors: readonly T[], limit: number): T[][] {
  const groups: T[][] = [[]];
  let held = 0;
  for (const tensor of tensors) {
    if (limit > 0 && held + tensor.bytes > limit && groups.at(-1)!.length > 0) {
      groups.push([]);
      held = 0;
    }
    groups.at(-1)!.push(tensor);
    held += tensor.bytes;
  }
  return groups;
}

function shardName(index: number, count: number): string {
  const number = (value: number): string => String(value).padStart(5, "0");
  return `model-${number(index + 1)}-of-${number(count)}.safetensors`;
}

function indexText(shards: readonly Shard<LaidOutTensor>[], dataBytes: number): string {
  const map = shards.flatMap(({ name, places }) => places.map(({ tensor }) => ({ name: tensor.name, file: name })));
  const entries = byName(map).map(({ name, file }) => `    ${JSON.stringify(name)}: ${JSON.stringify(file)}`);
  return `{\n  "metadata": {\n    "total_size": ${dataBytes}\n  },\n  "weight_map": {\n${entries.join(",\n")}\n  }\n}\n`;
}
