/** The index of a sharded checkpoint: `{"metadata": {…}, "weight_map": {tensor name: shard file}}`. */
import { basename, dirname, join } from "node:path";
import { CheckpointError, type SourceOpener } from "./checkpoint";
import { JsonReader, type Json } from "./json-reader";
import { grouped, quote } from "./quote";

/** An index of 500,000 tensors has about 60 MB. */
const MAX_INDEX_BYTES = 1 << 28;

const MAX_SHARDS = 10_000;

export interface ShardIndex {
  path: string;
  metadata: { [key: string]: Json };
  /** Shard files relative to the index's folder, in the order of their first appearance. */
  shards: string[];
  /** How many tensors the index says each shard holds. */
  counts: number[];
  /** Tensor name → index into `shards`; of a name listed twice the last, as JSON libraries have it. Used up by `assemble`. */
  shardOf: Map<string, number>;
  /** Names listed twice: where else. */
  repeated: { name: string; shard: number }[];
}

/**
 * Reads an index.
 * @throws CheckpointError when it is not one, or names a shard outside its folder.
 */
export async function readIndex(path: string, sources: SourceOpener): Promise<ShardIndex> {
  const source = await sources.open(path);
  try {
    const size = await source.size();
    if (size > MAX_INDEX_BYTES) throw new CheckpointError("malformed", `the index has ${grouped(size)} bytes, more than the limit of ${grouped(MAX_INDEX_BYTES)}`, path);
    return parseIndex(await source.read(0, size), path);
  } finally {
    await source.close();
  }
}

function parseIndex(bytes: Uint8Array, path: string): ShardIndex {
  const reader = new JsonReader(bytes, { file: path, what: "the index" });
  const index: ShardIndex = { path, metadata: {}, shards: [], counts: [], shardOf: new Map(), repeated: [] };
  const seen = new Set<string>();
  reader.object((key, offset) => {
    if (seen.size === seen.add(key).size) reader.failAt(`the key ${quote(key)} appears twice in the index, again at byte ${offset}`, offset);
    if (key === "weight_map") readWeightMap(reader, index);
    else if (key === "metadata" && reader.next() === "object") index.metadata = reader.value() as { [key: string]: Json };
    else reader.skip();
  });
  reader.end();
  if (!seen.has("weight_map")) throw new CheckpointError("malformed", `the index has no "weight_map"`, path, { key: "weight_map" });
  for (const shard of index.shardOf.values()) index.counts[shard]!++;
  return index;
}

function readWeightMap(reader: JsonReader, index: ShardIndex): void {
  const numbers = new Map<string, number>();
  if (reader.next() !== "object") reader.failHere(`weight_map at byte ${reader.position()} is ${reader.shown()}, not an object`);
  reader.object((name) => {
    const offset = reader.position();
    if (reader.next() !== "string") reader.failHere(`the shard of ${quote(name)} at byte ${offset} is ${reader.shown()}, not a string`);
    const shard = reader.string();
    let number = numbers.get(shard);
    if (number === undefined) {
      const wrong = outside(shard);
      if (wrong !== undefined) {
        throw new CheckpointError("malformed", `the shard ${quote(shard)} of ${quote(name)} at byte ${offset} ${wrong}`, index.path, { tensor: name, offset, key: name });
      }
      number = numbers.size;
      if (number === MAX_SHARDS) reader.failAt(`the index names more than ${grouped(MAX_SHARDS)} shards, at byte ${offset}`, offset);
      numbers.set(shard, number);
      index.shards.push(shard);
      index.counts.push(0);
    }
    const before = index.shardOf.get(name);
    if (before !== undefined) index.repeated.push({ name, shard: before });
    index.shardOf.set(name, number);
  });
}

/** Why a shard's path may not be opened, on any platform; undefined when it may. */
function outside(shard: string): string | undefined {
  if (shard === "") return "is empty";
  if (shard.includes("\0")) return "has a NUL character";
  if (shard.startsWith("/") || /^[a-z]:/i.test(shard)) return "is an absolute path; shards must lie in the index's folder";
  if (shard.includes("\\")) return "has a backslash; shards are named with forward slashes";
  if (shard.split("/").includes("..")) return "leaves the index's folder";
  return undefined;
}

/** Larger indexes are taken at their name's word rather than read. */
const MAX_CHECKED_INDEX_BYTES = 4 << 20;

/**
 * The index beside a shard that lists it (`model-00001-of-00002.safetensors` → `model.safetensors.index.json`); null when
 * there is none.
 */
export async function indexListing(path: string, sources: SourceOpener): Promise<string | null> {
  const shard = basename(path);
  const [, stem, extension] = /^(.*)-\d+-of-\d+\.(safetensors|bin|pth?)$/i.exec(shard) ?? [];
  if (stem === undefined) return null;
  const index = join(dirname(path), `${stem}.${extension!}.index.json`);
  if (!(await sources.exists(index))) return null;
  try {
    const source = await sources.open(index);
    const size = await source.size();
    await source.close();
    return size > MAX_CHECKED_INDEX_BYTES || (await readIndex(index, sources)).shards.includes(shard) ? index : null;
  } catch (error) {
    if (error instanceof CheckpointError) return null;
    throw error;
  }
}
