/**
 * What a computation answers, in the shapes of the command line's `--json` output. The engine produces the computed
 * blocks, the command line prints them, the views draw them: one definition for all three.
 */

/**
 * A number that survives JSON: `"NaN"`, `"Infinity"` and `"-Infinity"` for what JSON cannot hold, and a decimal string
 * for an integer beyond 2^53. `toNumber` turns it into a double.
 */
export type Numeric = number | string;

/** The double nearest to `value`. */
export function toNumber(value: Numeric): number {
  return typeof value === "number" ? value : Number(value);
}

/** How a computed block was made. */
export interface How {
  /** Algorithm, in words a user can look up: `"one-pass"`, `"two-stage bidiagonalisation"`, `"block Krylov"` … */
  method: string;
  /** Arithmetic of the accumulation: `"f64"`, `"f32"`, `"integer"`. */
  precision: string;
  exact: boolean;
  /** Absolute bound on the error of the main quantity (for a spectrum: of every σ), where one is known. */
  errorBound?: Numeric;
  seed?: number;
  /** `"cpu"` or `"gpu:<adapter>"`. */
  backend: string;
  threads: number;
}

export const QUANTILES = [".001", ".01", ".05", ".25", ".5", ".75", ".95", ".99", ".999"] as const;
export type Quantile = (typeof QUANTILES)[number];

/** Statistics of all elements of a tensor; moments and quantiles over the finite ones. */
export interface Statistics {
  count: number;
  finite: number;
  nan: number;
  positiveInfinity: number;
  negativeInfinity: number;
  /** Elements equal to 0, of either sign. */
  zeros: number;
  subnormals: number;
  min: Numeric;
  max: Numeric;
  mean: Numeric;
  /** Population standard deviation. */
  standardDeviation: Numeric;
  l1: Numeric;
  l2: Numeric;
  rms: Numeric;
  maxAbs: Numeric;
  /** Fourth standardised moment (3 for a normal distribution); `"NaN"` when the deviation is 0. */
  kurtosis: Numeric;
  /** Linear interpolation between order statistics. */
  quantiles: Record<Quantile, Numeric>;
  how: How;
}

/** The singular spectrum of a matrix and what is read off it. */
export interface Spectrum {
  rows: number;
  columns: number;
  /** Descending; all of them, or the top K. */
  singularValues: number[];
  frobeniusNorm: Numeric;
  spectralNorm: Numeric;
  /** ‖W‖²_F / σ₁². */
  stableRank: Numeric;
  /** exp(−Σ p ln p), p = σ/Σσ (Roy & Vetterli). */
  effectiveRank: Numeric;
  /** Smallest k with Σ_{i≤k} σ² ≥ τ·Σσ². */
  energyRank: Record<"0.9" | "0.95" | "0.99", number>;
  /** #{σ > σ₁·max(rows, columns)·2⁻⁵²}. */
  matrixRank: number;
  conditionNumber: Numeric;
  /** `edge` = s·(√rows + √columns) for entries of the matrix' own variance s²; `above` = #{σ > edge}. */
  marchenkoPastur: { edge: Numeric; above: number };
  /** Clauset–Shalizi–Newman fit to λ = σ², as WeightWatcher makes it; null with fewer than two usable λ. */
  powerLaw: { alpha: Numeric; xmin: Numeric; distance: Numeric } | null;
  how: How;
}

export type Severity = "error" | "warning" | "info";

/** One thing worth knowing about a checkpoint. `rule` is stable and documented in `docs/health.md`. */
export interface Finding {
  rule: string;
  severity: Severity;
  tensor?: string;
  message: string;
}
