/**
 * The numbers a pair can be listed, sorted, coloured and plotted by. One definition serves the tree, the table, the map and the
 * exports.
 */
import type { PairUpdate } from "../../src/protocol/compare";
import type { Numeric } from "../../src/protocol/results";
import type { Combine } from "../tree/combine";
import { formatCount, formatNumber, formatShare } from "../ui/format";
import type { Entry } from "./entries";

/** What has to be computed for it. */
export type MeasurePart = "shape" | "numbers" | "structure" | "spectrum";

/** How several pairs make one number; the last three from the norms and products of all of them. */
export type MeasureCombine = Combine | "relative" | "cosine" | "sqnr";

export interface Measure {
  readonly id: string;
  /** Column header: a symbol or one word. */
  readonly label: string;
  /** In words, with the unit where there is one. */
  readonly title: string;
  readonly part: MeasurePart;
  readonly combine: MeasureCombine;
  /** The number of one pair; null when the computation gives none. */
  value(entry: Entry, update: PairUpdate | undefined): Numeric | null;
  format(value: Numeric): string;
  /** Colours and axes of it are logarithmic. */
  readonly log?: true;
  /** Small is what stands out (a cosine, a signal-to-noise ratio). */
  readonly least?: true;
}

type Numbers = NonNullable<PairUpdate["numbers"]>;
type Spectral = NonNullable<PairUpdate["spectrum"]>;
type Extra = Pick<Measure, "log" | "least">;

function numbers(id: string, label: string, title: string, combine: MeasureCombine, value: (n: Numbers) => Numeric | null | undefined, format: Measure["format"] = formatNumber, extra: Extra = {}): Measure {
  return { id, label, title, part: "numbers", combine, value: (_, update) => (update?.numbers === undefined ? null : (value(update.numbers) ?? null)), format, ...extra };
}
function spectral(id: string, label: string, title: string, value: (s: Spectral) => Numeric): Measure {
  return { id, label, title, part: "spectrum", combine: "median", value: (_, update) => (update?.spectrum === undefined ? null : value(update.spectrum)), format: formatNumber };
}
const share = (value: Numeric): string => formatShare(Number(value));
const count = (value: Numeric): string => formatCount(Number(value));
const decibels = (value: Numeric): string => (Number.isFinite(Number(value)) ? Number(value).toFixed(1) : formatNumber(value));
/** Six decimals at most: what differs from 1 in the eighth place is equal to the eye, and its tooltip says all. */
const cosine = (value: Numeric): string => {
  const x = Number(value);
  if (!Number.isFinite(x)) return formatNumber(value);
  if (x === 1) return "1";
  return x > 0.9999995 ? "≈ 1" : x.toFixed(Math.abs(x) > 0.999 ? 6 : 4).replace("-", "−");
};

/** Product of the shape. */
export function parametersOf(shape: readonly number[]): number {
  let product = 1;
  for (const extent of shape) product *= extent;
  return product;
}

export const MEASURES: readonly Measure[] = [
  numbers("relative", "‖Δ‖/‖A‖", "relative change", "relative", (n) => n.relative, formatNumber, { log: true }),
  numbers("norm", "‖Δ‖", "norm of the change", "root of squares", (n) => n.norm, formatNumber, { log: true }),
  numbers("cosine", "cos(A, B)", "cosine of A and B", "cosine", (n) => n.cosine, cosine, { least: true }),
  numbers("changed", "changed", "share of elements that changed, bitwise", "mean", (n) => n.changed, share),
  numbers("maxAbs", "max |Δ|", "largest change of one element", "maximum", (n) => n.maxAbs, formatNumber, { log: true }),
  numbers("meanAbs", "mean |Δ|", "mean change of an element", "mean", (n) => n.meanAbs, formatNumber, { log: true }),
  numbers("signFlips", "sign flips", "share of elements with another sign", "mean", (n) => n.signFlips, share),
  numbers("sqnrDb", "SQNR dB", "signal to quantisation noise ratio in dB", "sqnr", (n) => n.sqnrDb, decibels, { least: true }),
  numbers("normA", "‖A‖", "norm of A", "root of squares", (n) => n.normA),
  numbers("normB", "‖B‖", "norm of B", "root of squares", (n) => n.normB),
  numbers("nonFinite", "NaN, ∞", "elements that are NaN or infinite on either side", "sum", (n) => (n.nonFinite === undefined ? 0 : n.nonFinite.a + n.nonFinite.b), count),
  {
    id: "rank", label: "rank Δ", title: "rank of the change, where it is of low rank", part: "structure", combine: "median",
    value: (_, update) => update?.structure?.rank ?? update?.spectrum?.rank ?? null, format: formatNumber,
  },
  spectral("stableRank", "stable rank Δ", "stable rank of the change ‖Δ‖²/σ₁²", (s) => s.stableRank),
  spectral("effectiveRank", "eff. rank Δ", "effective rank of the change (exp of the entropy of σ)", (s) => s.effectiveRank),
  spectral("energyRank99", "k₉₉ Δ", "singular values holding 99 % of the change's energy", (s) => s.energyRank99),
  { id: "parameters", label: "params", title: "parameters", part: "shape", combine: "sum", value: ({ shape }) => parametersOf(shape), format: count },
];

const byId = new Map(MEASURES.map((measure) => [measure.id, measure]));

/** The measure called `id`, or undefined when a stored view names one that no longer exists. */
export function measureById(id: string): Measure | undefined {
  return byId.get(id);
}

/** Measures that the map and the charts offer. */
export const COMPUTED = MEASURES.filter(({ part }) => part !== "shape");
