/** In which order a tensor holds the rows of another: for checkpoints that were stored with their rows exchanged. */
import type { Expression } from "../../engine/protocol";
import type { SourceOpener } from "../checkpoint";
import { readStored, storedAt } from "./small-values";

/** Values at the start of a row that tell it from others; trained rows do not share so many. */
const KEY_VALUES = 32;

/** Reads under way at a time. */
const BATCH = 256;

/** More rows than any projection has. */
const MOST_ROWS = 1 << 20;

/**
 * For each row of `permuted` the index of the same row in `original`, by the first 32 values of each: a few bytes of every row
 * are read, never a whole matrix. Null when some row is in only one of them; `"repeated"` when rows cannot be told apart.
 */
export async function rowOrder(permuted: Expression, original: Expression, [rows, width]: readonly [number, number], sources: SourceOpener): Promise<number[] | "repeated" | null> {
  if (rows > MOST_ROWS) return null;
  const [found, wanted] = [await rowStarts(permuted, rows, width, sources), await rowStarts(original, rows, width, sources)];
  if (found === null || wanted === null) return null;
  const places = new Map<string, number>();
  for (const [index, key] of wanted.entries()) places.set(key, index);
  if (places.size !== rows) return "repeated";
  const order: number[] = [];
  for (const key of found) {
    const index = places.get(key);
    if (index === undefined) return null;
    places.delete(key);
    order.push(index);
  }
  return order;
}

/** The first values of every row, as text; null when the matrix is not stored row by row. */
export async function rowStarts(matrix: Expression, rows: number, width: number, sources: SourceOpener): Promise<string[] | null> {
  const place = storedAt(matrix);
  if (place === undefined) return null;
  const file = await sources.open(place.file);
  try {
    const starts: string[] = [];
    for (let from = 0; from < rows; from += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, rows - from) }, (_, i) => readStored(file, place, (from + i) * width, Math.min(width, KEY_VALUES)));
      for (const values of await Promise.all(batch)) starts.push(values.join(" "));
    }
    return starts;
  } finally {
    await file.close();
  }
}

/** The first `rows` rows, whole. */
export async function firstRows(matrix: Expression, rows: number, width: number, sources: SourceOpener): Promise<number[] | null> {
  const place = storedAt(matrix);
  if (place === undefined) return null;
  const file = await sources.open(place.file);
  try {
    return await readStored(file, place, 0, rows * width);
  } finally {
    await file.close();
  }
}

export function inverseOrder(order: readonly number[]): number[] {
  const inverse = new Array<number>(order.length);
  order.forEach((index, i) => { inverse[index] = i; });
  return inverse;
}

export function isIdentity(order: readonly number[]): boolean {
  return order.every((index, i) => index === i);
}
