/** The rank of an update: how many singular values of B − A stand above what rounding makes. */
import { flatten, shapeOf, slice } from "../../checkpoint/adapters/build";
import type { Expression } from "../../engine/protocol";
import { toNumber } from "../../protocol/results";
import type { Engine } from "../engine";

/** Short sides up to which the whole spectrum is computed. */
const WHOLE_SIDE = 512;
/** Side of the part that tells whether the rank of a larger matrix can be low. */
const SAMPLE_SIDE = 256;
/** Values computed beyond the rank that the part has, to see the gap behind it. */
const BEYOND = 8;
/** Where a low-rank update ends the next singular value is at most this share of the last one. */
const GAP = 0.5;
/** An update of this share of the full rank is not low. */
const LOW = 0.75;
/** Σσ² that the update must hold, where rounding holds the rest. */
const ENERGY = 0.5;

export type UpdateRank =
  /** `floor`: the largest singular value behind the update's, and what rounding may leave. */
  | { low: true; rank: number; floor: number; edge: number }
  /** Nothing stands above rounding. */
  | { low: false; rank: 0 }
  /** `atLeast` when only a part was looked at. */
  | { low: false; rank: number; atLeast?: true };

/**
 * @param change B − A, a matrix or more axes that are looked at as one.
 * @param full the rank that it could have: its changed rows or columns, whichever are fewer.
 * @param edge what rounding may leave as the largest singular value (see `roundingEdge`).
 * @throws EngineError `undefined` when values are not finite.
 */
export async function updateRank(change: Expression, full: number, edge: number, engine: Engine, signal?: AbortSignal): Promise<UpdateRank> {
  const options = signal === undefined ? {} : { signal };
  const delta = flatten(change);
  const [rows = 0, columns = 0] = shapeOf(delta);
  const short = Math.min(rows, columns);
  const values = async (tensor: Expression, k?: number): Promise<{ values: number[]; energy: number }> => {
    const spectrum = await engine.request("spectrum", k === undefined ? { tensor, mode: "exact" } : { tensor, mode: "top", k }, options);
    return { values: spectrum.singularValues, energy: toNumber(spectrum.frobeniusNorm) ** 2 };
  };
  if (short <= WHOLE_SIDE) {
    const { values: all, energy } = await values(delta);
    return judge(all, energy, edge, full);
  }
  // No part of a matrix has a higher rank than the whole, so that a small part of full rank settles it.
  const part = slice(slice(delta, 0, middle(rows), middle(rows) + SAMPLE_SIDE), 1, middle(columns), middle(columns) + SAMPLE_SIDE);
  const sampled = (await values(part)).values.filter((value) => value > edge * partShare(rows, columns)).length;
  if (sampled > LOW * SAMPLE_SIDE) return { low: false, rank: sampled, atLeast: true };
  for (let k = sampled + BEYOND; k <= LOW * full; k *= 2) {
    const { values: top, energy } = await values(delta, k);
    if (top.at(-1)! <= edge) return judge(top, energy, edge, full);
  }
  return { low: false, rank: Math.ceil(LOW * full), atLeast: true };
}

function middle(length: number): number {
  return Math.floor((length - SAMPLE_SIDE) / 2);
}

/** Rounding leaves less in a smaller matrix. */
function partShare(rows: number, columns: number): number {
  return (2 * Math.sqrt(SAMPLE_SIDE)) / (Math.sqrt(rows) + Math.sqrt(columns));
}

/** @param values descending, all or those down to the first below the edge. */
export function judge(values: readonly number[], energy: number, edge: number, full: number): UpdateRank {
  const rank = values.filter((value) => value > edge).length;
  if (rank === 0) return { low: false, rank: 0 };
  const next = values[rank] ?? 0;
  const held = values.slice(0, rank).reduce((sum, value) => sum + value * value, 0);
  const low = rank <= LOW * full && next <= GAP * values[rank - 1]! && held >= ENERGY * energy;
  return low ? { low: true, rank, floor: next, edge } : { low: false, rank };
}
