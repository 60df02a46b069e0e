/** What the changes between two models look like, pair by pair. */
import type { DifferenceResult } from "../../engine/protocol";
import type { Structure } from "../../protocol/results";
import type { Engine } from "../engine";
import type { AttentionHeads, TensorPair } from "./pairs";

export interface FinderOptions {
  engine: Engine;
  /** All pairs of the two models; what is said of one takes in those of the same block. */
  pairs: readonly TensorPair[];
  /** Null when neither model says; then the change itself may show them. */
  heads: AttentionHeads | null;
}

export interface Asked {
  /** The pair's difference, when it is known with its rows and columns (`detail.rows` the first axis). */
  difference?: DifferenceResult;
  /** Also what takes long for large tensors: orders of more than 4096 units that no hash shows. */
  thorough?: boolean;
  signal?: AbortSignal;
}

export class StructureFinder {
  constructor(private readonly options: FinderOptions) {}

  /**
   * @param pair index into the pairs.
   * @throws EngineError, CheckpointError when the values cannot be read.
   */
  of(pair: number, { difference, signal }: Asked = {}): Promise<Structure> {
    void pair; void difference; void signal; void this.options;
    return Promise.reject(new Error("not yet"));
  }
}
