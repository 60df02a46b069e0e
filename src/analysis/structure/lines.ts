/** Which rows and columns of a matrix changed, and what they make up: heads, blocks, tiles. */
import type { DifferenceLines, DifferenceResult } from "../../engine/protocol";

/** Rows or columns of the matrix view, or runs of them. */
export interface Lines {
  count: number;
  /** Elements in one. */
  length: number;
  /** Σ (b − a)² and Σ a². */
  squares: Float64Array;
  reference: Float64Array;
  /** Elements that differ. */
  differing: Float64Array;
  /** Ascending. */
  changed: number[];
}

/** Lines whose change is this small beside the largest are not counted as changed. */
const NEAR_ZERO = 1e-6;

/** The rows and columns of a difference that was asked for with its detail. */
export function linesOf({ rows, columns, count }: DifferenceResult): { rows: Lines; columns: Lines } | null {
  if (rows === undefined || columns === undefined || count === 0) return null;
  return { rows: decoded(rows, columns.count), columns: decoded(columns, rows.count) };
}

function decoded({ count, squares, reference, differing }: DifferenceLines, length: number): Lines {
  const bytes = (text: string): DataView => {
    const buffer = Buffer.from(text, "base64");
    return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  };
  const doubles = (text: string): Float64Array => {
    const view = bytes(text);
    return Float64Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, true));
  };
  const integers = bytes(differing);
  return withChanged({ count, length, squares: doubles(squares), reference: doubles(reference), differing: Float64Array.from({ length: count }, (_, i) => integers.getUint32(4 * i, true)) });
}

function withChanged(lines: Omit<Lines, "changed">): Lines {
  const largest = lines.squares.reduce((most, square) => Math.max(most, square), 0);
  const changed: number[] = [];
  // A line whose differing elements are not finite, or differ in the sign of a zero only, has no norm.
  for (let i = 0; i < lines.count; i++) if (lines.differing[i]! > 0 && (lines.squares[i]! > NEAR_ZERO ** 2 * largest || largest === 0)) changed.push(i);
  return { ...lines, changed };
}

/** Runs of `size` neighbouring lines as one. */
export function inRuns(lines: Lines, size: number): Lines {
  if (size === 1) return lines;
  const count = lines.count / size;
  const sums = (of: Float64Array): Float64Array => Float64Array.from({ length: count }, (_, i) => of.subarray(i * size, (i + 1) * size).reduce((sum, x) => sum + x, 0));
  return withChanged({ count, length: lines.length * size, squares: sums(lines.squares), reference: sums(lines.reference), differing: sums(lines.differing) });
}

/**
 * The length of runs that the changed lines consist of: the largest number that divides the start and the end of every run of
 * neighbouring changed lines, and the number of lines. 1 for lines that stand alone.
 */
export function runLength({ count, changed }: Pick<Lines, "count" | "changed">): number {
  let size = count;
  const set = new Set(changed);
  for (const i of changed) {
    if (!set.has(i - 1)) size = greatestCommonDivisor(size, i);
    if (!set.has(i + 1)) size = greatestCommonDivisor(size, i + 1);
  }
  return size;
}

export function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** Side of square tiles by which elements changed, from how many changed in each row and column; null when they do not. */
export function tileSide(rows: Lines, columns: Lines, smallest: number): number | null {
  let side = 0;
  for (const { differing, count } of [rows, columns]) {
    side = greatestCommonDivisor(side, count);
    for (const value of differing) side = greatestCommonDivisor(side, value);
    // Within a tile neighbours have the same number.
    for (let i = 1; i < count; i++) if (differing[i] !== differing[i - 1]) side = greatestCommonDivisor(side, i);
  }
  return side >= smallest ? side : null;
}
