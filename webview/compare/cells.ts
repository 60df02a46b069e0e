/** A measure's numbers by layer and kind of tensor, and where each lies in the scale of colours. */
import type { Measure } from "./measures";

/** Rows beyond this are too many to take in; the rarest kinds go first. */
const MOST_KINDS = 40;
export interface Cells {
  kinds: string[];
  /** −1: outside of any layer. */
  layers: number[];
  /** Entries per cell, row-major; empty where there are none. */
  entries: number[][];
}

/** Kinds in order of appearance by layers ascending, what is outside of any layer in a column of its own at the left. */
export function cellsOf(kinds: { names: readonly string[]; kind: ArrayLike<number>; layer: ArrayLike<number> }, entries: readonly number[], pairs: number): Cells {
  const counts = new Map<number, number>();
  const layers = new Set<number>();
  const used = entries.filter((entry) => entry < pairs);
  for (const entry of used) {
    counts.set(kinds.kind[entry]!, (counts.get(kinds.kind[entry]!) ?? 0) + 1);
    layers.add(kinds.layer[entry]!);
  }
  const rows = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_KINDS).map(([kind]) => kind).sort((a, b) => a - b);
  const columns = [...layers].sort((a, b) => a - b);
  const rowOf = new Map(rows.map((kind, i) => [kind, i]));
  const columnOf = new Map(columns.map((layer, i) => [layer, i]));
  const cells: number[][] = Array.from({ length: rows.length * columns.length }, () => []);
  for (const entry of used) {
    const row = rowOf.get(kinds.kind[entry]!);
    if (row !== undefined) cells[row * columns.length + columnOf.get(kinds.layer[entry]!)!]!.push(entry);
  }
  return { kinds: rows.map((kind) => kinds.names[kind]!), layers: columns, entries: cells };
}

/** Where a number lies between the least and the greatest, logarithmic where the measure is; 0 of one that is 0. */
export function scaleOf(numbers: readonly number[], measure: Measure): { low: string; high: string; share: (value: number) => number | null } {
  const log = measure.log === true;
  const at = (value: number): number => (log ? Math.log10(value) : value);
  let [low, high] = [Infinity, -Infinity];
  for (const value of numbers) {
    if (!Number.isFinite(at(value))) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: "", high: "", share: (value) => (Number.isNaN(value) ? null : value > 0 ? 1 : 0) };
  // Shares start at 0: little should look like little.
  if (!log && measure.least !== true && low > 0) low = 0;
  const span = at(high) - at(low);
  const from = log ? 0.12 : 0;
  return {
    low: measure.format(low),
    high: measure.format(high),
    share: (value) => {
      if (Number.isNaN(value)) return null;
      if (!Number.isFinite(at(value))) return value > high ? (measure.least === true ? 0 : 1) : 0;
      const share = span === 0 ? (value === 0 ? 0 : 1) : from + (1 - from) * ((at(value) - at(low)) / span);
      return measure.least === true ? 1 - share : share;
    },
  };
}
