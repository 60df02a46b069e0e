/** Pairs of tensors with a planted relation, made of random numbers that are the same for the same seed. */
import { literal } from "../src/checkpoint/adapters/build";
import { StructureFinder } from "../src/analysis/structure/finder";
import type { TensorPair } from "../src/analysis/structure/pairs";
import type { Engine } from "../src/analysis/engine";
import type { AttentionHeads } from "../src/protocol/compare";
import type { Structure } from "../src/protocol/results";
import { randomTensor, tensorOf, at } from "./adapters";
import { product, rounded, type Values } from "./expressions";

export type Rounding = "F32" | "F16" | "BF16";

/** A matrix of normal numbers (the sum of twelve even ones less six), as a trained model's, rounded. */
export function normal(shape: number[], seed: number, deviation = 0.08, dtype: Rounding = "F32"): Values {
  const parts = Array.from({ length: 12 }, (_, i) => randomTensor(shape, 100 * seed + i).data);
  return tensorOf(shape, (i) => rounded((deviation / 2) * parts.reduce((sum, part) => sum + part[i]!, 0), dtype));
}

/** a + change, rounded. */
export function plus(a: Values, change: (i: number) => number, dtype: Rounding = "F32"): Values {
  return tensorOf(a.shape, (i) => rounded(a.data[i]! + change(i), dtype));
}

/** A random update of rank r whose elements have about this deviation. */
export function lowRank([rows, columns]: readonly [number, number], rank: number, seed: number, deviation: number): Values {
  const { shape, data } = product(normal([rows, rank], seed, 1), normal([rank, columns], seed + 1, 1));
  return tensorOf(shape, (i) => (deviation * data[i]!) / Math.sqrt(rank));
}

/** Numbers 0 … n − 1 in a random order. */
export function shuffled(n: number, seed: number): number[] {
  const keys = randomTensor([n], seed).data;
  return [...keys.keys()].sort((i, j) => keys[i]! - keys[j]!);
}

/** Rows (axis 0) or columns in another order: index i holds `order[i]`. */
export function reordered(of: Values, order: readonly number[], axis: 0 | 1): Values {
  const columns = of.shape[1]!;
  return tensorOf(of.shape, (i) => (axis === 0 ? at(of, order[Math.floor(i / columns)]!, i % columns) : at(of, Math.floor(i / columns), order[i % columns]!)));
}

/** Order of single lines from that of runs of `size`. */
export function lines(order: readonly number[], size: number): number[] {
  return order.flatMap((unit) => Array.from({ length: size }, (_, i) => unit * size + i));
}

export type Pairs = Record<string, readonly [Values, Values]>;

export function pairsOf(pairs: Pairs, dtype: Rounding = "F32"): TensorPair[] {
  return Object.entries(pairs).map(([name, [a, b]]) => ({
    a: name, b: name, shape: a.shape, dtypeA: dtype, dtypeB: dtype,
    expressions: () => Promise.resolve({ a: literal(a.shape, [...a.data]), b: literal(b.shape, [...b.data]) }),
  }));
}

/** The structure of each pair, by name. */
export async function structures(engine: Engine, pairs: Pairs, { heads = null, dtype = "F32" }: { heads?: AttentionHeads | null; dtype?: Rounding } = {}): Promise<Record<string, Structure>> {
  const finder = new StructureFinder({ engine, pairs: pairsOf(pairs, dtype), heads });
  return Object.fromEntries(await Promise.all(Object.keys(pairs).map(async (name, i) => [name, await finder.of(i)] as const)));
}
