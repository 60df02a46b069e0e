/** Types of merged tensors, copies, seeds. Expected: torch's promotion, and mergekit's rules for what has no fractions. */
import assert from "node:assert/strict";
import type { EngineMethod } from "../../../../src/engine/protocol";
import type { Engine } from "../../../../src/analysis/engine";
import { CheckpointError } from "../../../../src/checkpoint/checkpoint";
import { promoted } from "../../../../src/merge/plan/dtypes";
import { maskSeed } from "../../../../src/merge/plan/seeds";
import { llama, llamaConfig, merge, named, SmallModels, told, typed } from "./small-models";

const NAME = "model.layers.0.mlp.up_proj.weight";

/** Answers one method, counts how often. */
function engineOf(answers: Partial<Record<EngineMethod, (params: unknown) => unknown>>): Engine & { asked: Record<string, number> } {
  const asked: Record<string, number> = {};
  return {
    asked,
    request: (method, params) => {
      asked[method] = (asked[method] ?? 0) + 1;
      return Promise.resolve(answers[method]!(params) as never);
    },
  };
}

describe("plans: types", () => {
  const models = new SmallModels();
  before(() => {
    models.add("bf16", llama()).add("bf16-too", llama()).add("f32-too", llama({ dtype: "F32" })).add("f16", llama({ dtype: "F16" })).add("f32", llama({ dtype: "F32" })).add("f64", llama({ dtype: "F64" }));
    const masked = typed("BOOL", { "model.mask": [4] });
    models.add("mask-a", { ...llama(), ...masked }).add("mask-b", { ...llama(), ...masked });
    models.add("f8", llama({ dtype: "F8_E4M3" }));
  });
  after(() => models.remove());

  it("promotes as torch does", () => {
    assert.equal(promoted(["BF16", "BF16"]), "BF16");
    assert.equal(promoted(["BF16", "F16"]), "F32");
    assert.equal(promoted(["F16", "F32"]), "F32");
    assert.equal(promoted(["F32", "F64"]), "F64");
    assert.equal(promoted(["I64", "F16"]), "F16");
    assert.equal(promoted(["F8_E4M3"]), "F32");
  });

  const linear = (a: string, b: string, more = ""): string => `models: [{model: ${a}, parameters: {weight: 1}}, {model: ${b}, parameters: {weight: 1}}]\nmerge_method: linear\n${more}`;

  it("computes in dtype and writes out_dtype, else dtype, else what the inputs promote to", async () => {
    const types = async (text: string): Promise<[string, string]> => {
      const plan = await models.plan(text);
      return [(await merge(plan, NAME)).dtype, named(plan, NAME).dtype];
    };
    assert.deepEqual(await types(linear("bf16", "bf16-too")), ["BF16", "BF16"]);
    assert.deepEqual(await types(linear("bf16", "f16")), ["F32", "F32"]);
    assert.deepEqual(await types(linear("f32", "f64")), ["F64", "F64"]);
    assert.deepEqual(await types(linear("f32", "f32-too", "dtype: float16\n")), ["F16", "F16"]);
    assert.deepEqual(await types(linear("bf16", "f32", "dtype: float32\nout_dtype: bfloat16\n")), ["F32", "BF16"]);
    assert.deepEqual(await types(linear("bf16", "f16", "out_dtype: float16\n")), ["F32", "F16"]);
    const plan = await models.plan(linear("f32", "f32-too", "dtype: float16\n"));
    assert.equal(named(plan, NAME).bytes, 2 * 6 * 4);
  });

  it("warns of a promotion that nobody asked for", async () => {
    assert.deepEqual(told((await models.plan(linear("bf16", "f16"))).problems), ["warning dtype-promotion 2"]);
    assert.deepEqual(told((await models.plan(linear("bf16", "f16", "dtype: float32\n"))).problems), []);
  });

  it("refuses to compute in integers", async () => {
    assert.deepEqual(told((await models.plan(linear("f32", "f32-too", "dtype: int64\n"))).problems), ["error dtype-integer 3"]);
  });

  it("passes a model through bit by bit without dtype, else rounds it in the order asked for", async () => {
    const read = async (model: string, more: string): Promise<[string, string]> => {
      const tensor = named(await models.plan(`models: [{model: ${model}}]\nmerge_method: passthrough\n${more}`), NAME);
      const expression = await tensor.read();
      return [expression.kind === "cast" ? `cast ${expression.dtype}` : expression.kind, tensor.dtype];
    };
    assert.deepEqual(await read("f8", ""), ["range", "F8_E4M3"]);
    assert.deepEqual(await read("f32", "dtype: bfloat16\n"), ["range", "BF16"]);
    assert.deepEqual(await read("f32", "dtype: bfloat16\nout_dtype: float32\n"), ["cast BF16", "F32"]);
    assert.deepEqual(await read("f32", "out_dtype: float16\n"), ["range", "F16"]);
  });

  it("copies truth values that are equal in all models, and refuses others when they are read", async () => {
    const hashes = ["x", "x"];
    let next = 0;
    const engine = engineOf({ hash: () => ({ hash: hashes[next++ % 2] }) });
    const plan = await models.plan(linear("mask-a", "mask-b"), { engine });
    assert.deepEqual(told(plan.problems), []);
    const mask = named(plan, "model.mask");
    assert.deepEqual([mask.policy, mask.dtype], ["copied", "BOOL"]);
    assert.equal((await mask.read()).kind, "range");
    hashes[1] = "y";
    await assert.rejects(mask.read(), (error: unknown) => error instanceof CheckpointError && /mask-a and mask-b/.test(error.message));
  });

  it("merges them as numbers where dtype asks for it, and says so", async () => {
    const plan = await models.plan(linear("mask-a", "mask-b", "dtype: bfloat16\n"));
    assert.deepEqual(told(plan.problems), ["warning cast-buffers 3"]);
    assert.deepEqual([named(plan, "model.mask").policy, named(plan, "model.mask").dtype], ["merged", "BF16"]);
  });

  it("merges codes with scales beside them as the values that they stand for", async () => {
    const scaled = llama({ dtype: "F8_E4M3", more: Object.fromEntries(["q", "k", "v", "o"].flatMap((name) => [0, 1].map((i) => [`model.layers.${i}.self_attn.${name}_proj.weight_scale`, { dtype: "F32", shape: [1] }]))) });
    models.add("scaled", scaled);
    const plan = await models.plan(`models: [{model: scaled, parameters: {weight: 1}}]\nmerge_method: linear\ndtype: bfloat16\n`);
    assert.ok(plan.tensors.every(({ name }) => !name.endsWith("weight_scale")));
    assert.equal((await merge(plan, "model.layers.0.self_attn.q_proj.weight")).of[0]!.kind, "compute");
    models.add("gptq", llama({ more: typed("I32", { "model.layers.0.mlp.up_proj.qweight": [2, 4] }) }));
    assert.deepEqual(told((await models.plan(linear("gptq", "bf16"))).problems), ["error quantised-model 1"]);
  });
});

describe("plans: random masks", () => {
  const models = new SmallModels();
  before(() => void models.add("base", llama()).add("a", llama()).add("b", llama()));
  after(() => models.remove());
  const text = (seed: string): string => `models: [{model: a, parameters: {weight: 1, density: 0.5}}, {model: b, parameters: {weight: 1, density: 0.5}}]\nmerge_method: dare_ties\nbase_model: base\n${seed}`;
  const seeds = async (recipe: string, name: string, seed?: number): Promise<string[]> => {
    const { method } = await merge(await models.plan(recipe, seed === undefined ? {} : { seed }), name);
    return method.name === "taskVectors" && method.sparsify?.kind === "random" ? method.sparsify.seeds : [];
  };

  it("are seeded by the recipe's seed, the tensor and the model", async () => {
    const own = await seeds(text("seed: 7\n"), NAME);
    assert.equal(new Set([...own, ...(await seeds(text("seed: 7\n"), "model.norm.weight")), ...(await seeds(text("seed: 8\n"), NAME))]).size, 6);
    assert.deepEqual(await seeds(text("seed: 7\n"), NAME), own);
    // The command line's wins.
    assert.deepEqual(await seeds(text("seed: 8\n"), NAME, 7), own);
    for (const seed of own) assert.ok(BigInt(seed) < 1n << 64n);
  });

  it("do not run names into each other", () => assert.notEqual(maskSeed(1, "ab", "c"), maskSeed(1, "a", "bc")));
});

describe("plans: trims over whole models", () => {
  const models = new SmallModels();
  before(() => void models.add("base", llama()).add("a", llama()).add("b", llama()));
  after(() => models.remove());

  it("ask for the cut of each model and density once, over all of its tensors", async () => {
    const requests: { tensors: unknown[]; density: number }[] = [];
    const engine = engineOf({ cut: (params) => (requests.push(params as { tensors: unknown[]; density: number }), { cut: 0.25 }) });
    const plan = await models.plan(
      `models:
  - {model: a, parameters: {weight: 1, density: 0.2}}
  - {model: b, parameters: {weight: 1, density: 0.4}}
merge_method: ties
base_model: base
profile: paper
`,
      { engine },
    );
    for (const tensor of plan.tensors) await tensor.read();
    assert.deepEqual(requests.map(({ density, tensors }) => [density, tensors.length]), [[0.2, 20], [0.4, 20]]);
    const { method, profile } = await merge(plan, NAME);
    assert.equal(profile, "paper");
    assert.deepEqual(method.name === "taskVectors" && method.sparsify?.kind === "magnitude" && method.sparsify.cuts, [0.25, 0.25]);
    assert.equal(engine.asked.cut, 2);
  });

  it("are not made in mergekit's profile", async () => {
    const plan = await models.plan(`models: [{model: a, parameters: {weight: 1, density: 0.2}}]\nmerge_method: ties\nbase_model: base\n`);
    const { method } = await merge(plan, NAME);
    assert.ok(method.name === "taskVectors" && method.sparsify?.kind === "magnitude" && method.sparsify.cuts === undefined);
  });
});

describe("plans: statistics", () => {
  const models = new SmallModels();
  before(() => {
    models.add("a", llama()).add("b", llama());
    models.add("fisher", llama({ dtype: "F32" }), null).add("fisher-short", llama({ dtype: "F32", without: (name) => name === NAME }), null);
    models.add("gram", typed("F32", { [NAME]: [4, 4], "model.layers.0.mlp.down_proj": [6, 6] }), null);
    models.add("gram-odd", typed("F32", { [NAME]: [6, 6] }), null);
  });
  after(() => models.remove());
  const text = (method: string, first: string, second: string): string => `models:
  - {model: a, statistics: ${first}}
  - {model: b, statistics: ${second}}
merge_method: ${method}
dtype: float32
`;

  it("weigh each element by its Fisher information", async () => {
    const plan = await models.plan(text("fisher", "fisher", "fisher"));
    assert.deepEqual(told(plan.problems), []);
    const { of, method } = await merge(plan, NAME);
    assert.equal(of.length, 4);
    assert.deepEqual(method, { name: "fisher", coefficients: [1, 1], floor: 1e-6 });
    assert.deepEqual(told((await models.plan(text("fisher", "fisher", "fisher-short"))).problems), ["error missing-statistics 3"]);
  });

  it("solve linear layers that have Gram matrices and average the others", async () => {
    const plan = await models.plan(text("regmean", "gram", "gram"));
    assert.deepEqual(told(plan.problems), []);
    const solved = await named(plan, NAME).read();
    assert.ok(solved.kind === "cast" && solved.of.kind === "compute" && solved.of.operation.name === "product");
    assert.equal((await named(plan, "model.layers.0.mlp.down_proj.weight").read()).kind, "cast");
    assert.deepEqual((await merge(plan, "model.norm.weight")).method, { name: "linear", weights: [1, 1], normalize: true });
    assert.deepEqual(told((await models.plan(text("regmean", "gram", "gram-odd"))).problems), ["error statistics-shape 3"]);
  });
});

describe("plans: configuration", () => {
  const models = new SmallModels();
  after(() => models.remove());

  it("is the base's, else the first model's, with the type that is written", async () => {
    models.add("a", llama(), llamaConfig(2, { mark: "a" })).add("b", llama(), llamaConfig(2, { mark: "b" })).add("bare", llama(), null);
    const config = async (text: string): Promise<{ mark: string; dtype: string } | null> => {
      const plan = await models.plan(text);
      return plan.config === null ? null : (JSON.parse(plan.config) as { mark: string; dtype: string });
    };
    const both = "models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 1}}]\nmerge_method: linear\n";
    assert.equal((await config(both))!.mark, "a");
    assert.deepEqual([(await config(`${both}base_model: b\ndtype: float32\nout_dtype: float16\n`))!].map(({ mark, dtype }) => [mark, dtype]), [["b", "float16"]]);
    const bare = await models.plan("models: [{model: bare, parameters: {weight: 1}}]\nmerge_method: linear\n");
    assert.deepEqual([told(bare.problems), bare.config], [["warning no-config 1"], null]);
  });
});
