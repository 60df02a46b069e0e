/** A small matrix that the page holds itself, for the heat map: what the host answers for a tensor's. */
import type { PictureResult, ValuesResult, Window } from "../../src/engine/protocol";
import type { HeatmapLoader } from "../plots/heatmap-source";

/** @param values row-major, rows × columns. */
export function localMatrix(values: Float32Array, columns: number): HeatmapLoader {
  const at = (row: number, column: number): number => values[row * columns + column]!;
  return {
    picture: (window, height, width) => Promise.resolve(pooledPicture(at, window, height, width)),
    values: (window) => Promise.resolve(valuesOf(at, window)),
  };
}

function valuesOf(at: (row: number, column: number) => number, { rowStart, rowStop, columnStart, columnStop }: Window): ValuesResult {
  return { rows: Array.from({ length: rowStop - rowStart }, (_, i) => Array.from({ length: columnStop - columnStart }, (_, j) => at(rowStart + i, columnStart + j))) };
}

function pooledPicture(at: (row: number, column: number) => number, window: Window, most: number, mostWide: number): PictureResult {
  const [rows, columns] = [window.rowStop - window.rowStart, window.columnStop - window.columnStart];
  const [height, width] = [Math.min(most, rows), Math.min(mostWide, columns)];
  const planes = { min: new Float32Array(height * width), mean: new Float32Array(height * width), max: new Float32Array(height * width) };
  let maxAbs = 0;
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      let [low, high, sum, count] = [Infinity, -Infinity, 0, 0];
      for (let row = Math.floor((i * rows) / height); row < Math.floor(((i + 1) * rows) / height); row++) {
        for (let column = Math.floor((j * columns) / width); column < Math.floor(((j + 1) * columns) / width); column++) {
          const value = at(window.rowStart + row, window.columnStart + column);
          low = Math.min(low, value);
          high = Math.max(high, value);
          sum += value;
          count++;
        }
      }
      const pixel = i * width + j;
      planes.min[pixel] = low;
      planes.max[pixel] = high;
      planes.mean[pixel] = sum / count;
      maxAbs = Math.max(maxAbs, Math.abs(low), Math.abs(high));
    }
  }
  const encoded = (plane: Float32Array): string => {
    let text = "";
    for (const byte of new Uint8Array(plane.buffer)) text += String.fromCharCode(byte);
    return btoa(text);
  };
  return {
    height, width, maxAbs, nan: 0, infinite: 0,
    min: encoded(planes.min), mean: encoded(planes.mean), max: encoded(planes.max),
    how: { method: "pooled", precision: "f32", exact: true, backend: "cpu", threads: 1 },
  };
}

/** Base64 of little-endian f32. @throws Error when it does not hold `count` numbers. */
export function decodeFloats(text: string, count: number): Float32Array {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (bytes.length !== 4 * count) throw new Error(`A matrix holds ${bytes.length} bytes where ${4 * count} were announced.`);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
}
