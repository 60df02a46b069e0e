/** The same tensor of the other layers: names that differ only in the numbers of layers and experts. */
import { expertOf, foldedName, layerOf } from "../../src/checkpoint/structure";
import type { TableRow } from "../../src/protocol/tensor-table";

const families = new WeakMap<readonly TableRow[], Map<string, number[]>>();

/** Tensor indices, `tensor` among them, by layer and expert; one entry when it has no siblings. */
export function siblingsOf(rows: readonly TableRow[], tensor: number): readonly number[] {
  let byName = families.get(rows);
  if (byName === undefined) {
    byName = new Map();
    for (let i = 0; i < rows.length; i++) {
      const folded = foldedName(rows[i]!.name);
      const family = byName.get(folded);
      if (family === undefined) byName.set(folded, [i]);
      else family.push(i);
    }
    const place = (i: number): number => (layerOf(rows[i]!.name) ?? 0) * 1e6 + (expertOf(rows[i]!.name) ?? 0);
    for (const family of byName.values()) family.sort((a, b) => place(a) - place(b));
    families.set(rows, byName);
  }
  return byName.get(foldedName(rows[tensor]!.name)) ?? [tensor];
}

/** Where one value stands among all. */
export interface Standing {
  /** 1 for the largest. */
  rank: number;
  of: number;
  median: number;
  /** Distance from the median in median absolute deviations; null when those are 0. */
  deviations: number | null;
}

/** Standing of `value` among `values`, itself included; null when it is not finite. Not finite ones do not count. */
export function standing(value: number | null, values: readonly (number | null)[]): Standing | null {
  const finite = values.filter((other): other is number => other !== null && Number.isFinite(other)).sort((a, b) => a - b);
  if (value === null || !Number.isFinite(value) || finite.length === 0) return null;
  const middle = median(finite);
  const mad = median(finite.map((other) => Math.abs(other - middle)).sort((a, b) => a - b));
  return {
    rank: 1 + finite.filter((other) => other > value).length,
    of: finite.length,
    median: middle,
    deviations: mad > 0 ? (value - middle) / mad : null,
  };
}

function median(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
