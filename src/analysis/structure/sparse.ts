/** Changes of some rows, columns, heads or blocks. */
import type { AttentionHeads } from "../../protocol/compare";
import type { Structure } from "../../protocol/results";
import type { TensorKind } from "../../checkpoint/structure";
import { inRuns, runLength, tileSide, type Lines } from "./lines";
import { counted, indexList, percent } from "./words";

/** What a changed line must have changed of its elements to be changed as a whole. */
const FILLED = 0.5;
/** Runs and tiles of fewer lines are coincidences. */
const SHORTEST_RUN = 8;

/** Lines of a head by what the tensor does; columns in the output projection. */
const HEAD_AXIS: Partial<Record<TensorKind, 0 | 1>> = { q: 0, k: 0, v: 0, kv: 0, qkv: 0, o: 1 };

export interface Shape {
  kind: TensorKind;
  /** Of the tensor. */
  axes: readonly number[];
  heads: AttentionHeads | null;
}

/**
 * The structure of a change that leaves whole rows or columns as they were; null when there are none, or too few elements of the
 * others changed.
 * @param differing elements.
 * @param share of all elements.
 */
export function sparse(rows: Lines, columns: Lines, differing: number, share: number, shape: Shape): Structure | null {
  const found: { structure: Structure; left: number }[] = [];
  for (const [axis, own, other] of [[0, rows, columns], [1, columns, rows]] as const) {
    const unit = axis === 1 ? kernelSize(shape.axes) : 1;
    const lines = inRuns(own, unit);
    if (lines.changed.length === 0 || lines.changed.length === lines.count || lines.length < 2) continue;
    const reached = other.changed.length;
    const whole = differing >= FILLED * lines.changed.length * lines.length;
    const part = reached >= 2 && lines.changed.length >= 2 && differing >= FILLED * lines.changed.length * unit * reached;
    if (!whole && !part) continue;
    const within = reached < other.count && !whole ? `, in ${axis === 0 ? "columns" : "rows"} ${indexList(other.changed)} of ${other.count}` : "";
    found.push({ structure: named(lines, axis, unit, share, shape, within), left: lines.changed.length / lines.count });
  }
  found.sort((x, y) => x.left - y.left);
  return found[0]?.structure ?? null;
}

/** Elements of one input channel of a convolution. */
function kernelSize(axes: readonly number[]): number {
  return axes.length > 3 ? axes.slice(2).reduce((product, length) => product * length, 1) : 1;
}

function named(lines: Lines, axis: 0 | 1, unit: number, share: number, { kind, axes, heads }: Shape, within: string): Structure {
  const size = unit === 1 ? headSize(lines, axis, kind, heads) : null;
  if (size !== null) {
    const { changed, count } = inRuns(lines, size);
    return { kind: "heads", indices: changed, axis, size, share, sentence: `${headWords(changed, count, kind, heads)} changed${within}` };
  }
  if (axis === 0 && axes.length === 3) return { kind: "blocks", indices: lines.changed, axis, size: 1, share, sentence: `${lines.changed.length === 1 ? "matrix" : "matrices"} ${indexList(lines.changed)} of the stack of ${lines.count} changed` };
  const run = unit === 1 ? runLength(lines) : 1;
  const noun = axis === 0 ? "row" : "column";
  if (run >= SHORTEST_RUN) {
    const { changed, count } = inRuns(lines, run);
    return { kind: "blocks", indices: changed, axis, size: run, share, sentence: `${changed.length === 1 ? "block" : "blocks"} ${indexList(changed)} of ${count} (of ${run} ${noun}s each) changed${within}` };
  }
  return { kind: axis === 0 ? "rows" : "columns", indices: lines.changed, axis, share, sentence: `${lines.changed.length === 1 ? noun : `${noun}s`} ${indexList(lines.changed)} of ${lines.count} changed${within}` };
}

/** Lines of one head when whole heads changed; without a configuration, the runs that the change consists of. */
function headSize(lines: Lines, axis: 0 | 1, kind: TensorKind, heads: AttentionHeads | null): number | null {
  if (HEAD_AXIS[kind] === undefined) return null;
  if (heads === null) {
    const run = HEAD_AXIS[kind] === axis ? runLength(lines) : 1;
    return run >= SHORTEST_RUN && run < lines.count ? run : null;
  }
  const { size } = heads;
  const counts: readonly number[] = kind === "qkv" ? [heads.query + 2 * heads.keyValue] : kind === "kv" ? [2 * heads.keyValue] : kind === "k" || kind === "v" ? [heads.keyValue] : [heads.query];
  if (!counts.some((count) => count * size === lines.count)) return null;
  return runLength(lines) % size === 0 ? size : null;
}

function headWords(changed: readonly number[], count: number, kind: TensorKind, heads: AttentionHeads | null): string {
  const shared = heads !== null && heads.keyValue < heads.query && (kind === "k" || kind === "v");
  return `${shared ? "key-value " : ""}${changed.length === 1 ? "head" : "heads"} ${indexList(changed)} of ${count}${heads === null ? " (their size by the change itself: no configuration says it)" : ""}`;
}

/** Square tiles of which some changed as a whole; their numbers are row by row. `changed` says of a tile whether it did. */
export function tiles(rows: Lines, columns: Lines): number | null {
  const side = tileSide(rows, columns, SHORTEST_RUN);
  return side !== null && side < Math.min(rows.count, columns.count) ? side : null;
}

export function ofTiles(indices: number[], side: number, count: number, share: number): Structure {
  return { kind: "blocks", indices, size: side, share, sentence: `${counted(indices.length, "block")} of ${side} × ${side} of ${count} changed (${percent(share)} of the elements)` };
}
