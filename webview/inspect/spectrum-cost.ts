/** How long a spectrum will take: operations counted, divided by the rate seen so far. */
import type { SpectrumMode } from "../../src/protocol/inspect";

/** Floating-point operations per second before anything has been measured. */
const FIRST_GUESS = 3e10;
/** Smaller matrices say more about overheads than about the rate. */
const LEAST_OPERATIONS = 1e9;

/**
 * Operations of the dominant step on a rows × columns matrix: reduction to bidiagonal form, 4mn² − 4n³/3 with n the short
 * side (Golub & Van Loan, §5.4.8), after a QR factorisation when m ≥ 5n/3; block Krylov with k + 8 vectors and 8 products
 * for `top:k`. `fast` is counted at half, as f32 has twice the lanes.
 */
export function spectrumOperations(rows: number, columns: number, mode: SpectrumMode): number {
  const m = Math.max(rows, columns);
  const n = Math.min(rows, columns);
  if (mode.startsWith("top:")) return 2 * m * n * (Number(mode.slice("top:".length)) + 8) * 8;
  const exact = m >= (5 / 3) * n ? 2 * m * n * n + 2 * n ** 3 : 4 * m * n * n - (4 / 3) * n ** 3;
  return mode === "fast" ? exact / 2 : exact;
}

/** A spectrum that was computed and timed. */
export interface Timed {
  operations: number;
  seconds: number;
}

/** Seconds for so many operations, at the rate of the largest spectrum timed. */
export function estimateSeconds(operations: number, timed: readonly Timed[]): number {
  let best: Timed = { operations: LEAST_OPERATIONS, seconds: LEAST_OPERATIONS / FIRST_GUESS };
  for (const one of timed) if (one.operations >= best.operations && one.seconds > 0) best = one;
  return (operations * best.seconds) / best.operations;
}
