/** What the engine is asked about a pair, and what it costs. */
import { shapeOf, slice, reshape } from "../../checkpoint/adapters/build";
import type { Tensor } from "../../checkpoint/checkpoint";
import type { Params } from "../../engine/client";
import type { Expression, SpectrumResult } from "../../engine/protocol";
import { spectrumJob, type Job } from "../jobs";
import { flattened } from "../matrix-view";
import type { SpectrumMode } from "../../protocol/inspect";
import { changeOf, isComputed } from "./change";
import { blockLength, quantisedSide, roundingOf } from "./quantised";

interface Values {
  a: Expression;
  b: Expression;
}

/** A pair of more elements is first looked at in part, so that the larger changes come first. */
const GLANCE_ABOVE = 2 ** 18;
const GLANCE = 2 ** 14;
/** Bins per factor of ten where only the worst blocks are asked for. */
const FEWEST_BINS = 1;
/** Short sides beyond which the spectrum of a change that is not asked for by itself is computed in single precision. */
const EXACT_SIDE = 2048;

/**
 * One pass over both.
 * @param tolerance relative; by default what rounding to the coarser of the two dtypes does.
 */
export function differenceJob({ a, b }: Values, tensors: { a: Tensor; b: Tensor }, tolerance?: number): Job<"difference"> {
  const quantised = quantisedSide(tensors.a.dtype, tensors.b.dtype);
  const within = tolerance ?? roundingOf(tensors.a.dtype, tensors.b.dtype);
  return {
    method: "difference",
    params: {
      a,
      b,
      ...(within > 0 ? { tolerance: within } : {}),
      ...(quantised === undefined ? {} : { detail: { rows: rowsOf(shapeOf(a)), binsPerDecade: FEWEST_BINS, block: blockLength(tensors[quantised].dtype) } }),
    },
  };
}

/** The same with its histogram, lines and worst blocks. */
export function detailedDifference({ a, b }: Values, tensors: { a: Tensor; b: Tensor }, binsPerDecade: number, tolerance?: number): Params<"difference"> {
  const quantised = quantisedSide(tensors.a.dtype, tensors.b.dtype);
  const block = blockLength(tensors[quantised ?? "b"].dtype);
  return { ...differenceJob({ a, b }, tensors, tolerance).params, detail: { rows: rowsOf(shapeOf(a)), binsPerDecade, block } };
}

/** Rows of the matrix view: a vector is one row. */
function rowsOf(shape: readonly number[]): number {
  const matrix = flattened(shape);
  return matrix === null || matrix.rows === 0 ? 1 : matrix.rows;
}

/** A run of rows from the middle of both, of a pair that is large and not computed; else null. */
export function glance({ a, b }: Values): Values | null {
  const shape = shapeOf(a);
  const elements = shape.reduce((product, length) => product * length, 1);
  if (elements <= GLANCE_ABOVE || isComputed(a) || isComputed(b)) return null;
  const [rows = 1] = shape;
  const wanted = Math.max(1, Math.min(rows, Math.floor((GLANCE * rows) / elements)));
  const start = Math.floor((rows - wanted) / 2);
  return { a: slice(a, 0, start, start + wanted), b: slice(reshape(b, shape), 0, start, start + wanted) };
}

/** Whether a pair of so many elements is worth a glance. */
export function isLarge(elements: number): boolean {
  return elements > GLANCE_ABOVE;
}

export function hasSpectrum(shape: readonly number[]): boolean {
  return flattened(shape) !== null && !shape.includes(0);
}

/** The spectrum of B − A: exact up to a size, by default. */
export function changeSpectrumJob({ a, b }: Values, mode?: SpectrumMode): Job<"spectrum"> {
  const { rows, columns } = flattened(shapeOf(a))!;
  return spectrumJob(changeOf(a, b), mode ?? (Math.min(rows, columns) <= EXACT_SIDE ? "exact" : "fast"));
}

/** Share of σ₁ below which a direction of the change of stored values is their rounding, unless both sides are F64: as the rank of an adapter is counted. */
const ROUNDED = 1e-6;

/** With its matrix rank counted against the rounding of stored values. */
export function rankAboveRounding(spectrum: SpectrumResult, dtypes: { a: string; b: string }): SpectrumResult {
  if (dtypes.a === "F64" && dtypes.b === "F64") return spectrum;
  const { singularValues } = spectrum;
  const least = (singularValues[0] ?? 0) * ROUNDED;
  return { ...spectrum, matrixRank: singularValues.filter((value) => value > least).length };
}
