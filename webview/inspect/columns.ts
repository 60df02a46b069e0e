/**
 * The numbers a tensor can be listed, sorted and plotted by: what is read from the header and what the engine computes.
 * One definition serves the tree, the table, the chart by depth and the exports.
 */
import type { CachedResult } from "../../src/protocol/inspect";
import type { Numeric } from "../../src/protocol/results";
import type { TableRow } from "../../src/protocol/tensor-table";
import type { Combine } from "../tree/combine";
import { ABSENT, formatBytes, formatCount, formatNumber, formatShape, formatShare } from "../ui/format";

export interface Column {
  readonly id: string;
  /** Column header: a symbol or one word. */
  readonly label: string;
  /** In words, with the unit where there is one. */
  readonly title: string;
  /** Where the number comes from; only computed parts can be missing. */
  readonly part: "structure" | "statistics" | "norms" | "spectrum";
  readonly combine: Combine;
  /** The number of one tensor; null when the computation gives none (an α without a tail to fit). */
  value(row: TableRow, result: CachedResult | undefined): Numeric | null;
  format(value: Numeric): string;
}

/** Is the tensor's shape known? A tensor of a missing shard is only a name. */
export function hasShape({ unreadable, shape, bytes }: TableRow): boolean {
  return unreadable === undefined || shape.length > 0 || bytes > 0;
}

/** The shape as it is shown. */
export function shapeText(row: TableRow): string {
  return hasShape(row) ? formatShape(row.shape) : ABSENT;
}

/** Product of the shape: the number of elements. */
export function parametersOf(shape: readonly number[]): number {
  let product = 1;
  for (const extent of shape) product *= extent;
  return product;
}

/** A spectrum needs a matrix: two axes or more, none of them empty. */
export function hasSpectrum(shape: readonly number[]): boolean {
  return shape.length >= 2 && parametersOf(shape) > 0;
}

type Statistic = NonNullable<CachedResult["statistics"]>;
type Spectral = NonNullable<CachedResult["spectrum"]>;

/** Statistics that count elements, finite or not. */
const COUNTS = new Set(["zeros", "subnormals", "nonFinite"]);

function structure(id: string, label: string, title: string, value: (row: TableRow) => number, format: (value: number) => string): Column {
  return { id, label, title, part: "structure", combine: "sum", value, format: (x) => format(Number(x)) };
}
function statistic(id: string, label: string, title: string, combine: Combine, value: (s: Statistic) => Numeric, format: (value: Numeric) => string = formatNumber): Column {
  // Without a finite element there is nothing to take a moment of: 0 would look like a number.
  const defined = (s: Statistic | undefined): s is Statistic => s !== undefined && (s.finite > 0 || COUNTS.has(id));
  return { id, label, title, part: "statistics", combine, value: (_, result) => (defined(result?.statistics) ? value(result.statistics) : null), format };
}
function spectral(id: string, label: string, title: string, combine: Combine, value: (s: Spectral) => Numeric | null): Column {
  return { id, label, title, part: "spectrum", combine, value: (_, result) => (result?.spectrum ? value(result.spectrum) : null), format: formatNumber };
}
const share = (value: Numeric): string => formatShare(Number(value));
const count = (value: Numeric): string => formatCount(Number(value));

export const COLUMNS: readonly Column[] = [
  structure("parameters", "params", "parameters", (row) => parametersOf(row.shape), formatCount),
  structure("bytes", "bytes", "bytes in the file", (row) => row.bytes, formatBytes),
  statistic("l2", "‖W‖", "Frobenius norm", "root of squares", (s) => s.l2),
  statistic("rms", "RMS", "root mean square", "quadratic mean", (s) => s.rms),
  statistic("mean", "mean", "mean", "mean", (s) => s.mean),
  statistic("standardDeviation", "σ", "standard deviation", "median", (s) => s.standardDeviation),
  statistic("min", "min", "smallest value", "minimum", (s) => s.min),
  statistic("max", "max", "largest value", "maximum", (s) => s.max),
  statistic("maxAbs", "|max|", "largest magnitude", "maximum", (s) => s.maxAbs),
  statistic("l1", "L1", "sum of magnitudes", "sum", (s) => s.l1),
  statistic("kurtosis", "kurtosis", "kurtosis (normal = 3)", "median", (s) => s.kurtosis),
  statistic("zeros", "zeros", "share of zeros", "mean", (s) => (s.count === 0 ? 0 : s.zeros / s.count), share),
  statistic("subnormals", "subnormal", "share of subnormal numbers", "mean", (s) => (s.count === 0 ? 0 : s.subnormals / s.count), share),
  statistic("nonFinite", "NaN, ∞", "values that are NaN or infinite", "sum", (s) => s.count - s.finite, count),
  spectral("spectralNorm", "σ₁", "spectral norm (largest singular value)", "maximum", (s) => s.spectralNorm),
  spectral("stableRank", "stable rank", "stable rank ‖W‖²/σ₁²", "median", (s) => s.stableRank),
  spectral("effectiveRank", "eff. rank", "effective rank (exp of the entropy of σ)", "median", (s) => s.effectiveRank),
  spectral("matrixRank", "rank", "numerical rank", "median", (s) => s.matrixRank),
  spectral("conditionNumber", "cond.", "condition number", "maximum", (s) => s.conditionNumber),
  spectral("energyRank90", "k₉₀", "singular values holding 90 % of the energy", "median", (s) => s.energyRank["0.9"]),
  spectral("energyRank99", "k₉₉", "singular values holding 99 % of the energy", "median", (s) => s.energyRank["0.99"]),
  spectral("aboveEdge", "> MP", "singular values above the Marchenko–Pastur edge", "median", (s) => s.marchenkoPastur.above),
  spectral("alpha", "α", "power-law exponent of the spectrum's tail", "median", (s) => s.powerLaw?.alpha ?? null),
];

const byId = new Map(COLUMNS.map((column) => [column.id, column]));

/** The column called `id`, or undefined when a stored view names one that no longer exists. */
export function columnById(id: string): Column | undefined {
  return byId.get(id);
}

/** Columns whose numbers the engine computes. */
export const COMPUTED = COLUMNS.filter((column) => column.part !== "structure");
