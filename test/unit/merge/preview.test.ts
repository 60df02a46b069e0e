import assert from "node:assert/strict";
import type { Expression } from "../../../src/engine/protocol";
import type { MergePlan, PlannedTensor } from "../../../src/merge/plan/plan";
import { matching, sampleOf } from "../../../src/merge/preview/chosen";
import { measureMerge } from "../../../src/merge/preview/measure";
import { parameterLines } from "../../../src/merge/preview/parameter-lines";
import { provenance, sharesOf } from "../../../src/merge/preview/provenance";
import { mergeSpectra } from "../../../src/merge/preview/spectra";
import { EvaluatedEngine } from "../../evaluated-engine";

const literal = (shape: number[], values: number[]): Expression => ({ kind: "compute", operation: { name: "literal", shape, values }, of: [] });
const near = (actual: number | null | undefined, expected: number, what = ""): void => assert.ok(actual != null && Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), `${what} ${actual} is not ${expected}`);

/** A tensor made of others, in the order of the inputs. */
function planned(name: string, inputs: readonly Expression[], result: Expression, more: Partial<PlannedTensor> = {}): PlannedTensor {
  return {
    name, dtype: "F32", shape: [2, 2], bytes: 16, layer: null, policy: "merged", parameters: {},
    read: () => Promise.resolve(result),
    sources: inputs.map((input, i) => ({ input: i, tensor: name, read: () => Promise.resolve(input) })),
    ...more,
  };
}

const inputs = (...bases: boolean[]): MergePlan["inputs"] => bases.map((base, i) => ({ label: `model ${i}`, path: `/models/${i}`, base }));
const sum = (of: Expression[], coefficients: number[]): Expression => ({ kind: "combination", of, coefficients });

describe("a merge's preview", () => {
  const base = literal([2, 2], [1, 1, 1, 1]);
  // Changes (2, 0, 0, 0) and (−1, 3, 0, 0): they disagree about the one element that both changed.
  const one = literal([2, 2], [3, 1, 1, 1]);
  const two = literal([2, 2], [0, 4, 1, 1]);

  it("measures changes from the base: norms, cosines, signs, what is kept, coefficients", async () => {
    // 0.5·τ₁ + 1·τ₂ = (0, 3, 0, 0).
    const result = sum([base, one, two], [-0.5, 0.5, 1]);
    const preview = await measureMerge({ plan: { inputs: inputs(true, false, false), method: "task_arithmetic" }, tensors: [planned("w", [base, one, two], result)], methods: [], space: "task vector", pattern: null, engine: new EvaluatedEngine() });
    assert.deepEqual(preview.failed, []);
    const [tensor] = preview.tensors;
    assert.deepEqual(tensor?.inputs, [1, 2]);
    near(tensor.baseNorm, 2);
    near(tensor.norms[0], 2);
    near(tensor.norms[1], Math.sqrt(10));
    near(tensor.signConflict, 1);
    near(tensor.cosines[0]?.[1], -2 / (2 * Math.sqrt(10)));
    const [own] = tensor.results;
    near(own?.norm, 3);
    near(own?.cosine[0], 0);
    near(own?.cosine[1], 3 / Math.sqrt(10));
    // Of the first model's one changed element nothing is left, of the second's two one.
    near(own?.kept[0], 0);
    near(own?.kept[1], 0.5);
    near(own?.coefficients[0], 0.5);
    near(own?.coefficients[1], 1);
    assert.ok(own!.residual! < 1e-7);
  });

  it("measures weights where there is no base, and methods side by side", async () => {
    const tensor = planned("w", [one, two], sum([one, two], [0.25, 0.75]), { readBy: (method) => Promise.resolve(method === "linear" ? sum([one, two], [1, 0]) : base) });
    const preview = await measureMerge({ plan: { inputs: inputs(false, false), method: "slerp" }, tensors: [tensor], methods: ["linear", "karcher"], space: "weight", pattern: "w", engine: new EvaluatedEngine() });
    assert.deepEqual(preview.methods, ["slerp", "linear", "karcher"]);
    const [{ results: [own, linear, karcher], baseNorm } = { results: [], baseNorm: 0 }] = preview.tensors;
    assert.equal(baseNorm, null);
    near(own?.coefficients[0], 0.25);
    near(own?.coefficients[1], 0.75);
    near(linear?.cosine[0], 1);
    near(linear?.coefficients[0], 1);
    near(linear?.coefficients[1], 0);
    near(karcher?.norm, 2);
    assert.ok(karcher!.residual! > 0.1);
    assert.deepEqual(own?.kept, [null, null]);
  });

  it("lists a tensor that cannot be computed and measures the others", async () => {
    const broken = planned("broken", [one], one, { read: () => Promise.reject(new Error("its file is gone")) });
    const told: string[] = [];
    const preview = await measureMerge({ plan: { inputs: inputs(false), method: "linear" }, tensors: [broken, planned("w", [one], one)], methods: [], space: "weight", pattern: null, engine: new EvaluatedEngine(), onMeasured: (value, name) => told.push(`${name} ${value !== null}`) });
    assert.deepEqual(preview.failed, [{ name: "broken", message: "its file is gone" }]);
    assert.deepEqual(preview.tensors.map(({ name }) => name), ["w"]);
    assert.deepEqual(told.sort(), ["broken false", "w true"]);
  });

  it("says which method cannot be computed for a tensor, and measures the others", async () => {
    const tensor = planned("w", [one, two], one, { readBy: (method) => (method === "nearswap" ? Promise.reject(new Error("it has no base here")) : Promise.resolve(two)) });
    const preview = await measureMerge({ plan: { inputs: inputs(false, false), method: "slerp" }, tensors: [tensor], methods: ["nearswap", "linear"], space: "weight", pattern: null, engine: new EvaluatedEngine() });
    assert.deepEqual(preview.failed, [{ name: "w", message: "nearswap: it has no base here" }]);
    assert.deepEqual(preview.tensors[0]?.results.map((result) => result === null), [false, true, false]);
    near(preview.tensors[0]?.results[2]?.cosine[1], 1);
  });

  it("computes spectra of changes: a sum of rank-one changes has rank two", async () => {
    const tensor = planned("w", [base, one, two], sum([base, one, two], [-1, 1, 1]));
    const plan = { inputs: inputs(true, false, false), method: "ties" };
    const { of, curves } = await mergeSpectra(plan, tensor, [], "changes", new EvaluatedEngine());
    assert.equal(of, "changes");
    assert.deepEqual(curves.map(({ label, method }) => [label, method]), [["ties", "ties"], ["model 1", null], ["model 2", null]]);
    // τ = ((1, 3), (0, 0)).
    near(curves[0]?.spectrum.singularValues[0], Math.sqrt(10));
    near(curves[1]?.spectrum.singularValues[0], 2);
    assert.equal((await mergeSpectra(plan, tensor, [], "weights", new EvaluatedEngine())).curves.length, 4);
  });
});

describe("provenance", () => {
  const share = (more: Partial<PlannedTensor>, ...bases: boolean[]): number[] => sharesOf(planned("w", bases.map(() => literal([1], [0])), literal([1], [0]), more), bases);

  it("follows weights, ways between two models, and copies", () => {
    assert.deepEqual(share({ parameters: { weight: [1, 3] } }, false, false), [0.25, 0.75]);
    assert.deepEqual(share({ parameters: { weight: [null, 1, -1] } }, true, false, false), [0, 0.5, 0.5]);
    assert.deepEqual(share({ parameters: { t: 0.25 } }, true, false), [0.75, 0.25]);
    assert.deepEqual(share({ parameters: { t: 0.25 } }, false, true), [0.25, 0.75]);
    assert.deepEqual(share({ policy: "copied" }, false, false), [1, 0]);
    assert.deepEqual(share({}, true, false, false), [0, 0.5, 0.5]);
  });

  it("weighs the tensors of a layer by their elements and puts what lies outside last", () => {
    const tensors = [
      planned("a", [literal([1], [0])], literal([1], [0]), { shape: [30], layer: 1, policy: "copied" }),
      planned("b", [literal([1], [0]), literal([1], [0])], literal([1], [0]), { shape: [10], layer: 1, parameters: { weight: [0, 1] } }),
      planned("c", [literal([1], [0])], literal([1], [0]), { layer: null, policy: "copied" }),
      planned("d", [literal([1], [0])], literal([1], [0]), { layer: 0, policy: "copied" }),
    ];
    assert.deepEqual(provenance({ tensors, inputs: inputs(false, false) }), { layers: [0, 1, null], tensors: [1, 2, 1], shares: [[1, 0], [0.75, 0.25], [1, 0]] });
  });
});

describe("parameters over the layers", () => {
  const tensor = (kind: string, layer: number, weight: number[]): PlannedTensor => planned(`model.layers.${layer}.${kind}.weight`, [literal([1], [0]), literal([1], [0])], literal([1], [0]), { layer, parameters: { weight, normalize: true } });

  it("puts kinds of equal values on one line and keeps inputs apart", () => {
    const tensors = [0, 1].flatMap((layer) => [tensor("self_attn.q_proj", layer, [layer, 0.5]), tensor("self_attn.k_proj", layer, [layer, 0.5]), tensor("mlp.up_proj", layer, [1, 0.5])]);
    const [weight, normalize] = parameterLines({ tensors });
    assert.deepEqual(weight, { name: "weight", layers: [0, 1], lines: [{ input: 0, kinds: ["q", "k"], values: [0, 1] }, { input: 0, kinds: ["up"], values: [1, 1] }, { input: 1, kinds: [], values: [0.5, 0.5] }] });
    assert.deepEqual(normalize, { name: "normalize", truth: true, layers: [0, 1], lines: [{ input: null, kinds: [], values: [1, 1] }] });
  });
});

describe("the tensors of a preview", () => {
  const many = Array.from({ length: 9 }, (_, layer) => ["q_proj", "norm"].map((kind) => planned(`model.layers.${layer}.${kind}.weight`, [literal([1], [0])], literal([1], [0]), { layer, shape: kind === "norm" ? [4] : [4, 4] }))).flat();
  const copied = planned("rope.inv_freq", [literal([1], [0])], literal([1], [0]), { policy: "copied" });

  it("are by default the first, the middle and the last of each kind, without what is copied", () => {
    assert.deepEqual(sampleOf([...many, copied]).map(({ name }) => name), [0, 4, 8].flatMap((layer) => [`model.layers.${layer}.q_proj.weight`, `model.layers.${layer}.norm.weight`]));
  });

  it("stay within a budget, of which the first takes what it needs", () => {
    assert.deepEqual(sampleOf(many, 1).map(({ name }) => name), ["model.layers.4.q_proj.weight"]);
    // 4·4·2 for the matrix and 4·2 for the vector.
    assert.deepEqual(sampleOf(many, 40).map(({ name }) => name), ["model.layers.4.q_proj.weight", "model.layers.4.norm.weight"]);
  });

  it("or those that a pattern names", () => {
    assert.equal(matching(many, "*.layers.*.norm.weight").length, 9);
    assert.equal(matching(many, "/layers\\.[12]\\./").length, 4);
    assert.throws(() => matching(many, "/(/"), /regular expression/);
  });
});
