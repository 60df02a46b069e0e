import assert from "node:assert/strict";
import fc from "fast-check";
import { diverging, entry, sequential } from "../../../webview/plots/colour";
import { colourLimit, decodePicture, paint, pictureOfValues, pooled, shade, POOLINGS } from "../../../webview/plots/heatmap-picture";
import type { How } from "../../../src/protocol/results";

const how: How = { method: "pooling", precision: "f64", exact: true, backend: "cpu", threads: 1 };
const window = { rowStart: 0, rowStop: 2, columnStart: 0, columnStop: 3 };
const base64 = (values: readonly number[]): string => Buffer.from(new Float32Array(values).buffer).toString("base64");
const result = (values: readonly number[]) => ({
  height: 2, width: 3, min: base64(values.map((v) => v - 1)), mean: base64(values), max: base64(values.map((v) => v + 1)), maxAbs: 9, nan: 0, infinite: 0, how,
});

describe("pooled pictures", () => {
  it("arrive as they were sent", () => {
    fc.assert(fc.property(fc.array(fc.float({ noNaN: false }), { minLength: 6, maxLength: 6 }), (values) => {
      const plane = base64(values);
      const picture = decodePicture({ ...result(values), min: plane, mean: plane, max: plane }, window);
      assert.deepEqual([...picture.mean], values);
    }));
  });

  it("are refused when pixels are missing", () => {
    assert.throws(() => decodePicture({ ...result([1, 2, 3, 4, 5, 6]), max: base64([1]) }, window), /4 bytes where 24 were announced/);
  });

  it("show the largest magnitude under a pixel as abs", () => {
    const picture = decodePicture(result([-5, 0, 5, 1, -1, 0.25]), window);
    assert.deepEqual([0, 1, 2, 3, 4, 5].map((i) => pooled(picture, "abs", i)), [6, 1, 6, 2, 2, 1.25]);
  });

  it("take their colour range from the pixels, not from a lone outlier", () => {
    const rows = [Array.from({ length: 1000 }, (_, i) => (i === 500 ? 1e6 : (i % 7) - 3))];
    const picture = pictureOfValues({ rows }, { rowStart: 0, rowStop: 1, columnStart: 0, columnStop: 1000 });
    for (const pooling of POOLINGS) assert.equal(colourLimit(picture, pooling), 3);
    const zero = pictureOfValues({ rows: [[0, 0]] }, { rowStart: 0, rowStop: 1, columnStart: 0, columnStop: 2 });
    assert.equal(colourLimit(zero, "mean"), 1);
  });

  it("have 0 in the middle of the diverging map and at the start of the sequential one", () => {
    assert.equal(shade(0, "mean", 4), 0.5);
    assert.equal(shade(-4, "min", 4), 0);
    assert.equal(shade(4, "max", 4), 1);
    assert.equal(shade(-4, "abs", 4), 1);
    assert.equal(shade(0, "abs", 4), 0);
  });

  it("leave what is not finite transparent", () => {
    const picture = pictureOfValues({ rows: [[1, "NaN"], ["-Infinity", -1]] }, { rowStart: 0, rowStop: 2, columnStart: 0, columnStop: 2 });
    assert.equal(picture.nonFinite, 2);
    for (const [pooling, map] of [["mean", diverging({ dark: true, highContrast: false })], ["abs", sequential({ dark: true, highContrast: false })]] as const) {
      const out = new Uint8ClampedArray(16);
      paint(picture, pooling, 1, map, out);
      assert.deepEqual([out[3], out[7], out[11], out[15]], [255, 0, 0, 255]);
      const last = 3 * entry(1);
      assert.deepEqual([...out.slice(0, 3)], [...map.slice(last, last + 3)]);
    }
  });
});
