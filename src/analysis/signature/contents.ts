/** What is in a model, as hashes: equal exactly when all tensors are, whatever file format and order they are stored in. */
import { createHash } from "node:crypto";
import type { Checkpoint } from "../../checkpoint/checkpoint";
import { concurrently } from "../concurrently";
import { convertedTensor } from "../convert";
import type { Engine } from "../engine";

export interface Contents {
  /** SHA-256 over names, types, shapes and hashes of all tensors, sorted by name; lower-case hex. */
  hash: string;
  /** BLAKE3 of each tensor's stored bytes by name; lower-case hex. */
  tensors: ReadonlyMap<string, string>;
}

/** One tensor's line of a model's hash. */
export interface ContentsEntry {
  name: string;
  dtype: string;
  shape: readonly number[];
  hash: string;
}

/** Hashes under way at a time. */
const CONCURRENCY = 4;

/** Reads the whole model once. @throws CheckpointError when a tensor cannot be decoded; what the engine throws. */
export async function contentsOf(checkpoint: Checkpoint, engine: Engine, signal?: AbortSignal, onDone?: (tensor: string, bytes: number) => void): Promise<Contents> {
  const entries = await concurrently(checkpoint.tensors, CONCURRENCY, async (tensor): Promise<ContentsEntry> => {
    const { name, dtype, shape, read } = await convertedTensor(checkpoint, tensor, undefined, signal);
    const { hash } = await engine.request("hash", { tensor: await read(signal) }, signal === undefined ? {} : { signal });
    onDone?.(name, tensor.bytes);
    return { name, dtype, shape, hash };
  });
  return contentsFrom(entries);
}

/** The contents that consist of `entries`, in any order. */
export function contentsFrom(entries: readonly ContentsEntry[]): Contents {
  const sha = createHash("sha256");
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const { name, dtype, shape, hash } of sorted) sha.update(`${JSON.stringify([name, dtype, shape, hash])}\n`);
  return { hash: sha.digest("hex"), tensors: new Map(entries.map(({ name, hash }) => [name, hash])) };
}
