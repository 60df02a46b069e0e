/** From an engine's difference to a pair's numbers, by hand-made sums. */
import assert from "node:assert/strict";
import { byChange, indexAt, pairNumbers, totalsOf } from "../../../../src/analysis/compare/numbers";
import type { DifferenceResult } from "../../../../src/engine/protocol";

const how = { method: "one pass over both", precision: "f64", exact: true, backend: "cpu", threads: 1 };
const side = (l2: number, nan = 0, positiveInfinity = 0, negativeInfinity = 0): DifferenceResult["a"] => ({ l2, nan, positiveInfinity, negativeInfinity });

/** A = (3, 4, 0, 0), B = (3, 0, 0, 0). */
const dropped: DifferenceResult = { count: 4, compared: 4, a: side(5), b: side(3), norm: 4, dot: 9, sumAbs: 4, maxAbs: 4, maxAt: 1, differing: 1, beyond: 1, signFlips: 0, how };
const equal: DifferenceResult = { count: 6, compared: 6, a: side(2), b: side(2), norm: 0, dot: 4, sumAbs: 0, maxAbs: 0, maxAt: 0, differing: 0, beyond: 0, signFlips: 0, how };

describe("numbers of a pair", () => {
  it("are what the sums say", () => {
    const numbers = pairNumbers(dropped, [2, 2]);
    assert.deepEqual(numbers, { equal: false, norm: 4, relative: 0.8, cosine: 0.6, normA: 5, normB: 3, maxAbs: 4, maxAt: [0, 1], meanAbs: 1, changed: 0.25, changedBeyond: 0.25, signFlips: 0, how });
  });

  it("are zeros, and no NaN, of equal and of empty tensors", () => {
    const none: DifferenceResult = { ...equal, count: 0, compared: 0, a: side(0), b: side(0), dot: 0, maxAt: null };
    const zeros: DifferenceResult = { ...equal, a: side(0), b: side(0), dot: 0 };
    for (const difference of [equal, none, zeros]) {
      const { equal: same, norm, relative, cosine, maxAt, meanAbs, changed, signFlips } = pairNumbers(difference, [difference.count]);
      assert.deepEqual([same, norm, relative, cosine, maxAt, meanAbs, changed, signFlips], [true, 0, 0, 1, [], 0, 0, 0]);
    }
  });

  it("say what has no value, and count what is not finite", () => {
    // From nothing: B of zeros in A.
    const fromZero = pairNumbers({ ...dropped, a: side(0), b: side(4), dot: 0 }, [4]);
    assert.deepEqual([fromZero.relative, fromZero.cosine], ["Infinity", "NaN"]);
    // No element is finite on both sides.
    const lost = pairNumbers({ ...dropped, compared: 0, a: side(0, 4), b: side(0, 1, 2, 1), norm: 0, dot: 0, sumAbs: 0, maxAbs: 0, maxAt: null, differing: 3, beyond: 0 }, [4]);
    assert.deepEqual([lost.equal, lost.relative, lost.cosine, lost.meanAbs, lost.maxAt, lost.nonFinite, lost.changed], [false, "NaN", "NaN", "NaN", [], { a: 4, b: 4 }, 0.75]);
    // The same NaN everywhere is equal.
    const same = pairNumbers({ ...equal, compared: 0, a: side(0, 6), b: side(0, 6), dot: 0, maxAt: null }, [6]);
    assert.deepEqual([same.equal, same.relative, same.meanAbs, same.nonFinite], [true, 0, 0, { a: 6, b: 6 }]);
  });

  it("take the side that is not quantised for the signal", () => {
    assert.equal(pairNumbers(dropped, [4], "b").sqnrDb, 20 * Math.log10(5 / 4));
    assert.equal(pairNumbers(dropped, [4], "a").sqnrDb, 20 * Math.log10(3 / 4));
    assert.equal(pairNumbers(equal, [6], "b").sqnrDb, "Infinity");
  });

  it("give places by axes", () => {
    assert.deepEqual(indexAt(0, []), []);
    assert.deepEqual(indexAt(23, [2, 3, 4]), [1, 2, 3]);
    assert.deepEqual(indexAt(7, [2, 2, 2]), [1, 1, 1]);
  });
});

describe("totals", () => {
  it("are those of all tensors as one vector", () => {
    const totals = totalsOf([{ difference: dropped, again: false }, { difference: equal, again: false }]);
    assert.deepEqual([totals.tensors, totals.equal, totals.parameters, totals.changed, totals.norm], [2, 1, 10, 1, 4]);
    assert.ok(Math.abs(Number(totals.relative) - 4 / Math.sqrt(29)) < 1e-15);
    assert.ok(Math.abs(Number(totals.cosine) - 13 / Math.sqrt(29 * 13)) < 1e-15);
  });

  it("count what tied tensors share once", () => {
    const totals = totalsOf([{ difference: dropped, again: false }, { difference: dropped, again: true }]);
    assert.deepEqual([totals.tensors, totals.parameters, totals.changed, totals.norm, totals.relative], [2, 4, 1, 4, 0.8]);
  });

  it("of nothing are nothing", () => {
    assert.deepEqual(totalsOf([]), { tensors: 0, equal: 0, parameters: 0, changed: 0, norm: 0, relative: 0, cosine: "NaN" });
  });
});

describe("the order of pairs", () => {
  it("puts what has no relative change first, then the largest, equal ones last", () => {
    const pairs = [
      { name: "equal", equal: true, relative: 0, changed: 0 },
      { name: "sign of zero", equal: false, relative: 0, changed: 0.1 },
      { name: "small", equal: false, relative: 0.1, changed: 1 },
      { name: "large", equal: false, relative: 2, changed: 0.5 },
      { name: "from zero", equal: false, relative: "Infinity", changed: 1 },
      { name: "not finite", equal: false, relative: "NaN", changed: 0.5 },
    ];
    assert.deepEqual([...pairs].sort(byChange).map(({ name }) => name), ["from zero", "not finite", "large", "small", "sign of zero", "equal"]);
  });
});
