/** The parts in which a dataset is read: contiguous in row-major order, each of limited size. */

export interface Slab {
  start: number[];
  count: number[];
}

const MOST_BYTES = 8 << 20;
/** A slab may be larger when that reads each chunk once. */
const MOST_CHUNKED_BYTES = 32 << 20;

/** Slabs that follow one another in row-major order and cover `shape`, which has no axis of length 0. */
export function* slabsOf(shape: readonly number[], chunks: readonly number[] | null, itemBytes: number): Generator<Slab> {
  // Axes before `axis` are walked one by one, those after it are read whole.
  let axis = shape.length - 1;
  let inner = itemBytes;
  while (axis > 0 && inner * shape[axis]! <= MOST_BYTES) inner *= shape[axis--]!;
  if (axis < 0) {
    yield { start: [], count: [] };
    return;
  }
  let step = Math.max(1, Math.floor(MOST_BYTES / inner));
  const chunk = chunks?.[axis] ?? 1;
  if (chunk > step && chunk * inner <= MOST_CHUNKED_BYTES) step = chunk;
  else if (step > chunk) step -= step % chunk;
  const outer = shape.slice(0, axis);
  const index = outer.map(() => 0);
  for (;;) {
    for (let at = 0; at < shape[axis]!; at += step) {
      yield { start: [...index, at, ...shape.slice(axis + 1).map(() => 0)], count: [...outer.map(() => 1), Math.min(step, shape[axis]! - at), ...shape.slice(axis + 1)] };
    }
    let turn = outer.length - 1;
    while (turn >= 0 && ++index[turn]! === outer[turn]!) index[turn--] = 0;
    if (turn < 0) return;
  }
}
