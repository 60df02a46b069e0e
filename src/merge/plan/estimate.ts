/** What a merge takes: bytes, memory, time. */
import { availableParallelism } from "node:os";
import type { MergePlan, PlannedTensor } from "./plan";

/**
 * Bytes of inputs and output in a second and on one thread, as measured with the engine on files that the system holds in memory: one pass
 * for sums, two or three where whole tensors are looked at first.
 */
const RATES: Readonly<Record<string, number>> = {
  linear: 0.9e9,
  passthrough: 1.2e9,
  task_arithmetic: 0.6e9,
  slerp: 0.6e9,
  nuslerp: 0.4e9,
  multislerp: 0.3e9,
  karcher: 0.1e9,
  model_stock: 0.4e9,
  nearswap: 0.6e9,
  ties: 0.3e9,
  dare_linear: 0.3e9,
  dare_ties: 0.25e9,
  breadcrumbs: 0.3e9,
  breadcrumbs_ties: 0.25e9,
  della: 0.1e9,
  della_linear: 0.1e9,
  sce: 0.25e9,
  arcee_fusion: 0.08e9,
};
const OTHER_RATE = 0.2e9;

/** Of the engine itself, and of this side's structures, whatever is merged. */
const MEMORY_AT_REST = 96 << 20;
/** Elements of a tile, and bytes of each in f64 and in the type of the input. */
const TILE_BYTES = (1 << 18) * 12;

/** What is computed as whole matrices, updates of adapters and solved layers: operands and results in f64. */
const MATRIX_BYTES = 3 * 8;

/**
 * @param rate measured earlier, bytes a second over all threads.
 * @param matrices whether some tensors are computed as whole matrices.
 */
export function estimate(tensors: readonly PlannedTensor[], inputBytes: number, { method, inputs, rate, matrices }: { method: string; inputs: number; rate: number | undefined; matrices: boolean }): NonNullable<MergePlan["estimate"]> {
  const outputBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const largest = tensors.reduce((most, { shape }) => Math.max(most, shape.length === 2 ? shape[0]! * shape[1]! : 0), 0);
  const threads = availableParallelism();
  const speed = rate ?? (RATES[method] ?? OTHER_RATE) * threads;
  return {
    inputBytes,
    outputBytes,
    peakMemoryBytes: MEMORY_AT_REST + threads * (inputs + 2) * TILE_BYTES + (matrices ? MATRIX_BYTES * largest : 0),
    seconds: (inputBytes + outputBytes) / speed,
  };
}
