/**
 * Sharded checkpoints: an index (`*.index.json`, written by `huggingface_hub` and `transformers`) maps tensor names to
 * shard files beside it. Shards that are missing or malformed do not keep the others from opening.
 */
import { dirname, join, sep } from "node:path";
import { CheckpointError, type ByteSource, type Checkpoint, type CheckpointFile, type SourceOpener, type Tensor } from "./checkpoint";
import type { Finding } from "../protocol/results";
import { readArchitecture } from "./architecture";
import { readIndex, type ShardIndex } from "./index-file";
import { fileOf, withSource } from "./one-file";
import { quote, grouped } from "./quote";
import { ShardAudit } from "./shard-audit";
import { layerCount } from "./structure";

/** Shards whose headers are read at the same time. */
const PARALLEL = 8;

/** What is read from one shard. */
export interface ShardContent {
  tensors: Tensor[];
  findings?: readonly Finding[];
}

export interface ShardFormat {
  /** Of the checkpoint: `"safetensors"`. */
  format: string;
  /** @param number index into `Checkpoint.files`, for `Tensor.file`. */
  read(source: ByteSource, file: CheckpointFile, number: number, sources: SourceOpener): Promise<ShardContent>;
}

/**
 * Opens the checkpoint that the index at `path` describes.
 * @throws CheckpointError when the index is malformed, or a shard lies outside its folder.
 */
export async function openSharded(path: string, sources: SourceOpener, { format, read }: ShardFormat): Promise<Checkpoint> {
  const index = await readIndex(path, sources);
  const shards = await readShards(index, path, sources, read);
  const audit = new ShardAudit(index);
  const tensors = assemble(index, shards, audit);
  const complete = shards.every(({ tensors: held }) => held !== null);
  return {
    path,
    format,
    files: shards.map(({ file }) => file),
    tensors,
    metadata: index.metadata,
    architecture: await readArchitecture(path, sources, tensors),
    layers: layerCount(tensors),
    findings: [...shards.flatMap(({ findings }) => findings), ...audit.findings(), ...(complete ? totalSize(index, tensors) : [])],
  };
}

interface Shard {
  file: CheckpointFile;
  /** Null when the shard is missing or malformed; then `reason` says why. */
  tensors: Tensor[] | null;
  reason?: string;
  findings: readonly Finding[];
}

async function readShards(index: ShardIndex, path: string, sources: SourceOpener, read: ShardFormat["read"]): Promise<Shard[]> {
  const folder = dirname(path);
  // The second is where a link farm keeps its files: the Hugging Face cache's `blobs`.
  const roots = [await sources.realPath(folder), dirname(await sources.realPath(path))];
  const shards = new Array<Shard>(index.shards.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < index.shards.length; i = next++) shards[i] = await readShard(index, i, folder, roots, sources, read);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, index.shards.length) }, work));
  return shards;
}

async function readShard(index: ShardIndex, number: number, folder: string, roots: readonly string[], sources: SourceOpener, read: ShardFormat["read"]): Promise<Shard> {
  const shard = index.shards[number]!;
  const path = join(folder, shard);
  if (!(await sources.exists(path))) {
    const listed = index.counts[number]!;
    return {
      file: { path, bytes: 0, missing: true },
      tensors: null,
      reason: `the shard ${quote(shard)} is missing`,
      findings: [{
        rule: "missing-shard",
        severity: "error",
        message: `The shard ${quote(shard)} is missing: its ${listed === 1 ? "tensor is" : `${grouped(listed)} tensors are`} listed without shape or values.`,
      }],
    };
  }
  const real = await sources.realPath(path);
  if (!roots.some((root) => real.startsWith(root.endsWith(sep) ? root : root + sep))) {
    throw new CheckpointError("malformed", `the shard ${quote(shard)} is a symbolic link that leaves the index's folder`, index.path, { key: shard });
  }
  let file: CheckpointFile = { path, bytes: 0 };
  try {
    return await withSource(path, sources, async (source) => {
      file = await fileOf(source);
      return { file, findings: [], ...(await read(source, file, number, sources)) };
    });
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return {
      file,
      tensors: null,
      reason: `the shard ${quote(shard)} cannot be read: ${error.message}`,
      findings: [{ rule: "unreadable-shard", severity: "error", message: `The shard ${quote(shard)} cannot be read: ${error.message}.` }],
    };
  }
}

/** Shard by shard: what each holds, then what the index says it should hold and nothing does. */
function assemble(index: ShardIndex, shards: readonly Shard[], audit: ShardAudit): Tensor[] {
  const tensors: Tensor[] = [];
  /** Listed names not met yet, with their shard; names met are marked in place, half a million of them without a second table. */
  const { shardOf } = index;
  const MET = -1;
  const unlisted = new Set<string>();
  const strays = new Map<string, Tensor>();
  shards.forEach((shard, number) => {
    for (const tensor of shard.tensors ?? []) {
      const { name } = tensor;
      const listed = shardOf.get(name);
      if (listed === number) {
        shardOf.set(name, MET);
        tensors.push(tensor);
      } else if (listed === undefined && !unlisted.has(name)) {
        unlisted.add(name);
        audit.unlisted(name, number);
        tensors.push(tensor);
      } else if (listed === undefined || listed === MET || strays.has(name)) audit.twice(name, number);
      else strays.set(name, tensor);
    }
  });
  // Met where the index does not say: shown only when they are not where it says.
  for (const [name, stray] of strays) {
    if (shardOf.get(name) === MET) audit.twice(name, stray.file);
    else {
      shardOf.set(name, MET);
      audit.elsewhere(name, stray.file);
      tensors.push(stray);
    }
  }
  for (const [name, number] of shardOf) {
    if (number === MET) continue;
    const { reason } = shards[number]!;
    if (reason === undefined) audit.absent(name, number);
    tensors.push(absent(name, number, reason ?? `the shard ${quote(index.shards[number]!)} does not hold it`));
  }
  return byShard(tensors);
}

/** In the order of the shards and of the bytes in each; what has no place there comes last. */
function byShard(tensors: Tensor[]): Tensor[] {
  const before = (a: Tensor, b: Tensor): number => a.file - b.file || (a.offset ?? Number.MAX_VALUE) - (b.offset ?? Number.MAX_VALUE);
  return tensors.every((tensor, i) => i === 0 || before(tensors[i - 1]!, tensor) <= 0) ? tensors : tensors.sort(before);
}

function absent(name: string, file: number, reason: string): Tensor {
  return { name, dtype: "unknown", shape: [], parameters: 0, bytes: 0, file, offset: null, unreadable: reason, expression: null };
}

function totalSize(index: ShardIndex, tensors: readonly Tensor[]): Finding[] {
  const said = Number(index.metadata["total_size"] ?? Number.NaN);
  const is = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  if (Number.isNaN(said) || said === is) return [];
  return [{ rule: "total-size", severity: "warning", message: `The index says total_size ${grouped(said)} but the shards' tensors hold ${grouped(is)} bytes.` }];
}
