/** Models in terms of others, and how several lie to each other: closed forms, dependent and unlike inputs, bad input. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NamedModel } from "../../../src/analysis/alignment";
import { explain } from "../../../src/analysis/explain";
import { shortNames } from "../../../src/analysis/explain-sentence";
import { leastSquares } from "../../../src/analysis/least-squares";
import { relations } from "../../../src/analysis/relations";
import type { Engine } from "../../../src/analysis/engine";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint";
import { checkpointOf, randomTensor, tensorOf, type Tensors } from "../../adapters";
import { EvaluatedEngine } from "../../evaluated-engine";
import type { Values } from "../../expressions";
import { MemoryFiles } from "../../malformed/memory-files";
import { lowRank, normal, plus } from "../../planted";
import { CountedEngine } from "./engine";

const sources = new MemoryFiles(new Map());

function model(name: string, tensors: Tensors): NamedModel {
  return { name, checkpoint: { ...checkpointOf(tensors), path: `/${name}/model.safetensors`, files: [{ path: `/${name}/model.safetensors`, bytes: 0 }] } };
}

const W = "layers.0.mlp.up_proj.weight", V = "layers.1.mlp.up_proj.weight";
const base = { [W]: normal([6, 5], 1), [V]: normal([4, 7], 2) };
const tuned = (seed: number): Tensors => Object.fromEntries(Object.entries(base).map(([name, of], i) => [name, plus(of, ((change: Values) => (k: number) => change.data[k]!)(normal(of.shape, seed + i, 0.01)))]));
/** Σ coefficients·models + (1 − Σ)·base, in f64. */
const mixed = (models: Tensors[], coefficients: number[]): Tensors => Object.fromEntries(Object.entries(base).map(([name, of]) => [name, tensorOf(of.shape, (i) => models.reduce((sum, each, k) => sum + coefficients[k]! * (each[name]!.data[i]! - of.data[i]!), of.data[i]!))]));

function near(found: number, wanted: number, tolerance = 1e-9): void {
  assert.ok(Math.abs(found - wanted) <= tolerance, `${found}, not ${wanted}`);
}

function explainsThem(engine: () => Engine): void {
  it("a model by itself and others: the first unit vector", async () => {
    const models = [10, 20, 30].map((seed, i) => model(`m${i}`, tuned(seed)));
    const found = await explain({ target: model("t", tuned(10)), models, base: model("base", base), sources, engine: engine() });
    assert.deepEqual(Object.values(found.coefficients).map((x) => Math.round(x * 1e9) / 1e9 + 0), [1, 0, 0]);
    near(found.residual, 0);
    for (const { coefficients } of found.perTensor) near(coefficients.m0!, 1);
    assert.match(found.sentence, /^t ≈ base \+ 1\.00·\(m0 − base\), residual \S+ % of the change\.$/);
  });

  it("task arithmetic", async () => {
    const [x, y] = [tuned(10), tuned(20)];
    const found = await explain({ target: model("t", mixed([x, y], [0.3, -0.8])), models: [model("x", x), model("y", y)], base: model("base", base), sources, engine: engine() });
    near(found.coefficients.x!, 0.3);
    near(found.coefficients.y!, -0.8);
    assert.match(found.sentence, /^t ≈ base \+ 0\.30·\(x − base\) − 0\.80·\(y − base\), residual /);
  });

  it("of inputs that depend on each other the smallest coefficients, and says so", async () => {
    const x = tuned(10);
    const found = await explain({ target: model("t", x), models: [model("x", x), model("copy", x)], base: model("base", base), sources, engine: engine() });
    near(found.coefficients.x!, 0.5);
    near(found.coefficients.copy!, 0.5);
    assert.deepEqual(found.findings.map(({ rule, message }) => [rule, /x, copy/.test(message)]), [["undetermined", true]]);
  });

  it("what the others do not explain", async () => {
    const found = await explain({ target: model("t", tuned(40)), models: [model("x", tuned(10))], base: model("base", base), sources, engine: engine() });
    assert.ok(found.residual > 0.9 && found.residual <= 1);
    assert.match(found.sentence, /^t is not a combination of it: the closest, base [+−] /);
  });

  it("a change of low rank, and none", async () => {
    const big = { [W]: normal([24, 20], 3) };
    const update = lowRank([24, 20], 2, 4, 0.01);
    const target = model("t", { [W]: plus(big[W], (i) => update.data[i]!) });
    const found = await explain({ target, models: [], base: model("base", big), sources, engine: engine() });
    assert.equal(found.sentence, "t = base + an update of rank 2.");
    assert.deepEqual(found.findings.map(({ rule }) => rule), ["low-rank"]);
    const none = await explain({ target: model("t", big), models: [], base: model("base", big), sources, engine: engine() });
    assert.deepEqual([none.sentence, none.residual], ["t is base: no tensor that both have differs.", 0]);
  });

  it("lists what is left out, with the reason", async () => {
    const integers = (of: NamedModel): NamedModel => ({ ...of, checkpoint: { ...of.checkpoint, tensors: of.checkpoint.tensors.map((tensor) => (tensor.name === "ids" ? { ...tensor, dtype: "I64" } : tensor)) } satisfies Checkpoint });
    const extra = { ids: tensorOf([3], (i) => i), only: tensorOf([2], () => 1), empty: tensorOf([0, 4], () => 0), shaped: tensorOf([2, 3], () => 1) };
    const found = await explain({ target: integers(model("t", { ...tuned(10), ...extra })), models: [integers(model("x", { ...tuned(10), ids: extra.ids, other: extra.only, empty: extra.empty, shaped: tensorOf([3, 2], () => 1) }))], sources, engine: engine() });
    assert.deepEqual(found.findings.map(({ tensor, message }) => `${tensor}: ${message}`).sort(), [
      "empty: Not analysed: it has no elements.",
      "ids: Not analysed: its elements are of the type I64, not of floating point.",
      "only: Left out: x has no tensor that belongs to it.",
      "other: Left out: only in x.",
      "shaped: Left out: its shape is [2, 3], in x it is [3, 2].",
    ]);
    assert.equal(found.perTensor.length, 2);
  });

  it("refuses what cannot be asked", async () => {
    const t = model("t", tuned(10));
    await assert.rejects(explain({ target: t, models: [], sources, engine: engine() }), /nothing to explain it with/);
    await assert.rejects(explain({ target: t, models: [model("x", tuned(1)), model("x", tuned(2))], sources, engine: engine() }), /named twice/);
    await assert.rejects(explain({ target: t, models: [model("x", { unlike: tensorOf([3], () => 1) })], sources, engine: engine() }), /no tensor of it belongs to one of x each/);
    await assert.rejects(relations({ base: t, models: [], sources, engine: engine() }), /no model to relate/);
  });

  it("relations of vectors that can be counted by hand", async () => {
    const vector = (...values: number[]): Tensors => ({ [W]: tensorOf([1, values.length], (i) => values[i]!) });
    const found = await relations({ base: model("base", vector(1, 1, 1, 1, 1)), models: [model("x", vector(2, 0, 1, 1, 4)), model("y", vector(2, 2, 2, 1, 1)), model("z", vector(1, 1, 1, 1, 1))], sources, engine: engine() });
    // τ: (1, −1, 0, 0, 3), (1, 1, 1, 0, 0), 0.
    assert.deepEqual(found.norms, [Math.sqrt(11), Math.sqrt(3), 0]);
    near(found.relative[0]!, Math.sqrt(11 / 5));
    assert.deepEqual(found.changed, [3 / 5, 3 / 5, 0]);
    assert.deepEqual([found.cosine[0]![1], found.cosine[0]![2], found.cosine[1]![1]], [0, null, 1]);
    assert.deepEqual([found.conflicts[0]![1], found.overlap[0]![1], found.signConflict], [1 / 2, 2 / 4, 1 / 2]);
    assert.deepEqual([found.tensors[0]!.kind, found.tensors[0]!.layer, found.tensors[0]!.signConflict], ["up", 0, 0.5]);
    assert.equal(found.sentence, "z does not differ from the base; the task vectors are nearly orthogonal (|cosine| up to 0.00); signs conflict in 50.0 % of the elements that two or more changed.");
  });

  it("each in terms of the others", async () => {
    const [x, y] = [tuned(10), tuned(20)];
    const found = await relations({ base: model("base", base), models: [model("x", x), model("y", y), model("sum", mixed([x, y], [1, 1]))], sources, engine: engine() });
    const sum = found.explained.find(({ model: name }) => name === "sum")!;
    near(sum.coefficients.x!, 1, 1e-6);
    near(sum.residual, 0, 1e-7);
    assert.match(found.sentence, /the change of \S+ is .+ \(residual \S+ %\)\.$/);
  });
}

describe("explain and relations", () => {
  describe("by the independent evaluator", () => explainsThem(() => new EvaluatedEngine()));

  describe("by the engine", () => {
    const engine = new CountedEngine();
    after(() => engine.dispose());
    explainsThem(() => engine);
  });

  it("least squares leaves nothing along any column", () => fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 6, max: 9 }), fc.nat(1000), fc.boolean(), (columns, rows, seed, dependent) => {
    const x = Array.from({ length: columns }, (_, j) => [...randomTensor([rows], seed + j).data]);
    if (dependent && columns > 1) x[columns - 1] = x[0]!.map((value) => 2 * value);
    const t = [...randomTensor([rows], seed + 99).data];
    const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const { coefficients, undetermined } = leastSquares(x.map((a) => x.map((b) => dot(a, b))), x.map((a) => dot(a, t)));
    const rest = t.map((value, i) => value - coefficients.reduce((sum, c, j) => sum + c * x[j]![i]!, 0));
    for (const column of x) assert.ok(Math.abs(dot(column, rest)) < 1e-7);
    if (dependent && columns > 1) {
      assert.deepEqual([undetermined[0], undetermined.at(-1)], [0, columns - 1]);
      // The smallest of those that fit lies along (1, 2).
      near(coefficients[columns - 1]!, 2 * coefficients[0]!, 1e-6);
    }
  }), { numRuns: 60 }));

  it("names are as short as they can be told apart", () => {
    assert.deepEqual([...shortNames(["/m/a/tuned", "/m/b/tuned/", "/m/base"]).values()], ["a/tuned", "b/tuned", "base"]);
  });
});
