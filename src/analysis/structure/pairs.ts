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
   * The values of both, element for element; `delta` where B − A is known by itself (an adapter's update), in A's shape.
   * @throws CheckpointError when those of one cannot be decoded.
   */
  expressions(signal?: AbortSignal): Promise<{ a: Expression; b: Expression; delta?: Expression }>;
}
