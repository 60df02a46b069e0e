/** Tensors with the same content. */
import type { Tensor } from "../checkpoint/checkpoint";
import { isReadable } from "./readable";

/** Tensors that may be equal: groups of two or more indices with the same dtype and number of bytes. Empty tensors are no duplicates. */
export function candidateGroups(tensors: readonly Tensor[]): number[][] {
  return groupBy(
    tensors.flatMap((tensor, i) => (isReadable(tensor) && tensor.bytes > 0 ? [i] : [])),
    (i) => `${tensors[i]!.dtype} ${tensors[i]!.bytes}`,
  );
}

/**
 * Groups of tensors whose stored bytes hash the same, in file order.
 * @param hash of a tensor's content, by index; at most `concurrency` are asked at a time.
 */
export async function findDuplicates(tensors: readonly Tensor[], hash: (tensor: number) => Promise<string>, concurrency: number, signal?: AbortSignal): Promise<number[][]> {
  const candidates = candidateGroups(tensors).flat().sort((a, b) => a - b);
  const hashes = new Map<number, string>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < candidates.length) {
      signal?.throwIfAborted();
      const tensor = candidates[next++]!;
      hashes.set(tensor, await hash(tensor));
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, candidates.length) }, worker));
  return groupBy(candidates, (i) => `${tensors[i]!.dtype} ${hashes.get(i)!}`);
}

function groupBy(indices: readonly number[], key: (index: number) => string): number[][] {
  const groups = new Map<string, number[]>();
  for (const index of indices) {
    const group = groups.get(key(index));
    if (group === undefined) groups.set(key(index), [index]);
    else group.push(index);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}
