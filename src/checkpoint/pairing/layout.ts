/** What of a tensor is paired and in which order its elements are read: plain data, as mapping files write it. */
import type { Expression } from "../../engine/protocol";
import type { TensorPart } from "../../protocol/results";
import { compute, fill, permute, reshape, shapeOf, ShapeMismatch, slice } from "../adapters/build";
import { grouped } from "../quote";

/** Applied in the order of the fields. Nothing is copied: the engine walks the stored elements by strides. */
export interface Layout {
  /** One entry of the first axis, which is dropped (an expert of a stack). */
  index?: number;
  /** The last two axes exchanged (GPT-2's Conv1D). */
  transpose?: true;
  /** Some rows, after the above. */
  rows?: RowRun;
  /**
   * Each second row of a run beside its first: of so many heads, whose rows are pairs (2i, 2i + 1) of rotary embeddings, the rows
   * become (i, i + half), the order of Hugging Face's models. Undoes what llama.cpp's converter does to q and k.
   */
  rotary?: number;
  /** Each element plus this, rounded to F32 (norms that one side stores less 1). */
  plus?: number;
  /** Another shape over the same elements. */
  shape?: readonly number[];
}

/** Rows `start … stop`; with a run and a step only the first `run` of every `step` rows from `start`. */
export interface RowRun {
  start: number;
  stop: number;
  run?: number;
  step?: number;
  /** The axis that the rows lie on; absent for the first (a stack of matrices has them on its second). */
  axis?: number;
}

/** How many rows a run takes. */
export function rowsOf({ start, stop, run, step }: RowRun): number {
  return run === undefined || step === undefined ? stop - start : Math.ceil((stop - start) / step) * run;
}

/** The shape that `layout` gives a tensor of `shape`. */
export function laidOutShape(shape: readonly number[], layout: Layout | undefined): readonly number[] {
  if (layout === undefined) return shape;
  if (layout.shape !== undefined) return layout.shape;
  let axes = layout.index === undefined ? shape : shape.slice(1);
  if (layout.transpose === true) axes = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!];
  return layout.rows === undefined ? axes : axes.map((length, axis) => (axis === (layout.rows!.axis ?? 0) ? rowsOf(layout.rows!) : length));
}

/**
 * The expression of what `layout` picks out of `tensor`.
 * @throws ShapeMismatch when it does not fit the tensor's shape.
 */
export function laidOut(tensor: Expression, layout: Layout | undefined): Expression {
  if (layout === undefined) return tensor;
  let view = tensor;
  if (layout.index !== undefined) {
    const [, ...rest] = shapeOf(view);
    view = reshape(slice(view, 0, layout.index, layout.index + 1), rest);
  }
  if (layout.transpose === true) {
    const { length } = shapeOf(view);
    view = permute(view, Array.from({ length }, (_, axis) => (axis < length - 2 ? axis : 2 * length - 3 - axis)));
  }
  if (layout.rows !== undefined) view = rowRun(view, layout.rows);
  if (layout.rotary !== undefined) {
    const shape = shapeOf(view);
    const [rows = 0, ...rest] = shape;
    if (rows % (2 * layout.rotary) !== 0) throw new ShapeMismatch(`${grouped(rows)} rows are no pairs of ${grouped(layout.rotary)} heads`);
    const axes = [layout.rotary, rows / layout.rotary / 2, 2, ...rest];
    view = reshape(permute(reshape(view, axes), [0, 2, 1, ...rest.map((_, i) => i + 3)]), shape);
  }
  if (layout.plus !== undefined) {
    view = compute({ name: "round", dtype: "F32" }, compute({ name: "add" }, view, fill([1], layout.plus)));
  }
  return layout.shape === undefined ? view : reshape(view, [...layout.shape]);
}

/** The first `run` of every `step` rows: rows as (steps, step), a slice of the second axis, rows again. */
function rowRun(of: Expression, rows: RowRun): Expression {
  const { start, stop, run, step, axis = 0 } = rows;
  if (run === undefined || step === undefined) return slice(of, axis, start, stop);
  const shape = shapeOf(of);
  const [before, all = 0, after] = [shape.slice(0, axis), shape[axis], shape.slice(axis + 1)];
  if (all % step !== 0) throw new ShapeMismatch(`${grouped(all)} rows are not so many times ${grouped(step)}`);
  const within = start % step;
  const steps = slice(reshape(of, [...before, all / step, step, ...after]), axis, Math.floor(start / step), Math.ceil(stop / step));
  return reshape(slice(steps, axis + 1, within, within + run), [...before, rowsOf(rows), ...after]);
}

/** What of the stored tensor `layout` picks; undefined for all of it. */
export function partOf(layout: Layout | undefined): TensorPart | undefined {
  const { index, rows, transpose } = layout ?? {};
  if (rows === undefined) return index === undefined ? undefined : { start: index, stop: index + 1 };
  const { axis: viewed = 0, ...run } = rows;
  // Only matrices, and stacks of them, are transposed.
  const axis = (index === undefined ? 0 : 1) + (transpose === true ? viewed + 1 : viewed);
  return { ...run, ...(axis === 0 ? {} : { axis }), ...(index === undefined ? {} : { index }) };
}

/** As the view shows it: `[0:40]`, `[3, 0:40]`, `[:, 0:40]`, `[0:16 of every 48]`; empty for all of a tensor. */
export function partText(part: TensorPart | undefined): string {
  if (part === undefined) return "";
  const { start, stop, run, step, axis = 0, index } = part;
  const rows = run === undefined || step === undefined ? `${start}:${stop}` : `${start % step}:${(start % step) + run} of every ${step}`;
  const before = Array.from({ length: axis }, (_, i) => (i === 0 && index !== undefined ? `${index}, ` : ":, "));
  return `[${before.join("")}${rows}]`;
}
