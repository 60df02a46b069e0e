/** Of a difference by rows or columns: numbers per line, per head, and in runs short enough to draw. */
import type { DifferenceLines } from "../../src/engine/protocol";

export type LineMeasure = "norm" | "relative" | "changed";

export interface Lines {
  /** Σ Δ², Σ a² and differing elements of each line. */
  squares: Float64Array;
  reference: Float64Array;
  differing: Float64Array;
  /** Elements in one line. */
  length: number;
}

/** @param length elements in one line. @throws Error when the encoded arrays do not hold `count` numbers. */
export function decodeLines(lines: DifferenceLines, length: number): Lines {
  return { squares: doubles(lines.squares, lines.count), reference: doubles(lines.reference, lines.count), differing: counts(lines.differing, lines.count), length };
}

/** Sums runs of `size` neighbouring lines: heads, blocks. A last run that is not whole is a group too. */
export function grouped({ squares, reference, differing, length }: Lines, size: number): Lines {
  const groups = Math.ceil(squares.length / size);
  const sum = (values: Float64Array): Float64Array => {
    const out = new Float64Array(groups);
    values.forEach((value, i) => { out[Math.floor(i / size)]! += value; });
    return out;
  };
  return { squares: sum(squares), reference: sum(reference), differing: sum(differing), length: length * size };
}

/** The measure of each line. A change of nothing but zeros has no relative size. */
export function lineValues({ squares, reference, differing, length }: Lines, measure: LineMeasure): Float64Array {
  switch (measure) {
    case "norm": return squares.map(Math.sqrt);
    case "relative": return squares.map((square, i) => (square === 0 ? 0 : Math.sqrt(square / reference[i]!)));
    case "changed": return differing.map((count) => count / length);
  }
}

/** The largest finite value in each of at most `points` equal runs of neighbouring lines. */
export function pooledLines(values: Float64Array, points: number): (number | null)[] {
  const n = Math.min(points, values.length);
  return Array.from({ length: n }, (_, i) => {
    const [from, to] = runOf(i, n, values.length);
    let most = -Infinity;
    for (let at = from; at <= to; at++) if (Number.isFinite(values[at]!)) most = Math.max(most, values[at]!);
    return most === -Infinity ? null : most;
  });
}

/** First and last line of run `i` of `points`. */
export function runOf(i: number, points: number, lines: number): [number, number] {
  const from = Math.floor((i * lines) / points);
  return [from, Math.max(from, Math.floor(((i + 1) * lines) / points) - 1)];
}

function bytesOf(text: string, expected: number): DataView {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (bytes.length !== expected) throw new Error(`The lines of a difference hold ${bytes.length} bytes where ${expected} were announced.`);
  return new DataView(bytes.buffer);
}

function doubles(text: string, count: number): Float64Array {
  const view = bytesOf(text, 8 * count);
  return Float64Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, true));
}

function counts(text: string, count: number): Float64Array {
  const view = bytesOf(text, 4 * count);
  return Float64Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}
