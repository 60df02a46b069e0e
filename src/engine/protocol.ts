/**
 * The engine's protocol: JSON-RPC 2.0 over stdio with LSP framing. This file and `native/engine/src/protocol.rs` say the
 * same thing; `test/contract` sends every message both ways. Unknown fields are refused on both sides.
 *
 * Any request may be cancelled with `$/cancelRequest`; it is then answered with `ErrorCode.cancelled` at once.
 * A request that carries a `progressToken` is followed by `$/progress` notifications with a `Progress` value.
 */
import type { How, Numeric, Spectrum, Statistics } from "../protocol/results";

/** Raised whenever a message changes; client and engine refuse each other when it differs. */
export const PROTOCOL_VERSION = 1;

/** The element types the engine decodes, in safetensors' spelling. */
export const DTYPES = [
  "F64", "F32", "F16", "BF16",
  "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F4",
  "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL",
] as const;
export type Dtype = (typeof DTYPES)[number];

/**
 * A tensor as the engine sees it: an expression over bytes of files. Formats and views become expressions; the engine
 * knows neither.
 */
export type Expression =
  /** Elements of `dtype` stored row-major, little endian, from byte `offset` of `file` (absolute path), `bytes` long. */
  | { kind: "range"; file: string; offset: number; bytes: number; dtype: Dtype; shape: number[] }
  /** The part `start <= index < stop` of one axis. */
  | { kind: "slice"; of: Expression; axis: number; start: number; stop: number }
  /** Axes in another order: axis i of the result is axis `axes[i]` of the operand. */
  | { kind: "permute"; of: Expression; axes: number[] }
  /** Another shape over the same elements in row-major order. */
  | { kind: "reshape"; of: Expression; shape: number[] };

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

export type HashParams = Tracked;
export interface HashResult {
  /** BLAKE3 of the stored bytes of the elements, row-major, lower-case hex. */
  hash: string;
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
  hash: { params: HashParams; result: HashResult };
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
