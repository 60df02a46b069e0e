/** From the engine's histograms to what is drawn and listed. */
import type { HistogramResult } from "../../src/engine/protocol";
import { toNumber, QUANTILES, type Statistics } from "../../src/protocol/results";
import type { PlotColumn } from "./types";

/** A step curve: `x` and `y` start and end at the outer edges; point i + 1 belongs to bin i. */
export interface Steps {
  x: number[];
  y: number[];
}

/** Edges of the linear bins, one more than counts. */
export function linearEdges({ linear }: HistogramResult): number[] {
  const low = toNumber(linear.low);
  const high = toNumber(linear.high);
  const n = linear.counts.length;
  // Weighted ends rather than low + i·w: nothing overflows and the last edge is `high` itself.
  return Array.from({ length: n + 1 }, (_, i) => low * (1 - i / n) + high * (i / n));
}

/** Edges of the log-magnitude bins as exponents of ten. */
export function exponentEdges({ logMagnitude: { minExponent, binsPerDecade, positive } }: HistogramResult): number[] {
  return Array.from({ length: positive.length + 1 }, (_, i) => minExponent + i / binsPerDecade);
}

/** The outline of `counts` over bins between `edges`, to be drawn with steps half-way between the points. */
export function steps(edges: readonly number[], counts: readonly number[]): Steps {
  const n = counts.length;
  if (n === 0) return { x: [], y: [] };
  const x = [edges[0]!];
  const y = [counts[0]!];
  for (let i = 0; i < n; i++) {
    x.push(edges[i]! / 2 + edges[i + 1]! / 2);
    y.push(counts[i]!);
  }
  x.push(edges[n]!);
  y.push(counts[n - 1]!);
  return { x, y };
}

/** The finite quantiles in order: level and value. */
export function rug({ quantiles }: Statistics): { level: string; value: number }[] {
  return QUANTILES.map((level) => ({ level, value: toNumber(quantiles[level]) })).filter(({ value }) => Number.isFinite(value));
}

/** The bins as a table. */
export function histogramTable(result: HistogramResult, scale: "linear" | "log"): PlotColumn[] {
  if (scale === "linear") {
    const edges = linearEdges(result);
    return [
      { name: "from", values: edges.slice(0, -1) },
      { name: "to", values: edges.slice(1) },
      { name: "count", values: result.linear.counts },
    ];
  }
  const edges = exponentEdges(result).map((exponent) => 10 ** exponent);
  return [
    { name: "|x| from", values: edges.slice(0, -1) },
    { name: "|x| to", values: edges.slice(1) },
    { name: "negative", values: result.logMagnitude.negative },
    { name: "positive", values: result.logMagnitude.positive },
  ];
}
