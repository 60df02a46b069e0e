/**
 * The engine's protocol: JSON-RPC 2.0 over stdio with LSP framing. This file and `native/engine/src/protocol/` say the
 * same thing; `test/contract` sends every message both ways. Unknown fields are refused on both sides.
 *
 * Any request may be cancelled with `$/cancelRequest`; it is then answered with `ErrorCode.cancelled` at once.
 * A request that carries a `progressToken` is followed by `$/progress` notifications with a `Progress` value.
 */
import type { How, Numeric, Spectrum, Statistics } from "../protocol/results";

/** Raised whenever a message changes; client and engine refuse each other when it differs. */
export const PROTOCOL_VERSION = 4;

/** The element types the engine decodes, in safetensors' spelling. */
export const DTYPES = [
  "F64", "F32", "F16", "BF16",
  "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F4",
  "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL",
] as const;
export type Dtype = (typeof DTYPES)[number];

/** GGUF's block-quantised types, by GGUF's names; decoded to F32 as ggml's reference dequantiser does. */
export const BLOCK_TYPES = [
  "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K",
  "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0",
] as const;
export type BlockType = (typeof BLOCK_TYPES)[number];

/**
 * A tensor as the engine sees it: an expression over bytes of files. Formats, views and adapters become expressions; the
 * engine knows none of them.
 */
export type Expression =
  /** Elements of `dtype` stored row-major from byte `offset` of `file` (absolute path), `bytes` long; little endian unless said. */
  | { kind: "range"; file: string; offset: number; bytes: number; dtype: Dtype; shape: number[]; order?: "big" }
  /** Blocks of a quantised type, row-major: the last axis is a whole number of blocks. Values are F32. */
  | { kind: "blocks"; file: string; offset: number; bytes: number; type: BlockType; shape: number[] }
  /** Elements of a range picked by steps: index (i, j, …) is element offset + i·strides[0] + j·strides[1] + … of it. */
  | { kind: "strided"; of: Expression; offset: number; shape: number[]; strides: number[] }
  /** The part `start <= index < stop` of one axis. */
  | { kind: "slice"; of: Expression; axis: number; start: number; stop: number }
  /** Axes in another order: axis i of the result is axis `axes[i]` of the operand. */
  | { kind: "permute"; of: Expression; axes: number[] }
  /** Another shape over the same elements in row-major order. */
  | { kind: "reshape"; of: Expression; shape: number[] }
  /**
   * Σ coefficients[i]·of[i], element by element, of operands of one shape. Read in tiles: neither it nor operands that lie in files
   * take memory as a whole. Values are F64: products and sums in f64, in the order of the operands.
   */
  | { kind: "combination"; of: Expression[]; coefficients: number[] }
  /** Operands of one type one after the other along the first axis; the others are of one length. Read in place. */
  | { kind: "concatenate"; of: Expression[] }
  /** Rows (along the first axis) of the operand in the order of `rows`, base64 of little-endian u32. Read in place. */
  | { kind: "select"; of: Expression; rows: string }
  /** Rounded to nearest even of a type of floating point; read in place. */
  | { kind: "cast"; of: Expression; dtype: FloatType }
  /**
   * Tensors of one shape merged. Inputs are first rounded to `dtype`, in which the method computes as its profile says; the values are
   * of that type (of F32 for `arceeFusion` and `ramPlus` where that is a half type). What a method needs of whole tensors (norms, cuts) is found
   * in passes over them when the expression is opened; its values are then read in tiles. Bytes depend neither on threads nor on tiles.
   */
  | { kind: "merge"; method: MergeMethod; profile: MergeProfile; dtype: FloatType; of: Expression[]; base?: Expression }
  /** Values computed in f64 from those of the operands; see `Operation`. */
  | { kind: "compute"; operation: Operation; of: Expression[] };

export type FloatType = "F64" | "F32" | "F16" | "BF16";

/**
 * `"mergekit"`: every step rounded to the compute type, decisions taken on the rounded values, as mergekit 0.1.5 does. `"paper"`: sums in
 * f32, or f64 where a method reduces, and one rounding at the end; rescaling and trimming as the method's paper has them.
 */
export type MergeProfile = "mergekit" | "paper";

/**
 * A merge method and its parameters, resolved for one tensor. `of` are the inputs θ_i without the base; lists have an entry for each. τ_i = θ_i − base.
 */
export type MergeMethod =
  | { name: "linear"; weights: number[]; normalize: boolean }
  /** From the base (t = 0) to the one input. */
  | { name: "slerp"; t: number }
  /** Of two inputs; with a base, of their τ. */
  | { name: "nuslerp"; weights: number[]; flatten: boolean; rowWise: boolean }
  /** With a base, of τ. */
  | { name: "multislerp"; weights: number[]; normalizeWeights: boolean; eps: number }
  | { name: "karcher"; maxIterations: number; tolerance: number }
  /** Task arithmetic and its kin: τ_i made sparse, weighted, signs elected or not, summed, times λ. */
  | { name: "taskVectors"; weights: number[]; sparsify: Sparsify | null; elect: boolean; normalize: boolean; lambda: number }
  | { name: "modelStock"; filterWise: boolean }
  | { name: "nearswap"; t: number }
  | { name: "arceeFusion" }
  | { name: "sce"; topK: number }
  | { name: "ram"; epsilon: number }
  | { name: "ramPlus"; epsilon: number; r: number; alpha: number }
  /** Σ c_i (F_i + floor) θ_i / Σ c_i (F_i + floor), element by element: `of` are the θ_i and then the F_i. */
  | { name: "fisher"; coefficients: number[]; floor: number }
  /** Of one input. */
  | { name: "passthrough"; scale?: number };

/** How task vectors are made sparse; lists have an entry for each input. */
export type Sparsify = {
  densities: number[];
  rescale: boolean;
} & (
  /** The largest of each tensor; with `cuts`, all with |τ| ≥ the cut (for trimming over a whole model). */
  | { kind: "magnitude"; cuts?: number[] }
  /** Of each element by chance. `seeds` are decimal u64, one for each input: an element's draw depends on its seed and position alone. */
  | { kind: "random"; seeds: string[] }
  /** The largest γ left out, then the largest. */
  | { kind: "outliers"; gammas: number[] }
  /** By chance, the likelier the larger within its row. */
  | { kind: "ranked"; epsilons: number[]; seeds: string[] }
);

/**
 * What a computed expression does, on arrays of f64. Binary operations broadcast as NumPy's; matrix operations work on the
 * last two axes and broadcast the others.
 */
export type Operation =
  /** These values; no operand. */
  | { name: "literal"; shape: number[]; values: number[] }
  /** One value everywhere; no operand. */
  | { name: "fill"; shape: number[]; value: number }
  /** n × n; no operand. */
  | { name: "identity"; n: number }
  /**
   * What torch's CPU generator (mt19937) seeded with `seed` gives for uniform values of `dtype` in [low, high) after `skip`
   * draws; no operand.
   */
  | { name: "torchUniform"; seed: number; skip: number; low: number; high: number; dtype: "F32" | "F16" | "BF16"; shape: number[] }
  /** The first `take` numbers of torch's randperm(count) on the CPU, seeded with `seed`; no operand. */
  | { name: "torchPermutation"; seed: number; count: number; take: number }
  | { name: "add" | "subtract" | "multiply" | "divide" }
  | { name: "scale"; factor: number }
  | { name: "map"; function: "square" | "squareRoot" | "reciprocal" | "absolute" | "exponential" | "cosine" | "sine" | "sigmoid" | "relu" | "tanh" | "gelu" | "silu" | "inverseTanh" | "logarithm2" | "exponential2" | "sign" | "nearestEven" }
  /** Values below `low` become `low`, above `high` become `high`. */
  | { name: "clamp"; low?: number; high?: number }
  /** Rounds to nearest of a narrower type. */
  | { name: "round"; dtype: "F32" | "F16" | "BF16" }
  /** Matrix product of two operands. */
  | { name: "product" }
  | { name: "kronecker" }
  /** Operands one after the other along an axis. */
  | { name: "concatenate"; axis: number }
  /** NumPy's take: elements of the first operand along `axis` at the (one-axis) indices in the second. */
  | { name: "gather"; axis: number }
  /** Zeros of `shape` to which the values of the second operand are added at the flat positions in the first. */
  | { name: "scatter"; shape: number[] }
  /** Sums, or Euclidean norms, over axes that stay with length 1. */
  | { name: "sum" | "norm"; axes: number[] }
  /** Over the last axis. */
  | { name: "softmax" }
  /** Softmax over the k largest of each last axis, the others 0. */
  | { name: "topSoftmax"; k: number }
  /** Positions of the k largest values of a vector, the largest first; of equal values the earlier first. */
  | { name: "topPositions"; k: number }
  /** Of square matrices. */
  | { name: "inverse" }
  /** A thin QR decomposition's factor (its diagonal's signs as LAPACK gives them). */
  | { name: "qr"; factor: "q" | "r" }
  /** The singular triplets `start <= i < stop`, largest first, of one matrix: U (columns), S (a vector) or Vᵀ (rows). */
  | { name: "svd"; factor: "u" | "s" | "vt"; start: number; stop: number }
  /** The matrices of a stack of b as one block-diagonal matrix. */
  | { name: "blockDiagonal" }
  /** Vectors of n(n−1)/2 entries, row by row above the diagonal, as skew-symmetric n × n matrices. */
  | { name: "skew"; n: number }
  /** Real part of the inverse two-dimensional discrete Fourier transform, normalised by the number of elements. */
  | { name: "inverseFourier" }
  /**
   * Of two operands: how many floating-point numbers of `dtype` lie from the second to the first, both rounded to it (to nearest
   * even); −0 comes before +0, negative NaNs before −∞ and the others after ∞. A distance that f64 does not hold fails the request.
   */
  | { name: "ulpDistance"; dtype: "F64" | "F32" | "F16" | "BF16" }
  /** Of two operands: the number of `dtype` that lies as many further than the first, rounded to it, as the second says. */
  | { name: "ulpShift"; dtype: "F64" | "F32" | "F16" | "BF16" };

export interface InitializeParams {
  protocol: number;
  client: string;
}
export interface InitializeResult {
  version: string;
  protocol: number;
  cpu: { features: string[]; threads: number };
  gpu: { name: string; backend: string }[];
}

interface Tracked {
  tensor: Expression;
  progressToken?: string;
}

export type StatisticsParams = Tracked;

export interface HistogramParams extends Tracked {
  /** Bins of the linear histogram (1 … 4096). */
  bins: number;
  /** Bins per factor of ten of the log-magnitude histogram (1 … 64). */
  binsPerDecade: number;
  /** Range of the linear histogram; values outside it are not counted there. Default: the tensor's own min and max. */
  range?: [number, number];
}
export interface HistogramResult {
  /** `counts[i]` elements in [low + i·w, low + (i+1)·w), w = (high − low)/bins; the last bin includes `high`. */
  linear: { low: Numeric; high: Numeric; counts: number[] };
  /**
   * Over log10|x|: bin i covers [10^(minExponent + i/binsPerDecade), 10^(minExponent + (i+1)/binsPerDecade)), separately
   * by sign. Zeros and non-finite elements are in no bin.
   */
  logMagnitude: { minExponent: number; binsPerDecade: number; negative: number[]; positive: number[] };
  zeros: number;
  nonFinite: number;
  how: How;
}

/** L2 norms of the rows and columns of the matrix view (first axis × the rest). */
export type NormsParams = Tracked & {
  /** Most points in `pooled` (1 … 4096). */
  points: number;
};
export interface AxisNorms {
  count: number;
  /** Rows (or columns) whose elements are all zero. */
  dead: number;
  /** The first 100 of them. */
  deadIndices: number[];
  min: Numeric;
  median: Numeric;
  max: Numeric;
  /** Median absolute deviation from the median. */
  mad: Numeric;
  /** The largest norm in each of at most `points` equal runs of neighbouring indices; all norms when count ≤ points. */
  pooled: Numeric[];
  /** Up to 16 indices furthest from the median, in MADs, furthest first. */
  outliers: { index: number; norm: Numeric; deviations: Numeric }[];
}
export interface NormsResult {
  rows: AxisNorms;
  columns: AxisNorms;
  how: How;
}

export interface SpectrumParams extends Tracked {
  mode: "exact" | "fast" | "top";
  /** How many singular values, for mode `"top"`. */
  k?: number;
}
export interface SpectrumResult extends Spectrum {
  /** Shape before flattening to (first axis, product of the rest), when the tensor has more than two axes. */
  flattenedFrom?: number[];
  /** Mode `"top"`: max(‖Av−σu‖, ‖Aᵀu−σv‖) for each value. */
  residuals?: number[];
}

/** A window of the matrix view, half-open, in elements. */
export interface Window {
  rowStart: number;
  rowStop: number;
  columnStart: number;
  columnStop: number;
}
export interface PictureParams extends Tracked {
  window: Window;
  /** Most pixels (each ≤ 1024). The answer is smaller when the window is. */
  height: number;
  width: number;
}
/** Pixels row-major as base64 of little-endian f32; NaN where no element under the pixel is finite. */
export interface PictureResult {
  height: number;
  width: number;
  min: string;
  mean: string;
  max: string;
  /** Largest |x| among the finite elements of the window, for the colour scale. */
  maxAbs: Numeric;
  nan: number;
  infinite: number;
  how: How;
}

export interface ValuesParams extends Tracked {
  /** At most 16,384 elements. */
  window: Window;
}
export interface ValuesResult {
  rows: Numeric[][];
}

/** Of a whole tensor of blocks; undefined for IQ1, IQ2 and IQ3, which store points of a grid. */
export type BlockScalesParams = Tracked;
export interface BlockScalesResult {
  type: BlockType;
  blocks: number;
  /** One or more to a block. A scale is what neighbouring codes differ by; where they are not even, what the table is multiplied by. */
  scales: number;
  /** Scales equal to 0. */
  zeros: number;
  nonFinite: number;
  /** Magnitudes of the other scales. */
  min: Numeric;
  max: Numeric;
  /** Bin i covers from e(i) to e(i + 1), e(i) = 2^(minExponent + ⌊i/n⌋)·(1 + (i mod n)/n), n = binsPerOctave. */
  histogram: { minExponent: number; binsPerOctave: number; counts: number[] };
  /** Elements under the other scales, and those of them with the lowest and the highest code. */
  codes: number;
  lowest: number;
  highest: number;
  how: How;
}

export type HashParams = Tracked;
export interface HashResult {
  /** BLAKE3 of the stored bytes of the elements, row-major, lower-case hex. */
  hash: string;
}

/** B − A of two tensors of equally many elements, element i of one with element i of the other in row-major order, in one pass over both. */
export interface DifferenceParams {
  a: Expression;
  b: Expression;
  /** An element is changed beyond tolerance when |b − a| > tolerance·max(|a|, |b|). Default: 0. */
  tolerance?: number;
  /** What takes more than the pass itself. */
  detail?: {
    /** Rows of the matrix view, which must divide the number of elements. */
    rows: number;
    /** Bins per factor of ten of the histogram of |Δ| (1 … 64). */
    binsPerDecade: number;
    /** Neighbouring elements of one row in a block (1 … 65536): the blocks with the largest ‖Δ‖ are listed. */
    block: number;
  };
  progressToken?: string;
}
/** One side of a difference. */
export interface DifferenceSide {
  /** Over the elements that are finite on both sides. */
  l2: Numeric;
  nan: number;
  positiveInfinity: number;
  negativeInfinity: number;
}
export interface DifferenceResult {
  count: number;
  /** Elements that are finite on both sides: what norms, sums and extremes are of. */
  compared: number;
  a: DifferenceSide;
  b: DifferenceSide;
  /** ‖B − A‖, ⟨A, B⟩, Σ|b − a|. */
  norm: Numeric;
  dot: Numeric;
  sumAbs: Numeric;
  maxAbs: Numeric;
  /** Row-major position of the first element with it; null when nothing was compared. */
  maxAt: number | null;
  /** Elements that are not the same bits once decoded (to the wider of the two types); all NaN are the same. */
  differing: number;
  beyond: number;
  /** Elements with a·b < 0. */
  signFlips: number;
  histogram?: DifferenceHistogram;
  rows?: DifferenceLines;
  columns?: DifferenceLines;
  /** At most 16, the largest first. */
  worstBlocks?: { start: number; length: number; norm: Numeric; relative: Numeric }[];
  how: How;
}
/** Of |Δ|, by its sign: bin i covers [10^(minExponent + i/binsPerDecade), 10^(minExponent + (i+1)/binsPerDecade)). */
export interface DifferenceHistogram {
  minExponent: number;
  binsPerDecade: number;
  negative: number[];
  positive: number[];
  zeros: number;
}
/** Of each row, or each column, of the matrix view. */
export interface DifferenceLines {
  count: number;
  /** Base64 of little-endian f64: Σ Δ² over the elements that are finite on both sides. */
  squares: string;
  /** Base64 of little-endian f64: Σ a² over them. */
  reference: string;
  /** Base64 of little-endian u32: differing elements. */
  differing: string;
}

/** How several tensors of one shape lie to each other, in one pass over all. */
export interface RelationsParams {
  /** 1 … 32. */
  tensors: Expression[];
  /** What is subtracted from each; without it they are taken as they are. */
  base?: Expression;
  progressToken?: string;
}
export interface RelationsResult {
  count: number;
  /** Elements that are finite in all. */
  compared: number;
  /** Inner products of τ_i and τ_j, τ = tensor − base, over them. */
  gram: Numeric[][];
  /** Elements with τ_i ≠ 0. */
  changed: number[];
  /** Elements with τ_i ≠ 0 and τ_j ≠ 0. */
  bothChanged: number[][];
  /** Elements with τ_i·τ_j < 0. */
  conflicts: number[][];
  /** `signs[c]`: elements that are changed in two or more tensors, in conflict when c is 1. */
  signs: [number, number];
  how: How;
}

/** target − Σ coefficients[i]·terms[i], in one pass. */
export interface ResidualParams {
  target: Expression;
  terms: Expression[];
  coefficients: number[];
  progressToken?: string;
}
export interface ResidualResult {
  count: number;
  /** Elements that are finite in all. */
  compared: number;
  norm: Numeric;
  targetNorm: Numeric;
  /** Inner products of the residual with each term. */
  dots: Numeric[];
  how: How;
}

/** A hash of each group of neighbouring rows (axis 0) or columns (axis 1) of the matrix view. */
export interface LineHashesParams extends Tracked {
  axis: 0 | 1;
  /** Lines in a group; must divide their number. */
  group: number;
}
export interface LineHashesResult {
  count: number;
  /** Base64 of the first eight bytes of the BLAKE3 of each group's decoded elements, in row-major order of the group. */
  hashes: string;
}

/**
 * The order of units in which B's come closest to A's: the permutation π that maximises Σ_terms Σ_i ⟨a unit π(i), b unit i⟩, by
 * linear assignment (row 6 of the weight-matching analysis: Ainsworth et al., Git Re-Basin, 2023).
 */
export interface MatchParams {
  /** Of each term axis 0 (rows) or 1 (columns) of the matrix views holds the units. */
  terms: { a: Expression; b: Expression; axis: 0 | 1 }[];
  /** Neighbouring rows or columns in one unit, in each term. */
  group: number;
  progressToken?: string;
}
export interface MatchResult {
  /** permutation[i]: the unit of A that stands at i in B. */
  permutation: number[];
  /** Σ‖A − B‖² of all terms, as they are and with A's units in B's order. */
  before: Numeric;
  after: Numeric;
  how: How;
}

/** How the singular spaces of two matrices of one shape lie to each other. Vectors whose σ is 0 up to rounding are arbitrary and count nowhere. */
export interface SubspacesParams {
  a: Expression;
  b: Expression;
  /** Dimension of the spaces whose principal angles are computed (1 … 256). */
  k: number;
  /** For R: σ_i counts when it is at least γ·σ₁. */
  gammas: number[];
  progressToken?: string;
}
export interface SubspacesResult {
  /** As asked for, at most the numerical rank of both. */
  k: number;
  /** Cosines of the principal angles between the spaces of the k largest singular vectors, descending. */
  left: Numeric[];
  right: Numeric[];
  /** B's left singular vectors j < k with max_i |⟨u_j(B), u_i(A)⟩| < ½ (PEFT's intruder dimensions), and that maximum. */
  intruders: { index: number; similarity: Numeric }[];
  /** Per γ: Σ_{i,j: σ_i, σ_j ≥ γσ₁} (u_i(A)·u_j(B))(v_i(A)·v_j(B)), and the larger number of σ that count; R is their quotient. */
  matching: { gamma: number; sum: Numeric; count: number }[];
  /** Σ_ij σ_i(A)·σ_j(B)·(u_i·u_j)(v_i·v_j), which equals ⟨A, B⟩; and ⟨A, B⟩ itself. */
  inner: Numeric;
  dot: Numeric;
  /** |⟨u_i(A), u_j(B)⟩| of the first `side` vectors each (at most 64 and the numerical rank of both), row-major, as base64 of little-endian f32. */
  alignment: { side: number; values: string };
  singularValuesA: number[];
  singularValuesB: number[];
  how: How;
}

/** Writes all elements, row-major and little endian, into a file that is there already and long enough. */
export interface WriteParams extends Tracked {
  /**
   * The tensor's own type is copied bit by bit; another, of floating point, is rounded to nearest even, once. To one of integers
   * only values that it holds exactly are written, the others fail the request.
   */
  dtype: Dtype;
  /** Absolute path. */
  file: string;
  /** Byte of `file` that the first element starts at. */
  offset: number;
}
export interface WriteResult {
  /** How many were written. */
  bytes: number;
  /** Elements written, as values, that are not finite; 0 when elements were copied. */
  nonFinite: number;
}

/** The value beyond which a share of all elements of several tensors lies. */
export interface CutParams {
  /** τ = tensor − base of each, rounded to `dtype`. */
  tensors: { of: Expression; base: Expression }[];
  dtype: FloatType;
  /** In (0, 1). */
  density: number;
  progressToken?: string;
}
export interface CutResult {
  /** The max(1, ⌊density·n⌋)-th largest |τ| of all n elements. */
  cut: Numeric;
  count: number;
  how: How;
}

/** Every request: method → parameters and result. */
export interface EngineRequests {
  initialize: { params: InitializeParams; result: InitializeResult };
  statistics: { params: StatisticsParams; result: Statistics };
  histogram: { params: HistogramParams; result: HistogramResult };
  norms: { params: NormsParams; result: NormsResult };
  spectrum: { params: SpectrumParams; result: SpectrumResult };
  picture: { params: PictureParams; result: PictureResult };
  values: { params: ValuesParams; result: ValuesResult };
  blockScales: { params: BlockScalesParams; result: BlockScalesResult };
  hash: { params: HashParams; result: HashResult };
  write: { params: WriteParams; result: WriteResult };
  cut: { params: CutParams; result: CutResult };
  difference: { params: DifferenceParams; result: DifferenceResult };
  relations: { params: RelationsParams; result: RelationsResult };
  residual: { params: ResidualParams; result: ResidualResult };
  lineHashes: { params: LineHashesParams; result: LineHashesResult };
  match: { params: MatchParams; result: MatchResult };
  subspaces: { params: SubspacesParams; result: SubspacesResult };
  shutdown: { params: Record<string, never>; result: null };
}
export type EngineMethod = keyof EngineRequests;

export interface Progress {
  done: number;
  total: number;
}

export const ErrorCode = {
  invalidParams: -32602,
  internal: -32603,
  /** The request was cancelled. */
  cancelled: -32800,
  /** The file cannot be opened or read; `data.file`. */
  io: -32001,
  /** The file is shorter than the expression needs, or became so while it was read; `data.file`, `data.offset`. */
  truncated: -32002,
  /** The quantity is not defined for this tensor (a spectrum of a vector, of non-finite values …). */
  undefined: -32003,
  /** The work would need more memory than the engine allows itself. */
  tooLarge: -32004,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

export interface ErrorData {
  file?: string;
  offset?: number;
}
