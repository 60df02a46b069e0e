/** What rounding to a dtype adds to a matrix: the floor below which a singular value of B − A says nothing. */

/** Significand bits with the implicit one. */
const SIGNIFICAND: ReadonlyMap<string, number> = new Map([
  ["F64", 53], ["F32", 24], ["F16", 11], ["BF16", 8], ["F8_E4M3", 4], ["F8_E5M2", 3], ["F8_E4M3FNUZ", 4], ["F8_E5M2FNUZ", 3],
]);

/**
 * √(E[4^⌊log₂|x|⌋] / E[x²]) for values whose significands are spread as 1/m over [1, 2): how much smaller the mean step between
 * neighbouring numbers is than the values' root mean square would have it. √(ln 2 / 1.5).
 */
const STEP_SHARE = Math.sqrt(Math.LN2 / 1.5);

/** The estimate is of spread-out values; real ones may sit elsewhere in their binades. */
const MARGIN = 1.5;

/** Other names for the same formats. */
function formatOf(dtype: string): number | undefined {
  return SIGNIFICAND.get(dtype.toUpperCase().replace(/^FLOAT(\d+)$/, "F$1").replace("BFLOAT16", "BF16"));
}

/** Standard deviation of the rounding error, relative to the values' root mean square; null for types that are not of floating point. */
export function relativeRounding(dtype: string): number | null {
  const bits = formatOf(dtype);
  return bits === undefined ? null : (STEP_SHARE * 2 ** (1 - bits)) / Math.sqrt(12);
}

/** Mean step between neighbouring numbers of `dtype`, relative to the values' root mean square. */
export function relativeStep(dtype: string): number | null {
  const deviation = relativeRounding(dtype);
  return deviation === null ? null : deviation * Math.sqrt(12);
}

/** Σ of squares by row and by column, of A and of B − A. */
export interface LineEnergies {
  rows: { reference: Float64Array; squares: Float64Array };
  columns: { reference: Float64Array; squares: Float64Array };
}

/**
 * The largest singular value that rounding of both sides, and of the update before it was added, leaves in B − A: for independent
 * errors about the largest row norm plus the largest column norm of their deviations (Bandeira & van Handel, Ann. Probab. 2016), which
 * for even matrices is s(√m + √n). Null where a side is not of floating point.
 */
export function roundingEdge({ rows, columns }: LineEnergies, dtypeA: string, dtypeB: string): number | null {
  const [a, b] = [relativeRounding(dtypeA), relativeRounding(dtypeB)];
  if (a === null || b === null) return null;
  const update = Math.max(a, b);
  // ‖b‖² of a line is ‖a‖² + ‖Δ‖² when the change is not along it.
  const deviation = (reference: number, square: number): number => (a * a + b * b) * reference + (b * b + update * update) * square;
  const largest = (lines: LineEnergies["rows"]): number => Math.sqrt(lines.reference.reduce((most, reference, i) => Math.max(most, deviation(reference, lines.squares[i]!)), 0));
  return MARGIN * (largest(rows) + largest(columns));
}

/** The norm that rounding leaves in factor·A − B, from ‖A‖ and ‖B‖. Null as above. */
export function roundingNorm(normA: number, factor: number, normB: number, dtypeA: string, dtypeB: string): number | null {
  const [a, b] = [relativeRounding(dtypeA), relativeRounding(dtypeB)];
  return a === null || b === null ? null : MARGIN * Math.hypot(a * normA * factor, b * normB, Math.max(a, b) * normB);
}
