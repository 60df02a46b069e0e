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

/** What `weight-loupe compare --json` prints. */
export interface Compare {
  a: string;
  b: string;
  /** The largest relative change first. */
  pairs: Pair[];
  /** Names, in file order. */
  onlyInA: string[];
  onlyInB: string[];
  reshaped: { name: string; a: number[]; b: number[] }[];
  /** Of another dtype; compared all the same, in f32 or f64. */
  retyped: { name: string; a: string; b: string }[];
  /** Every pairing that was not by equal name. */
  mapping: { rule: string; from: string; to: string }[];
  totals: CompareTotals;
  /** What was found, in sentences: "All changes are in attention; each is a rank-16 update." */
  summary: string[];
  findings: Finding[];
}
/** Over all pairs; what tied tensors share counts once. Pairs whose values cannot be compared are not among them. */
export interface CompareTotals {
  /** Pairs, and those that are equal. */
  tensors: number;
  equal: number;
  /** Elements of all pairs, and those that differ bitwise. */
  parameters: number;
  changed: number;
  /** ‖B − A‖ and its share of ‖A‖, ⟨A, B⟩/(‖A‖·‖B‖), all tensors as one vector. */
  norm: Numeric;
  relative: Numeric;
  cosine: Numeric;
}
/** Two tensors of one shape. Sums and extremes are over the elements that are finite on both sides. */
export interface Pair {
  /** The files' own names. */
  a: string;
  b: string;
  /** What of a tensor is paired, when it is not all of it: half-open, in its rows (axis 0). */
  partOfA?: TensorPart;
  partOfB?: TensorPart;
  shape: number[];
  /** Bitwise after decoding. */
  equal: boolean;
  /** ‖B − A‖_F, ‖B − A‖/‖A‖, ⟨A, B⟩/(‖A‖·‖B‖). */
  norm: Numeric;
  relative: Numeric;
  cosine: Numeric;
  normA: Numeric;
  normB: Numeric;
  maxAbs: Numeric;
  /** Index of the first element with it, in `shape`; empty when nothing differs. */
  maxAt: number[];
  meanAbs: Numeric;
  /** Shares in [0, 1]: bitwise, beyond the tolerance, and with another sign. */
  changed: number;
  changedBeyond: number;
  signFlips: number;
  /** Elements that are not finite on either side, when there are some. */
  nonFinite?: { a: number; b: number };
  /** 20·log₁₀(‖A‖/‖B − A‖), when one side is quantised; ‖A‖ of the other side. */
  sqnrDb?: Numeric;
  /** Then also the neighbouring elements of one row, as many as the quantiser's block has, with the largest ‖B − A‖; and its share of ‖A‖ there. */
  worstBlocks?: { at: number[]; length: number; norm: Numeric; relative: Numeric }[];
  /** The tensors are those of an earlier pair under other names: that pair, by A's name. */
  tiedTo?: string;
  spectrum?: PairSpectrum;
  structure?: Structure;
  how: How;
}
/** A run of a tensor's rows, or every so many of them (interleaved heads). */
export interface TensorPart {
  start: number;
  stop: number;
  /** Which axis the rows lie on; absent for the first. */
  axis?: number;
  /** The rows are of this entry of the first axis (an expert of a stack). */
  index?: number;
  /** Rows in one run, and rows from the start of one run to the next; absent for one run. */
  run?: number;
  step?: number;
}
/** Spectra of both sides and of the change; `overlap`: cosines of the principal angles between A's and B's leading spaces. */
export interface PairSpectrum {
  a: Spectrum;
  b: Spectrum;
  /** Its `matrixRank` counts against the rounding of stored values: σ > 10⁻⁶·σ₁, unless both sides are F64. */
  delta: Spectrum;
  overlap: { left: Numeric[]; right: Numeric[] };
  /** R of the weight-matching analysis, by γ. */
  matching?: { gamma: number; r: Numeric }[];
  /** B's leading left singular vectors that none of A's resembles. */
  intruders?: { index: number; similarity: Numeric }[];
}
export type StructureKind = "none" | "low-rank" | "rows" | "columns" | "heads" | "blocks" | "permuted" | "scaled";
/** What a change looks like. */
export interface Structure {
  kind: StructureKind;
  /** Of a low-rank change. */
  rank?: number;
  /** 0-based, ascending, of B's rows, columns, heads or blocks that changed. */
  indices?: number[];
  /** permutation[i]: the row (or column) of A that stands at i in B. Also of rows, columns or heads that changed in a tensor whose order is another. */
  permutation?: number[];
  /** With both: the changed ones by A's indices, ascending. */
  indicesOfA?: number[];
  /** Which axis of the matrix view (first axis × the rest) the heads or blocks lie on, or was permuted: 0 rows, 1 columns. */
  axis?: 0 | 1;
  /** Rows or columns of one head or block, or of one unit that was moved as a whole. */
  size?: number;
  /** B ≈ factor·A, for `"scaled"`. */
  factor?: Numeric;
  /** Share of the elements that the change touches (for `"permuted"`: of the units that moved). */
  share: number;
  /** Share of the elements that are the same as in A though their neighbours changed (restored or frozen), when that is notable. */
  unchangedShare?: number;
  /** One sentence: "a rank-16 update". */
  sentence: string;
}

/** What `weight-loupe explain --json` prints: target ≈ Σ coefficient·model, by least squares without intercept. */
export interface Explain {
  target: string;
  /** By the models' paths as given; with a base, of the task vectors (model − base) or of an adapter's ΔW. */
  coefficients: Record<string, number>;
  /** ‖target − Σ‖/‖target‖ (with a base: of the task vectors). */
  residual: number;
  perTensor: { name: string; coefficients: Record<string, number>; residual: number }[];
  /** One sentence: "B ≈ 0.50·X + 0.50·Y, residual 0.3 %". */
  sentence: string;
  findings: Finding[];
  how: How;
}

/**
 * What `weight-loupe relations --json` prints: how fine-tuned models of one base lie to each other. τ = model − base. Matrices are
 * by model, in the order given; `null` where a task vector is zero, or nothing changed in either.
 */
export interface Relations {
  base: string;
  models: string[];
  /** ‖τ‖, over all tensors; and its share of ‖base‖. */
  norms: number[];
  relative: number[];
  /** ⟨τ_i, τ_j⟩/(‖τ_i‖·‖τ_j‖). */
  cosine: (number | null)[][];
  /** Of the elements that both changed, the share with τ_i·τ_j < 0. */
  conflicts: (number | null)[][];
  /** Elements that both changed over those that either did (Jaccard). */
  overlap: (number | null)[][];
  /** Of the elements that two or more changed, the share in which two have opposite signs. */
  signConflict: number | null;
  /** Of all elements, the share that each changed. */
  changed: number[];
  /** In file order of the base. */
  tensors: RelationsOfTensor[];
  /** Each task vector by least squares in terms of the others; empty for fewer than two models. */
  explained: { model: string; coefficients: Record<string, number>; residual: number }[];
  /** What it comes to: "X and Y go the same way (cosine 0.98) …" */
  sentence: string;
  findings: Finding[];
  how: How;
}
export interface RelationsOfTensor extends Pick<Relations, "norms" | "cosine" | "conflicts" | "overlap" | "signConflict" | "changed"> {
  name: string;
  /** What it does, and which repeated layer holds it. */
  kind: string;
  layer: number | null;
  parameters: number;
}

/** What `weight-loupe signature compare --json` prints. */
export interface SignatureCompare {
  /** Paths as given. */
  signatures: string[];
  /** Between whole signatures, over the tensors that both hold; `"NaN"` where one of them is 0 there. */
  cosine: Numeric[][];
  /** Per tensor, one number per signature; null where it does not hold the tensor, or (the share removed) was not projected. */
  layers: { name: string; norm: (Numeric | null)[]; removedByProjection: (Numeric | null)[] }[];
  /** Of the files. */
  bytes: number[];
  /** Of the robust model that the first one was made from. */
  fullCopyBytes: number;
  how: How;
}

/** What `weight-loupe signature extract --json` prints. */
export interface SignatureExtract {
  /** Paths as given. Without a base, signatures are robust − clean, not projected. */
  base: string | null;
  clean: string;
  robust: string[];
  projected: boolean;
  quantised: { scheme: string; levels: number } | null;
  /** One for each robust model. */
  signatures: { path: string; robust: string; tensors: number; parameters: number; bytes: number; fullCopyBytes: number }[];
  /** All layers in forward order, and which of them the signatures patch. */
  units: SignatureUnit[];
  /** Every tensor that could be compared, in the order of `units`. */
  layers: SignatureLayer[];
  findings: Finding[];
  how: How;
}
export interface SignatureUnit {
  name: string;
  tensors: string[];
  chosen: boolean;
}
export interface SignatureLayer {
  name: string;
  shape: number[];
  chosen: boolean;
  /** One for each robust model: ‖robust − clean‖, that over ‖clean‖, and over ‖clean − base‖. */
  differences: { norm: Numeric; relative: Numeric; relativeToUpdate: Numeric | null }[];
  /** (p·a)/(a·a) and (p·a)²/(‖a‖²‖p‖²), p = robust − base, a = clean − base; null without a base. */
  coefficients: (Numeric | null)[];
  removedByProjection: (Numeric | null)[];
}

/** What `weight-loupe signature apply --json` prints. */
export interface SignatureApply {
  path: string;
  output: string;
  bytes: number;
  /** What `remove` restores the original from; null when it was not wanted. */
  undo: { path: string; bytes: number } | null;
  /** `coefficient`: what each signature is multiplied by in the end. */
  signatures: { path: string; alpha: number; coefficient: number }[];
  scaling: SignatureScaling;
  /** Patched ones, and their elements. */
  tensors: number;
  parameters: number;
  findings: Finding[];
}
export type SignatureScaling = "linear" | "authors";

/** What `weight-loupe signature remove --json` prints. */
export interface SignatureRemove {
  path: string;
  removed: boolean;
  /** Why it was not. */
  reason?: string;
  output: string | null;
  bytes?: number;
  /** Where the original's values came from; every hash was checked. */
  by?: "undo" | "original" | "subtraction";
  /** Signatures that stay applied. */
  remaining: { name: string; alpha: number }[];
}

/** What `weight-loupe merge --dry-run --json` prints for a document; a recipe of several gives an array. */
export interface Preflight {
  ok: boolean;
  /** Lines and columns from 1. */
  problems: { severity: "error" | "warning"; code: string; message: string; line: number; column: number; tensor?: string }[];
  plan: {
    method: string;
    tensors: number;
    inputBytes: number;
    outputBytes: number;
    /** Names in the output folder. */
    files: string[];
    peakMemoryBytes: number;
    /** From measured rates. */
    seconds: number;
  } | null;
}

/** What `weight-loupe merge --json` prints for a document. */
export interface Merge extends Preflight {
  output: { path: string; files: { path: string; bytes: number; sha256: string }[] } | null;
  seconds: number;
  peakMemoryBytes: number;
}

/** What `weight-loupe methods --json` prints, for each. */
export interface Method {
  name: string;
  summary: string;
  /** In plain text. */
  formula: string;
  /** Paper or description. */
  source: string;
  base: "required" | "optional" | "unused";
  /** How many inputs, the base not counted. */
  models: { min: number; max: number | null };
  parameters: {
    name: string;
    type: string;
    scope: "model" | "global";
    default: unknown;
    range?: [number, number];
    meaning: string;
  }[];
  random: boolean;
  profiles: string[];
}
