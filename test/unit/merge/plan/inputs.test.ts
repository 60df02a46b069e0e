/** Where models are looked up, adapters laid over them, documents that use each other, where the output may go, and that nothing is read twice. */
import assert from "node:assert/strict";
import { renameSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { LocalFiles } from "../../../../src/checkpoint/file-source";
import { ModelStore } from "../../../../src/merge/models/store";
import { LISTS, llama, llamaConfig, merge, named, SmallModels, told, typed } from "./small-models";

const NAME = "model.layers.0.mlp.up_proj.weight";
const one = (model: string): string => `models:\n  - model: ${model}\n    parameters: {weight: 1}\nmerge_method: linear\n`;

describe("plans: models", () => {
  const models = new SmallModels();
  before(() => void models.add("models/one", llama()).add("elsewhere/two", llama()));
  after(() => models.remove());
  const within = (folder: string): string => join(models.scratch.folder, folder);

  it("are looked up in each folder in turn", async () => {
    const folders = [within("models"), within("elsewhere")];
    for (const name of ["one", "two", within("elsewhere/two")]) assert.deepEqual(told((await models.plan(one(name), { folders })).problems), []);
  });

  it("that are missing are told with what comes near, and never fetched", async () => {
    const plan = await models.plan(one("models/onne"));
    assert.deepEqual(told(plan.problems), ["error missing-model 2"]);
    assert.deepEqual(plan.problems[0]!.fixes?.map(({ text }) => text), ["models/one"]);
    assert.match((await models.plan(one("mistralai/Mistral-7B-v0.1"))).problems[0]!.message, /nothing is fetched/);
  });

  it("that cannot be read are told with the reason", async () => {
    models.scratch.write("broken/model.safetensors", "not a model");
    models.scratch.write("empty/config.json", "{}");
    models.add("odd", llama(), null);
    models.scratch.write("odd/config.json", "[1");
    assert.deepEqual(told((await models.plan(one("broken"))).problems), ["error unreadable-model 2"]);
    assert.deepEqual(told((await models.plan(one("empty"))).problems), ["error unreadable-model 2"]);
    assert.deepEqual(told((await models.plan(one("odd"))).problems), ["error unreadable-model 2"]);
  });

  it("may not leave an untrusted workspace, not through a link either", async () => {
    const confinedTo = [within("models")];
    symlinkSync(within("elsewhere/two"), within("models/link"));
    assert.deepEqual(told((await models.plan(one("models/one"), { confinedTo })).problems), []);
    for (const name of ["elsewhere/two", "models/link", within("elsewhere/two"), "models/../elsewhere/two"]) {
      assert.deepEqual(told((await models.plan(one(name), { confinedTo })).problems), ["error outside-workspace 2"], name);
    }
    // Whether something lies outside is not told.
    assert.equal((await models.plan(one("elsewhere/tow"), { confinedTo })).problems[0]!.fixes, undefined);
  });

  it("named in two ways are told", async () => {
    const plan = await models.plan(`models: [{model: models/one, parameters: {weight: 1}}, {model: ./models/one, parameters: {weight: 1}}]\nmerge_method: linear\n`);
    assert.deepEqual(told(plan.problems), ["warning same-model 1"]);
  });

  it("that lack a shard are not whole", async () => {
    models.scratch.write("sharded/model.safetensors.index.json", { metadata: {}, weight_map: { [NAME]: "model-00001-of-00001.safetensors" } });
    assert.deepEqual(told((await models.plan(one("sharded"))).problems), ["error missing-shard 2"]);
  });

  it("are read once while they stay as they are", async () => {
    const opened: LocalFiles[] = [];
    const store = new ModelStore(() => {
      const sources = new LocalFiles();
      opened.push(sources);
      return sources;
    });
    const read = (): number => opened.reduce((sum, { counts }) => sum + counts.bytes, 0);
    await models.plan(one("models/one"), { models: store });
    const first = read();
    assert.ok(first > 0);
    await models.plan(one("models/one"), { models: store });
    assert.equal(read(), first);
    models.add("models/one", llama({ layers: 3 }), llamaConfig(3));
    const plan = await models.plan(one("models/one"), { models: store });
    assert.ok(read() > first);
    assert.equal(plan.tensors.length, 29);
    // Also when only the time of the configuration changes.
    const before = read();
    utimesSync(join(within("models/one"), "config.json"), new Date(), new Date(0));
    await models.plan(one("models/one"), { models: store });
    assert.ok(read() > before);
  });

  it("are never read beyond their headers", async () => {
    models.add("long", llama({ hidden: 64 }));
    const opened = new LocalFiles();
    await models.plan(one("long"), { models: new ModelStore(() => opened) });
    const checkpoint = await models.store.checkpoint(within("long"));
    assert.ok(opened.counts.bytes < checkpoint.files[0]!.bytes, "tensor data were read");
  });
});

describe("plans: adapters", () => {
  const models = new SmallModels();
  const factors = (module: string, out: number, into: number, rank = 2): ReturnType<typeof typed> => typed("F32", { [`base_model.model.${module}.lora_A.weight`]: [rank, into], [`base_model.model.${module}.lora_B.weight`]: [out, rank] });
  const saved = (name: string, tensors: ReturnType<typeof typed>): void => {
    models.add(name, tensors, null);
    renameSync(join(models.scratch.folder, name, "model.safetensors"), join(models.scratch.folder, name, "adapter_model.safetensors"));
    models.scratch.write(`${name}/adapter_config.json`, { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["up_proj"] });
  };
  before(() => void models.add("base", llama()));
  after(() => models.remove());

  it("are added to what they change, rounded to the base's type once", async () => {
    saved("lora", factors("model.layers.0.mlp.up_proj", 6, 4));
    const plan = await models.plan(one("base+lora"));
    assert.deepEqual(told(plan.problems), []);
    const changed = (await merge(plan, NAME)).of[0]!;
    assert.ok(changed.kind === "cast" && changed.dtype === "BF16" && changed.of.kind === "combination");
    assert.equal((await merge(plan, "model.norm.weight")).of[0]!.kind, "range");
    assert.deepEqual(plan.inputs.map(({ label }) => label), ["base+lora"]);
    assert.ok(plan.files.some(({ path }) => path.endsWith("adapter_config.json")));
  });

  it("change experts before they are packed", async () => {
    models.add("moe", LISTS.mixtral(2), { architectures: ["MixtralForCausalLM"], model_type: "mixtral", num_hidden_layers: 1 });
    saved("lora-moe", factors("model.layers.0.block_sparse_moe.experts.1.w2", 4, 6));
    const plan = await models.plan(one("moe+lora-moe"));
    assert.deepEqual(told(plan.problems), []);
    const packed = (await merge(plan, "model.layers.0.mlp.experts.down_proj")).of[0]!;
    assert.ok(packed.kind === "reshape" && packed.of.kind === "concatenate");
    assert.deepEqual(packed.of.of.map(({ kind }) => kind), ["range", "cast"]);
  });

  it("of another model are refused, partly fitting ones told", async () => {
    saved("lora-other", factors("model.layers.9.mlp.up_proj", 6, 4));
    assert.deepEqual(told((await models.plan(one("base+lora-other"))).problems), ["error unreadable-model 2"]);
    saved("lora-wide", factors("model.layers.0.mlp.up_proj", 5, 4));
    assert.deepEqual(told((await models.plan(one("base+lora-wide"))).problems), ["error unreadable-model 2"]);
    saved("lora-partly", { ...factors("model.layers.0.mlp.up_proj", 6, 4), ...factors("model.layers.9.mlp.up_proj", 6, 4) });
    assert.deepEqual(told((await models.plan(one("base+lora-partly"))).problems), ["warning model-note 2"]);
    assert.deepEqual(told((await models.plan(one("base+nowhere"))).problems), ["error missing-model 2"]);
    assert.deepEqual(told((await models.plan(one("base+base"))).problems), ["error unreadable-model 2"]);
  });
});

describe("plans: several documents", () => {
  const models = new SmallModels();
  before(() => void models.add("a", llama({ dtype: "F32" })).add("b", llama({ dtype: "F32" })));
  after(() => models.remove());

  it("take an earlier one's result as a model, rounded to the type that it would be written in", async () => {
    const plans = await models.plans(`models: [{model: half}]
merge_method: slerp
base_model: b
parameters: {t: 0.5}
dtype: float32
---
name: half
models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 1}}]
merge_method: linear
out_dtype: bfloat16
`);
    assert.deepEqual(plans.map(({ document }) => document.name?.value ?? null), [null, "half"]);
    assert.deepEqual(plans.flatMap(({ problems }) => told(problems)), []);
    const [outer] = plans;
    const inner = (await merge(outer!, NAME)).of[0]!;
    assert.ok(inner.kind === "cast" && inner.dtype === "BF16" && inner.of.kind === "merge");
    assert.equal(inner.of.of.length, 2);
    // Only what lies on disk is read, and must not change.
    assert.equal(outer!.files.length, 2);
    assert.deepEqual(outer!.inputs.map(({ label, base }) => [label, base]), [["half", false], ["b", true]]);
    assert.equal((JSON.parse(outer!.config!) as { dtype: string }).dtype, "float32");
  });

  it("do not go on from one that cannot be planned", async () => {
    const plans = await models.plans(`name: half
models: [{model: nowhere, parameters: {weight: 1}}]
merge_method: linear
---
models: [{model: half, parameters: {weight: 1}}]
merge_method: linear
`);
    assert.deepEqual(plans.map(({ problems }) => told(problems)), [["error missing-model 2"], ["error document-faulty 5"]]);
  });

  it("that need each other end, with a problem", async () => {
    const plans = await models.plans(`name: one
models: [{model: two, parameters: {weight: 1}}]
merge_method: linear
---
name: two
models: [{model: one, parameters: {weight: 1}}]
merge_method: linear
`);
    assert.ok(plans.every(({ problems, tensors }) => problems.some(({ severity }) => severity === "error") && tensors.length === 0));
  });
});

describe("plans: the output folder", () => {
  const models = new SmallModels();
  before(() => void models.add("a", llama()));
  after(() => models.remove());

  it("is never an input, nor holds one, by whatever name", async () => {
    const folder = join(models.scratch.folder, "a");
    symlinkSync(folder, join(models.scratch.folder, "alias"));
    for (const output of [folder, `${folder}/`, join(models.scratch.folder, "alias"), models.scratch.folder]) {
      assert.deepEqual(told((await models.plan(one("a"), { output })).problems), ["error output-is-input 2"], output);
    }
    assert.deepEqual(told((await models.plan(one("a"), { output: join(models.scratch.folder, "out") })).problems), []);
    assert.deepEqual(told((await models.plan(one("a"), { output: join(folder, "merged") })).problems), []);
  });

  it("is estimated to the byte", async () => {
    const plan = await models.plan(one("a") + "dtype: float32\n");
    const bytes = plan.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    assert.equal(plan.estimate!.outputBytes, bytes);
    assert.equal(plan.estimate!.inputBytes * 2, bytes);
    assert.equal(named(plan, NAME).bytes, 4 * 6 * 4);
  });
});
