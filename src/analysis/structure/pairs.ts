/** What the search for a change's structure is given. */
import type { Expression } from "../../engine/protocol";

/** Two tensors of one shape that belong together. */
export interface TensorPair {
  /** The files' own names: they say what the tensors do, and which others belong to the same attention or feed-forward block. */
  a: string;
  b: string;
  shape: readonly number[];
  /** The files' own dtypes: their rounding is the floor below which nothing is a change. */
  dtypeA: string;
  dtypeB: string;
  /**
   * The values of both, element for element.
   * @throws CheckpointError when those of one cannot be decoded.
   */
  expressions(signal?: AbortSignal): Promise<{ a: Expression; b: Expression }>;
}

/** How a model's attention is divided into heads. */
export interface AttentionHeads {
  /** Rows of one head in the query, key and value projections, columns in the output projection. */
  size: number;
  query: number;
  /** Fewer than `query` where several query heads share one. */
  keyValue: number;
}
