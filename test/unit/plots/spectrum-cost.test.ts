import assert from "node:assert/strict";
import fc from "fast-check";
import { standing } from "../../../webview/inspect/siblings";
import { estimateSeconds, spectrumOperations } from "../../../webview/inspect/spectrum-cost";

describe("the cost of a spectrum", () => {
  it("is 8/3·n³ operations for a square matrix, the same for its transpose, and less for the other modes", () => {
    assert.ok(Math.abs(spectrumOperations(1000, 1000, "exact") - (8 / 3) * 1e9) < 1);
    assert.equal(spectrumOperations(100, 700, "exact"), spectrumOperations(700, 100, "exact"));
    assert.ok(Math.abs(spectrumOperations(1000, 1000, "fast") - (4 / 3) * 1e9) < 1);
    assert.ok(spectrumOperations(4096, 4096, "top:16") < 0.05 * spectrumOperations(4096, 4096, "exact"));
  });

  it("takes its rate from the largest spectrum timed", () => {
    assert.equal(estimateSeconds(4e12, [{ operations: 1e10, seconds: 9 }, { operations: 1e12, seconds: 20 }, { operations: 5e8, seconds: 60 }]), 80);
    assert.ok(estimateSeconds(1e12, []) > 0);
  });
});

describe("standing among siblings", () => {
  it("counts from the largest and measures in median absolute deviations", () => {
    assert.deepEqual(standing(9, [1, 2, 3, 4, 9]), { rank: 1, of: 5, median: 3, deviations: 6 });
    assert.deepEqual(standing(2, [2, 2, 2, null, NaN]), { rank: 1, of: 3, median: 2, deviations: null });
    assert.equal(standing(null, [1, 2]), null);
    assert.equal(standing(NaN, [1, NaN]), null);
  });

  it("is between first and last", () => {
    fc.assert(fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (values) => {
      const { rank, of } = standing(values[0]!, values)!;
      assert.ok(rank >= 1 && rank <= of && of === values.length);
    }));
  });
});
