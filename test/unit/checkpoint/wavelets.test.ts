/** WaveFT's inverse wavelet step against the sums that define it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { literal } from "../../../src/checkpoint/adapters/build";
import { synthesise } from "../../../src/checkpoint/adapters/wavelets";
import { evaluate } from "../../expressions";

const NAMES = [...Array.from({ length: 10 }, (_, i) => `db${i + 1}`), ...Array.from({ length: 9 }, (_, i) => `sym${i + 2}`), "coif1", "coif2", "coif3"];

/** The synthesis filters of a wavelet, from what it makes of one coefficient in the middle of a long row. */
function lowPass(name: string): number[] {
  const side = 128;
  const values = new Array<number>(side * side).fill(0);
  values[32 * side + 32] = 1;
  const { data } = evaluate(synthesise(literal([side, side], values), name)!);
  const rows = Array.from({ length: side }, (_, i) => Array.from(data.subarray(i * side, (i + 1) * side)));
  const row = rows.reduce((best, candidate) => (norm(candidate) > norm(best) ? candidate : best));
  const first = row.findIndex((value) => value !== 0);
  const taps = row.slice(first, row.findLastIndex((value) => value !== 0) + 1);
  const length = norm(taps);
  return taps.map((value) => (value / length) * Math.sign(taps.reduce((a, b) => a + b)));
}

const found = new Map<string, number[]>();
function filter(name: string): number[] {
  if (!found.has(name)) found.set(name, lowPass(name));
  return found.get(name)!;
}

const norm = (values: readonly number[]): number => Math.hypot(...values);

/** PEFT's reconstruction, term by term: zero padding, four bands, stride-two transposed convolution, cut to size. */
function byDefinition(values: readonly number[], out: number, inputs: number, low: readonly number[]): Float64Array {
  const taps = low.length;
  const high = low.map((_, i) => (i % 2 === 0 ? 1 : -1) * low[taps - 1 - i]!);
  const even = (length: number): number => length + taps - 2 + ((length + taps) % 2);
  const [rows, columns] = [even(out), even(inputs)];
  const [top, left] = [Math.floor((rows - out) / 2), Math.floor((columns - inputs) / 2)];
  const [h, w] = [rows / 2, columns / 2];
  const padded = (i: number, j: number): number => (i < top || i >= top + out || j < left || j >= left + inputs ? 0 : values[(i - top) * inputs + j - left]!);
  const whole = Array.from({ length: rows + taps - 2 }, () => new Float64Array(columns + taps - 2));
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      for (let a = 0; a < taps; a++) {
        for (let b = 0; b < taps; b++) {
          whole[2 * i + a]![2 * j + b]! +=
            padded(i, j) * low[a]! * low[b]! + padded(i, w + j) * high[a]! * low[b]! + padded(h + i, j) * low[a]! * high[b]! + padded(h + i, w + j) * high[a]! * high[b]!;
        }
      }
    }
  }
  return Float64Array.from({ length: out * inputs }, (_, at) => whole[taps - 2 + Math.floor(at / inputs)]![taps - 2 + (at % inputs)]!);
}

describe("inverse wavelet step", () => {
  for (const name of NAMES) {
    it(`${name}: the filter is orthonormal to its even shifts`, () => {
      const low = filter(name);
      assert.ok(Math.abs(low.reduce((a, b) => a + b) - Math.SQRT2) < 1e-10);
      for (let shift = 2; shift < low.length; shift += 2) {
        assert.ok(Math.abs(low.slice(shift).reduce((total, value, i) => total + value * low[i]!, 0)) < 1e-10, `shift ${shift}`);
      }
    });
  }

  it("db2: Daubechies' closed form", () => {
    const root = Math.sqrt(3);
    for (const [i, value] of [1 + root, 3 + root, 3 - root, 1 - root].entries()) assert.ok(Math.abs(filter("db2")[i]! - value / (4 * Math.SQRT2)) < 1e-12);
  });

  it("is the sum that defines it, for any size", () => {
    fc.assert(fc.property(fc.constantFrom("db1", "haar", "db2", "db4", "sym5", "coif1"), fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 1e6 }), (name, out, inputs, seed) => {
      const values = Array.from({ length: out * inputs }, (_, i) => ((i + 1) * seed) % 101 - 50);
      const step = evaluate(synthesise(literal([out, inputs], values), name)!);
      assert.deepEqual(step.shape, [out, inputs]);
      const wanted = byDefinition(values, out, inputs, filter(name));
      for (const [i, value] of step.data.entries()) assert.ok(Math.abs(value - wanted[i]!) < 1e-8, `${name} ${out}×${inputs} at ${i}`);
    }), { numRuns: 60 });
  });

  it("does not know other wavelets", () => assert.equal(synthesise(literal([2, 2], [1, 2, 3, 4]), "bior1.3"), null));
});
