/** Health rules at their thresholds, and what they say of real models. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { healthFindings, suspicion, worstFirst, type TensorFacts } from "../../../src/analysis/health";
import type { Tensor } from "../../../src/checkpoint/checkpoint";
import type { AxisNorms, NormsResult, SpectrumResult } from "../../../src/engine/protocol";
import type { Finding, How, Statistics } from "../../../src/protocol/results";
import { explainRule } from "../../../webview/inspect/rules";
import { root } from "../../files";

const how: How = { method: "test", precision: "f64", exact: true, backend: "cpu", threads: 1 };

function tensor(name: string, shape: number[], dtype = "F32"): Tensor {
  const parameters = shape.reduce((product, n) => product * n, 1);
  return { name, dtype, shape, parameters, bytes: 4 * parameters, file: 0, offset: 0, expression: null };
}

/** Statistics of healthy weights, but for what is given. */
function statistics(count: number, changes: Partial<Statistics> = {}): Statistics {
  return {
    count, finite: count, nan: 0, positiveInfinity: 0, negativeInfinity: 0, zeros: 0, subnormals: 0,
    min: -0.1, max: 0.1, mean: 0, standardDeviation: 0.02, l1: 1, l2: 1, rms: 0.02, maxAbs: 0.1, kurtosis: 3,
    quantiles: { ".001": 0, ".01": 0, ".05": 0, ".25": 0, ".5": 0, ".75": 0, ".95": 0, ".99": 0, ".999": 0 }, how, ...changes,
  };
}

function axis(count: number, changes: Partial<AxisNorms> = {}): AxisNorms {
  return { count, dead: 0, deadIndices: [], min: 0.8, median: 1, max: 1.2, mad: 0.05, pooled: [], outliers: [], ...changes };
}

function norms(rows: AxisNorms, columns: AxisNorms): NormsResult {
  return { rows, columns, how };
}

function spectrum(rows: number, columns: number, changes: Partial<SpectrumResult> = {}): SpectrumResult {
  const short = Math.min(rows, columns);
  return {
    rows, columns, singularValues: new Array<number>(short).fill(1), frobeniusNorm: 1, spectralNorm: 1, stableRank: 5, effectiveRank: 0.8 * short,
    energyRank: { "0.9": 1, "0.95": 1, "0.99": 1 }, matrixRank: short, conditionNumber: 10, marchenkoPastur: { edge: 1, above: 0 },
    powerLaw: { alpha: 3.5, xmin: 1, distance: 0.1 }, how, ...changes,
  };
}

function judge(...facts: TensorFacts[]): Finding[] {
  return healthFindings(facts, facts.map((one) => one.tensor), []);
}
/** Rules and severities, as `"rule severity"`. */
const verdicts = (...facts: TensorFacts[]): string[] => judge(...facts).map(({ rule, severity }) => `${rule} ${severity}`);
const WEIGHT = "model.layers.0.mlp.up_proj.weight";
const weight = (changes: Partial<Statistics>, name = WEIGHT, dtype = "F32"): TensorFacts => ({ tensor: tensor(name, [64, 64], dtype), statistics: statistics(4096, changes) });
const vector = (changes: Partial<Statistics>, name: string, dtype = "F32"): TensorFacts => ({ tensor: tensor(name, [64], dtype), statistics: statistics(64, changes) });

describe("health of elements", () => {
  const zero: Partial<Statistics> = { zeros: 4096, min: 0, max: 0, rms: 0, maxAbs: 0 };
  const one = { min: 1, max: 1, rms: 1, maxAbs: 1 };
  const cases: [what: string, facts: TensorFacts, expected: string[]][] = [
    ["healthy weights", weight({}), []],
    ["one NaN", weight({ nan: 1, finite: 4095 }), ["nan error"]],
    ["all NaN", weight({ nan: 4096, finite: 0, min: "NaN", max: "NaN", rms: "NaN", maxAbs: "NaN" }), ["nan error"]],
    ["one infinity", weight({ positiveInfinity: 1, finite: 4095 }), ["infinity error"]],
    ["a mask of 0 and −∞", weight({ negativeInfinity: 2016, zeros: 2080, finite: 2080, min: 0, max: 0, rms: 0, maxAbs: 0 }), ["infinity info"]],
    ["a zero matrix", weight(zero), ["all-zero warning"]],
    ["a zero bias", vector({ ...zero, zeros: 64 }, "fc.bias"), ["all-zero info"]],
    ["a zero integer matrix", weight(zero, "buffer.ids", "I64"), ["all-zero info"]],
    ["an untrained adapter", weight(zero, "base_model.model.q_proj.lora_B.weight"), ["all-zero info"]],
    ["a constant matrix", weight(one), ["constant warning"]],
    ["a fresh norm", vector(one, "model.norm.weight"), ["constant info"]],
    ["a scalar", { tensor: tensor("step", []), statistics: statistics(1, one) }, []],
    ["a constant among NaN is not called constant", weight({ ...one, nan: 1, finite: 4095 }), ["nan error"]],
    ["a gain of 29", weight({ rms: 29 / 8, maxAbs: 10 }), []],
    ["a gain of 30", weight({ rms: 30 / 8, maxAbs: 10 }), ["exploded warning"]],
    ["a gain of 30 in an embedding", weight({ rms: 30 / 8, maxAbs: 10 }, "model.embed_tokens.weight"), []],
    ["an RMS of 100 in an embedding", weight({ rms: 100, maxAbs: 300 }, "model.embed_tokens.weight"), ["exploded warning"]],
    ["a norm of RMS 49", vector({ rms: 49, maxAbs: 60 }, "model.norm.weight"), []],
    ["a norm of RMS 50", vector({ rms: 50, maxAbs: 60 }, "model.norm.weight"), ["exploded warning"]],
    ["a magnitude of 1e4", vector({ maxAbs: 1e4 }, "fc.bias"), ["exploded warning"]],
    ["a magnitude of 1e4 in running statistics", vector({ maxAbs: 1e4 }, "bn1.running_var"), []],
    ["F16 near its end", vector({ maxAbs: 33_000 }, "bn1.weight", "F16"), ["exploded warning"]],
    ["1 % subnormal", weight({ subnormals: 41 }), ["subnormal-heavy warning"]],
    ["less than 1 % subnormal", weight({ subnormals: 40 }), []],
    ["9 % subnormal in F16", weight({ subnormals: 369 }, WEIGHT, "F16"), []],
    ["10 % subnormal in F16", weight({ subnormals: 410 }, WEIGHT, "F16"), ["subnormal-heavy warning"]],
    ["a few subnormals of few elements", vector({ subnormals: 31 }, "fc.bias"), []],
    ["scaled FP8", weight({ rms: 100, maxAbs: 448 }, WEIGHT, "F8_E4M3"), []],
    ["a zero matrix in FP8", weight(zero, WEIGHT, "F8_E4M3"), ["all-zero warning"]],
    ["subnormals in FP8", weight({ subnormals: 4000 }, WEIGHT, "F8_E4M3"), []],
  ];
  for (const [what, facts, expected] of cases) it(what, () => assert.deepEqual(verdicts(facts), expected));

  it("says the numbers", () => {
    assert.equal(judge(weight({ nan: 1, finite: 4095 }))[0]!.message, "1 of 4,096 elements is NaN.");
    assert.equal(judge(weight({ nan: 3, finite: 4093 }))[0]!.message, "3 of 4,096 elements are NaN.");
    assert.match(judge(weight({ rms: 4, maxAbs: 10 }))[0]!.message, /^RMS × √fan-in is 32 \(RMS 4, fan-in 64; from 30 on/);
  });

  it("suspects worse tensors more", () => {
    const order = [weight({}), weight({ ...zero }, "x.lora_B.weight"), weight(one), weight({ nan: 1, finite: 4095 })].map(suspicion);
    assert.deepEqual(order, [0, 1, 2, 3]);
  });
});

describe("health of rows, columns and spectra", () => {
  const matrix = (rows: Partial<AxisNorms>, columns: Partial<AxisNorms> = {}, name = WEIGHT): TensorFacts => ({ tensor: tensor(name, [200, 200]), norms: norms(axis(200, rows), axis(200, columns)) });
  const far = (norm: number, deviations = 1000): Partial<AxisNorms> => ({ max: norm, outliers: [{ index: 7, norm, deviations }] });
  const spectral = (changes: Partial<SpectrumResult>, name = WEIGHT): TensorFacts => ({ tensor: tensor(name, [100, 200]), spectrum: spectrum(100, 200, changes) });
  const cases: [what: string, facts: TensorFacts, expected: string[]][] = [
    ["healthy norms", matrix({}), []],
    ["one dead row of 200", matrix({ dead: 1, deadIndices: [3], min: 0 }), ["dead-rows info"]],
    ["two dead rows of 200", matrix({ dead: 2, deadIndices: [3, 4], min: 0 }), ["dead-rows warning"]],
    ["dead rows of an embedding", matrix({ dead: 50, deadIndices: [3, 4], min: 0 }, {}, "model.embed_tokens.weight"), ["dead-rows info"]],
    ["dead columns", matrix({}, { dead: 20, deadIndices: [1], min: 0 }), ["dead-columns warning"]],
    ["a zero matrix is another rule's", matrix({ dead: 200, min: 0, median: 0 }, { dead: 200, min: 0, median: 0 }), []],
    ["zeros in a single row are no dead columns", { tensor: tensor(WEIGHT, [1, 200]), norms: norms(axis(1), axis(200, { dead: 9, deadIndices: [1], min: 0 })) }, []],
    ["a row 9 times the median", matrix(far(9)), []],
    ["a row 10 times the median", matrix(far(10)), ["row-outlier info"]],
    ["a row 10 times the median where all rows vary as much", matrix(far(10, 19)), []],
    ["a row 100 times the median", matrix(far(100)), ["row-outlier warning"]],
    ["a column 100 times the median", matrix({}, far(100)), ["column-outlier info"]],
    ["a column 1000 times the median", matrix({}, far(1000)), ["column-outlier warning"]],
    ["a nearly dead row", matrix({ min: 0.0009 }), ["row-outlier info"]],
    ["a row of infinite norm is another rule's", matrix(far(Infinity, Infinity)), []],
    ["norms of NaN", matrix({ median: "NaN", min: "NaN", max: "NaN", mad: "NaN" }), []],
    ["a healthy spectrum", spectral({}), []],
    ["a rank just deficient", spectral({ matrixRank: 99 }), ["collapsed-spectrum info"]],
    ["half the rank", spectral({ matrixRank: 50 }), ["collapsed-spectrum info"]],
    ["less than half the rank", spectral({ matrixRank: 49 }), ["collapsed-spectrum warning"]],
    ["an effective rank of 10 %", spectral({ effectiveRank: 10 }), []],
    ["an effective rank below 10 %", spectral({ effectiveRank: 9.9 }), ["collapsed-spectrum warning"]],
    ["the top of a spectrum", spectral({ effectiveRank: 3, singularValues: [3, 2, 1] }), []],
    ["α of 1.9", spectral({ powerLaw: { alpha: 1.9, xmin: 1, distance: 0.1 } }), ["over-trained info"]],
    ["α of 6.1", spectral({ powerLaw: { alpha: 6.1, xmin: 1, distance: 0.1 } }), ["under-trained info"]],
    ["α of an embedding", spectral({ powerLaw: { alpha: 9, xmin: 1, distance: 0.1 } }, "model.embed_tokens.weight"), []],
    ["no power law", spectral({ powerLaw: null }), []],
  ];
  for (const [what, facts, expected] of cases) it(what, () => assert.deepEqual(verdicts(facts), expected));
});

describe("health beside others", () => {
  const layers = (scales: number[], module = "mlp.up_proj.weight", shape = [64, 64]): TensorFacts[] =>
    scales.map((rms, i) => ({ tensor: tensor(`model.layers.${i}.${module}`, shape), statistics: statistics(4096, { rms, maxAbs: rms }) }));

  it("finds the layer that is out of scale", () => {
    assert.deepEqual(judge(...layers([0.02, 0.021, 0.019, 0.9, 0.02, 0.022])).map(({ rule, tensor }) => [rule, tensor]), [["norm-outlier", "model.layers.3.mlp.up_proj.weight"]]);
    assert.deepEqual(verdicts(...layers([0.02, 0.021, 0.019, 0.5, 0.02, 0.022])), []);
    assert.deepEqual(verdicts(...layers([0.02, 0.021, 0.0005, 0.02])), ["norm-outlier warning"]);
  });

  it("is quiet where layers vary by nature", () => {
    assert.deepEqual(verdicts(...layers([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1])), []);
    assert.deepEqual(verdicts(...layers([0.01, 0.9], "input_layernorm.weight", [64])), []);
    assert.deepEqual(verdicts(...layers([0.001, 0.9], "self_attn.k_proj.bias", [64])), []);
  });

  it("names both of two", () => {
    assert.deepEqual(verdicts(...layers([0.02, 2])), ["norm-outlier warning", "norm-outlier warning"]);
  });

  it("finds the layer whose spectrum collapsed", () => {
    const facts = [80, 82, 19, 81, 79].map((effectiveRank, i) => ({ tensor: tensor(`h.${i}.mlp.c_fc.weight`, [100, 200]), spectrum: spectrum(100, 200, { effectiveRank }) }));
    assert.deepEqual(judge(...facts).map(({ rule, tensor }) => [rule, tensor]), [["collapsed-spectrum", "h.2.mlp.c_fc.weight"]]);
  });

  it("tells tied embeddings and buffers from copied layers", () => {
    const group = (...names: string[]): string[] => {
      const facts = names.map((name) => ({ tensor: tensor(name, [64, 64]) }));
      return healthFindings([], [], [facts]).map(({ severity, tensor, message }) => `${severity} ${tensor}: ${message}`);
    };
    assert.deepEqual(group("model.embed_tokens.weight", "lm_head.weight"), ["info model.embed_tokens.weight: Its bytes are the same as those of lm_head.weight."]);
    assert.deepEqual(group("h.0.fc.weight", "h.1.fc.weight"), ["warning h.0.fc.weight: Its bytes are the same as those of h.1.fc.weight."]);
    assert.deepEqual(group("h.0.attn.masked_bias", "h.1.attn.masked_bias")[0]!.slice(0, 4), "info");
  });

  it("gives one finding for each reason why values cannot be decoded", () => {
    const odd = (name: string, unreadable: string): Tensor => ({ ...tensor(name, [2]), unreadable });
    const found = healthFindings([], [odd("a", "it is F6"), odd("b", "it is F6"), odd("c", "it is C64"), { ...odd("d", "its shard is missing"), offset: null }], []);
    assert.deepEqual(found.map(({ tensor, message }) => [tensor, message]), [
      ["a", "Its values are not shown, nor those of 1 more: it is F6."],
      ["c", "Its values are not shown: it is C64."],
    ]);
  });
});

describe("findings", () => {
  it("come worst first, otherwise in order", () => {
    const make = (severity: Finding["severity"], message: string): Finding => ({ rule: "r", severity, message });
    const sorted = worstFirst([make("info", "1"), make("error", "2"), make("warning", "3"), make("error", "4"), make("info", "5")]);
    assert.deepEqual(sorted.map(({ message }) => message), ["2", "4", "3", "1", "5"]);
  });

  it("have a paragraph in the documentation, all and no others, and a sentence in the view", () => {
    const used = ["src/analysis", "src/checkpoint"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")).flatMap((name) => {
        // Rules of pairing and formats have ids too, and are no findings.
        const pattern = folder === "src/analysis" ? /(?:\brule: |\bid: |\bfinding\()"([a-z-]+)"/g : /(?:\brule: |\bfinding\()"([a-z-]+)"/g;
        return [...readFileSync(join(root, folder, name), "utf8").matchAll(pattern)].map(([, id]) => id!);
      }),
    );
    const headings = (page: string): string[] => [...readFileSync(join(root, "docs", page), "utf8").matchAll(/^### (\S+)$/gm)].map(([, id]) => id!);
    const documented = headings("health.md");
    assert.deepEqual([...new Set(used)].sort(), [...new Set([...documented, ...headings("comparison.md")])].sort());
    for (const id of documented) assert.notEqual(explainRule(id).meaning, "", id);
  });
});
