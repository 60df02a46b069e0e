import assert from "node:assert/strict";
import fc from "fast-check";
import type { HistogramResult } from "../../../src/engine/protocol";
import type { How, Spectrum, Statistics } from "../../../src/protocol/results";
import { exponentEdges, histogramTable, linearEdges, rug, steps } from "../../../webview/plots/histogram-data";
import { kindStyle } from "../../../webview/plots/kinds";
import { decadeTicks, indexTicks, nearestRank, powerOfTen } from "../../../webview/plots/scale";
import { sparklinePath } from "../../../webview/plots/sparkline-path";
import { bulk, density, marchenkoPasturDensity, spectrumTable, tailCurve, tailLength } from "../../../webview/plots/spectrum-data";
import { foldTreemap } from "../../../webview/plots/treemap-data";

const how: How = { method: "test", precision: "f64", exact: true, backend: "cpu", threads: 1 };

describe("ticks", () => {
  it("are written as powers with Unicode digits", () => {
    assert.deepEqual([-12, -1, 0, 3, 10].map(powerOfTen), ["10⁻¹²", "10⁻¹", "10⁰", "10³", "10¹⁰"]);
  });

  it("are whole, within their range, evenly spaced and few", () => {
    fc.assert(fc.property(fc.double({ min: -320, max: 310, noNaN: true }), fc.double({ min: 0, max: 600, noNaN: true }), fc.integer({ min: 2, max: 12 }), (low, span, most) => {
      const ticks = decadeTicks(low, low + span, most);
      assert.ok(ticks.length <= most + 1);
      for (const tick of ticks) assert.ok(Number.isInteger(tick) && tick >= low - 1e-6 && tick <= low + span + 1e-6);
      for (let i = 2; i < ticks.length; i++) assert.equal(ticks[i]! - ticks[i - 1]!, ticks[1]! - ticks[0]!);
    }));
    fc.assert(fc.property(fc.nat(1e9), fc.nat(1e9), fc.integer({ min: 2, max: 20 }), (low, span, most) => {
      const ticks = indexTicks(low, low + span, most);
      assert.ok(ticks.length <= most + 1, `${ticks.length} > ${most}`);
      for (const tick of ticks) assert.ok(Number.isInteger(tick) && tick >= low && tick <= low + span);
    }));
  });

  it("rank values by their order", () => {
    const values = [3, NaN, 1, Infinity, 2, 4];
    assert.deepEqual([0, 0.25, 0.5, 0.75, 1].map((q) => nearestRank(values, q)), [1, 1, 2, 3, 4]);
    assert.equal(nearestRank([NaN], 0.5), 0);
  });
});

describe("histograms", () => {
  const result: HistogramResult = {
    linear: { low: -1, high: 3, counts: [1, 0, 5, 2] },
    logMagnitude: { minExponent: -2, binsPerDecade: 2, negative: [1, 0, 0, 0], positive: [0, 2, 4, 1] },
    zeros: 0, nonFinite: 0, how,
  };

  it("have their edges where the protocol says", () => {
    assert.deepEqual(linearEdges(result), [-1, 0, 1, 2, 3]);
    assert.deepEqual(exponentEdges(result), [-2, -1.5, -1, -0.5, 0]);
    assert.deepEqual(histogramTable(result, "linear").map((column) => column.values), [[-1, 0, 1, 2], [0, 1, 2, 3], [1, 0, 5, 2]]);
    assert.deepEqual(histogramTable(result, "log")[0]!.values.map((value) => Math.log10(value as number)), [-2, -1.5, -1, -0.5]);
  });

  it("reach from the smallest to the largest double without overflow", () => {
    const edges = linearEdges({ ...result, linear: { low: -Number.MAX_VALUE, high: Number.MAX_VALUE, counts: [1, 2, 3] } });
    assert.ok(edges.every(Number.isFinite));
    assert.deepEqual([edges[0], edges.at(-1)], [-Number.MAX_VALUE, Number.MAX_VALUE]);
    assert.ok(steps(edges, [1, 2, 3]).x.every(Number.isFinite));
  });

  it("draw each bin around its middle, with point i + 1 for bin i", () => {
    assert.deepEqual(steps([0, 1, 3], [4, 7]), { x: [0, 0.5, 2, 3], y: [4, 4, 7, 7] });
    assert.deepEqual(steps([], []), { x: [], y: [] });
  });

  it("have a rug of the finite quantiles", () => {
    const quantiles = { ".001": "-Infinity", ".01": -2, ".05": -1, ".25": 0, ".5": 1, ".75": 2, ".95": 3, ".99": 4, ".999": "NaN" };
    assert.deepEqual(rug({ quantiles } as unknown as Statistics).map(({ value }) => value), [-2, -1, 0, 1, 2, 3, 4]);
  });
});

describe("spectra", () => {
  const spectrum = (change: Partial<Spectrum>): Spectrum => ({
    rows: 400, columns: 100, singularValues: [3, 2, 1], frobeniusNorm: Math.sqrt(14), spectralNorm: 3, stableRank: 14 / 9, effectiveRank: 2.75,
    energyRank: { "0.9": 2, "0.95": 3, "0.99": 3 }, matrixRank: 3, conditionNumber: 3, marchenkoPastur: { edge: 3, above: 0 }, powerLaw: null, how, ...change,
  });
  const integral = (f: (x: number) => number, from: number, to: number, n = 200_000): number => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += f(from + ((i + 0.5) * (to - from)) / n);
    return (sum * (to - from)) / n;
  };

  it("are compared with a Marchenko–Pastur density of mass 1 and mean σ² = s²·max(rows, columns)", () => {
    for (const [rows, columns] of [[400, 100], [100, 400], [64, 64], [1000, 3]] as const) {
      const s = 0.7;
      const random = spectrum({ rows, columns, marchenkoPastur: { edge: s * (Math.sqrt(rows) + Math.sqrt(columns)), above: 0 } });
      const { low, high } = bulk(random);
      assert.ok(Math.abs(low - s * Math.abs(Math.sqrt(rows) - Math.sqrt(columns))) < 1e-12);
      assert.ok(Math.abs(integral((x) => marchenkoPasturDensity(random, x), low, high) - 1) < 1e-4);
      const mean = integral((x) => x * x * marchenkoPasturDensity(random, x), low, high);
      assert.ok(Math.abs(mean / (s * s * Math.max(rows, columns)) - 1) < 1e-4);
      assert.equal(marchenkoPasturDensity(random, high * 1.01), 0);
    }
  });

  it("show a power law as a straight line of slope −1/(2(α−1)) in log-log, ending at √xmin", () => {
    const alpha = 3.2;
    const values = Array.from({ length: 50 }, (_, i) => 2 * ((i + 1) / 30) ** (-1 / (2 * (alpha - 1))));
    const fitted = spectrum({ singularValues: values, powerLaw: { alpha, xmin: values[29]! ** 2, distance: 0 } });
    assert.equal(tailLength(fitted), 30);
    const { x, y } = tailCurve(fitted);
    x.forEach((i, at) => assert.ok(Math.abs(y[at]! / (2 * (i / 30) ** (-1 / (2 * (alpha - 1)))) - 1) < 1e-12));
    assert.deepEqual(tailCurve(spectrum({})), { x: [], y: [] });
  });

  it("have a density of mass 1, also when all values are equal", () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }), (values) => {
      const sorted = values.sort((a, b) => b - a);
      fc.pre(sorted[0]! - sorted.at(-1)! > 1e-6);
      const { edges, values: heights } = density(sorted);
      const mass = heights.reduce((sum, height, i) => sum + height * (edges[i + 1]! - edges[i]!), 0);
      assert.ok(Math.abs(mass - 1) < 1e-6);
    }));
    assert.equal(density([2, 2, 2]).values.length, 1);
    assert.deepEqual(density([]), { edges: [], values: [] });
  });

  it("list the energy of the first i values", () => {
    const [i, , energy] = spectrumTable(spectrum({}));
    assert.deepEqual(i!.values, [1, 2, 3]);
    energy!.values.forEach((value, at) => assert.ok(Math.abs((value as number) - [9 / 14, 13 / 14, 1][at]!) < 1e-12));
  });
});

describe("sparklines", () => {
  it("leave gaps where values are missing and stay in their box", () => {
    assert.equal(sparklinePath([0, 1, null, 2, NaN, 1], 50, 10), "M0.0 10.0h.01L10.0 5.0M30.0 0.0h.01M50.0 5.0h.01");
    assert.equal(sparklinePath([null, NaN, Infinity], 50, 10), "");
    assert.equal(sparklinePath([7, 7], 10, 10), "M0.0 5.0h.01L10.0 5.0");
    fc.assert(fc.property(fc.array(fc.option(fc.double()), { maxLength: 40 }), (values) => {
      for (const [, x, y] of sparklinePath(values, 60, 12).matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) assert.ok(Number(x) >= 0 && Number(x) <= 60 && Number(y) >= 0 && Number(y) <= 12);
    }));
  });
});

describe("treemaps", () => {
  const nodes = [
    { id: "a", parent: "", label: "a", value: 0 },
    ...Array.from({ length: 100 }, (_, i) => ({ id: `a.${i}`, parent: "a", label: String(i), value: i + 1, tensor: i })),
    { id: "b", parent: "nowhere", label: "b", value: 7 },
  ];

  it("keep the largest leaves and the sum of all", () => {
    const folded = foldTreemap(nodes, 10);
    assert.equal(folded.find(({ id }) => id === "a")!.value, 5050);
    assert.equal(folded.filter(({ tensor }) => tensor !== undefined).length, 10);
    const children = folded.filter(({ parent }) => parent === "a");
    assert.equal(children.reduce((sum, { value }) => sum + value, 0), 5050);
    assert.match(children.find(({ id }) => id.endsWith("rest"))!.label, /^90 smaller$/);
  });

  it("hang what has no parent from the root, and end on names that are their own ancestors", () => {
    assert.equal(foldTreemap(nodes, 1000).find(({ id }) => id === "b")!.parent, "");
    const loop = [{ id: "x", parent: "y", label: "x", value: 1 }, { id: "y", parent: "x", label: "y", value: 1 }, { id: "leaf", parent: "x", label: "leaf", value: 2 }];
    assert.ok(foldTreemap(loop, 10).some(({ id }) => id === "leaf"));
  });
});

describe("kinds", () => {
  it("look the same in every chart, and apart from each other where their names are known", () => {
    const known = ["q", "k", "v", "o", "gate", "up", "down", "norm", "embed", "head", "bias", "conv"];
    assert.equal(new Set(known.map((kind) => Object.values(kindStyle(kind)).join())).size, known.length);
    fc.assert(fc.property(fc.string(), (kind) => assert.deepEqual(kindStyle(kind), kindStyle(kind))));
    assert.equal(typeof kindStyle("constructor").colour, "string");
  });
});
