/** A pooled picture as numbers, and its colours. */
import type { PictureResult, ValuesResult, Window } from "../../src/engine/protocol";
import { toNumber } from "../../src/protocol/results";
import { entry, type ColourMap } from "./colour";
import { nearestRank } from "./scale";

export type Pooling = "min" | "mean" | "max" | "abs";
export const POOLINGS: readonly Pooling[] = ["min", "mean", "max", "abs"];

/** Decoded pixels of a window; row-major, NaN where nothing under a pixel is finite. */
export interface Picture {
  window: Window;
  height: number;
  width: number;
  min: Float32Array;
  mean: Float32Array;
  max: Float32Array;
  nonFinite: number;
}

/** @throws Error when the pixels do not fill height × width. */
export function decodePicture(result: PictureResult, window: Window): Picture {
  const { height, width } = result;
  const plane = (text: string): Float32Array => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    if (bytes.length !== 4 * height * width) throw new Error(`The picture holds ${bytes.length} bytes where ${4 * height * width} were announced.`);
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: height * width }, (_, i) => view.getFloat32(4 * i, true));
  };
  return { window, height, width, min: plane(result.min), mean: plane(result.mean), max: plane(result.max), nonFinite: result.nan + result.infinite };
}

/** Exact values as a picture of one pixel per element; what is not finite becomes NaN. */
export function pictureOfValues({ rows }: ValuesResult, window: Window): Picture {
  const height = rows.length;
  const width = rows[0]?.length ?? 0;
  const plane = new Float32Array(height * width);
  let nonFinite = 0;
  rows.forEach((row, i) => row.forEach((cell, j) => {
    const value = toNumber(cell);
    if (!Number.isFinite(value)) nonFinite++;
    plane[i * width + j] = Number.isFinite(value) ? value : NaN;
  }));
  return { window, height, width, min: plane, mean: plane, max: plane, nonFinite };
}

/** What a pixel stands for under `pooling`. */
export function pooled(picture: Picture, pooling: Pooling, i: number): number {
  return pooling === "abs" ? Math.max(Math.abs(picture.min[i]!), Math.abs(picture.max[i]!)) : picture[pooling][i]!;
}

/**
 * The magnitude that gets the last colour: the 99.8th percentile of what the pixels stand for, so that one outlier does
 * not darken all the rest. 1 for an all-zero picture.
 */
export function colourLimit(picture: Picture, pooling: Pooling): number {
  const magnitudes = Float64Array.from({ length: picture.height * picture.width }, (_, i) => Math.abs(pooled(picture, pooling, i)));
  const limit = nearestRank(magnitudes, 0.998);
  return limit > 0 ? limit : nearestRank(magnitudes, 1) || 1;
}

/** Place on the colour map, 0…1, of `value`: 0 in the middle for signed values, at the start for magnitudes. */
export function shade(value: number, pooling: Pooling, limit: number): number {
  return pooling === "abs" ? Math.abs(value) / limit : 0.5 + value / (2 * limit);
}

/** RGBA of every pixel; transparent where there is no finite element. */
export function paint(picture: Picture, pooling: Pooling, limit: number, map: ColourMap, out: Uint8ClampedArray): void {
  const pixels = picture.height * picture.width;
  for (let i = 0; i < pixels; i++) {
    const value = pooled(picture, pooling, i);
    const at = 4 * i;
    if (Number.isNaN(value)) {
      out[at + 3] = 0;
      continue;
    }
    const from = 3 * entry(shade(value, pooling, limit));
    out[at] = map[from]!;
    out[at + 1] = map[from + 1]!;
    out[at + 2] = map[from + 2]!;
    out[at + 3] = 255;
  }
}
