/** Slices and modules: which layer of which model becomes which layer of the output. Expected: worked out by hand from the recipes. */
import assert from "node:assert/strict";
import { LISTS, llama, llamaConfig, merge, named, SmallModels, told } from "./small-models";

describe("plans: layers", () => {
  const models = new SmallModels();
  before(() => {
    models
      .add("a", llama({ layers: 4, head: true }), llamaConfig(4))
      .add("b", llama({ layers: 4, head: true }), llamaConfig(4))
      .add("short", llama({ layers: 2, head: true }), llamaConfig(2));
  });
  after(() => models.remove());

  it("stacks slices of different models", async () => {
    const plan = await models.plan(`slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 4]}]
merge_method: passthrough
dtype: bfloat16
`);
    assert.deepEqual(told(plan.problems), []);
    const from = (name: string): string => named(plan, name).sources.map(({ input, tensor }) => `${plan.inputs[input]!.label} ${tensor}`).join();
    assert.equal(from("model.layers.2.mlp.up_proj.weight"), "a model.layers.2.mlp.up_proj.weight");
    assert.equal(from("model.layers.3.mlp.up_proj.weight"), "b model.layers.1.mlp.up_proj.weight");
    assert.equal(from("model.layers.5.mlp.up_proj.weight"), "b model.layers.3.mlp.up_proj.weight");
    assert.equal(plan.tensors.filter(({ layer }) => layer !== null).length, 6 * 9);
    // What comes before the layers is of the first slice, what comes after of the last.
    assert.equal(from("model.embed_tokens.weight"), "a model.embed_tokens.weight");
    assert.equal(from("model.norm.weight"), "b model.norm.weight");
    assert.equal(from("lm_head.weight"), "b lm_head.weight");
    assert.equal((JSON.parse(plan.config!) as { num_hidden_layers: number }).num_hidden_layers, 6);
  });

  it("runs gradients over each slice, by the place in it", async () => {
    const plan = await models.plan(`slices:
  - sources:
      - {model: a, layer_range: [0, 3], parameters: {weight: [0, 1]}}
      - {model: b, layer_range: [1, 4], parameters: {weight: 1}}
  - sources:
      - {model: a, layer_range: [3, 4], parameters: {weight: [0, 1]}}
      - {model: b, layer_range: [0, 1], parameters: {weight: 1}}
merge_method: linear
dtype: float32
`);
    const weights = async (name: string): Promise<number[]> => {
      const { method } = await merge(plan, name);
      return method.name === "linear" ? method.weights : [];
    };
    assert.deepEqual(await weights("model.layers.0.mlp.up_proj.weight"), [0, 1]);
    assert.deepEqual(await weights("model.layers.1.mlp.up_proj.weight"), [0.5, 1]);
    assert.deepEqual(await weights("model.layers.2.mlp.up_proj.weight"), [1, 1]);
    // One layer: the end of the gradient. Outside of layers: its start.
    assert.deepEqual(await weights("model.layers.3.mlp.up_proj.weight"), [1, 1]);
    assert.deepEqual(await weights("model.embed_tokens.weight"), [0, 1]);
    assert.deepEqual(await weights("model.norm.weight"), [0, 1]);
  });

  it("holds a model's own filters to the names that it has itself", async () => {
    const plan = await models.plan(`slices:
  - sources:
      - {model: a, layer_range: [0, 1], parameters: {weight: 1}}
      - model: b
        layer_range: [3, 4]
        parameters:
          weight:
            - {filter: layers.3., value: 0.25}
            - {value: 0.5}
merge_method: linear
`);
    const { method } = await merge(plan, "model.layers.0.mlp.up_proj.weight");
    assert.deepEqual(method.name === "linear" && method.weights, [1, 0.25]);
  });

  it("says where a range leaves the model", async () => {
    const plan = await models.plan(`slices:
  - sources:
      - {model: a, layer_range: [0, 2]}
  - sources:
      - model: short
        layer_range: [1, 3]
merge_method: passthrough
`);
    assert.deepEqual(told(plan.problems), ["error layer-range-outside 6"]);
    assert.match(plan.problems[0]!.message, /short, which has 2 layers/);
    assert.deepEqual(plan.tensors, []);
  });

  it("refuses models of different depth in the models form", async () => {
    const plan = await models.plan(`models:
  - {model: a, parameters: {weight: 1}}
  - {model: short, parameters: {weight: 1}}
merge_method: linear
`);
    assert.deepEqual(told(plan.problems), ["error slice-lengths 3"]);
  });

  it("says that a filter matches nothing and that a gradient has more points than layers", async () => {
    const plan = await models.plan(`models:
  - model: a
    parameters:
      weight:
        - {filter: mlp.up_prj, value: 2}
        - {filter: "/self_attn/", value: 1}
        - {value: 1}
  - model: b
    parameters:
      weight: [1, 2, 3, 4, 5]
merge_method: linear
`);
    assert.deepEqual(told(plan.problems), ["warning filter-matches-nothing 5", "warning gradient-length 10"]);
    assert.ok(plan.tensors.length > 0);
  });
});

describe("plans: modules", () => {
  const models = new SmallModels();
  const t5 = LISTS.t5(2);
  const config = { architectures: ["T5ForConditionalGeneration"], model_type: "t5", num_layers: 2, num_decoder_layers: 2, vocab_size: 8, tie_word_embeddings: true };
  before(() => void models.add("a", t5, config).add("b", t5, config));
  after(() => models.remove());

  it("merges encoder, decoder and what they share in the models form", async () => {
    const plan = await models.plan(`models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 3}}]
merge_method: linear
`);
    assert.deepEqual(told(plan.problems), []);
    assert.deepEqual(plan.tensors.map(({ name }) => name), Object.keys(t5).sort());
  });

  it("gives each module its own parameters", async () => {
    const plan = await models.plan(`modules:
  encoder:
    models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 3}}]
  decoder:
    models: [{model: a, parameters: {weight: 5}}, {model: b, parameters: {weight: 7}}]
  shared:
    models: [{model: a}, {model: b}]
    parameters: {weight: 2}
merge_method: linear
`);
    assert.deepEqual(told(plan.problems), []);
    assert.deepEqual(named(plan, "encoder.block.1.layer.0.SelfAttention.q.weight").parameters.weight, [1, 3]);
    assert.deepEqual(named(plan, "decoder.block.0.layer.0.SelfAttention.q.weight").parameters.weight, [5, 7]);
    assert.deepEqual(named(plan, "shared.weight").parameters.weight, [2, 2]);
  });

  it("takes a module that is left out from the base and says so, or asks for it", async () => {
    const body = `modules:
  encoder:
    models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 3}}]
  shared:
    models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 3}}]
merge_method: linear
`;
    assert.deepEqual(told((await models.plan(body)).problems), ["error module-left-out 1"]);
    const plan = await models.plan(`${body}base_model: a\n`);
    assert.deepEqual(told(plan.problems), ["warning module-left-out 1"]);
    assert.equal(named(plan, "decoder.final_layer_norm.weight").policy, "passed-through");
    assert.deepEqual(plan.tensors.map(({ name }) => name), Object.keys(t5).sort());
  });

  it("knows the names of modules", async () => {
    const plan = await models.plan(`modules:
  encodre:
    models: [{model: a, parameters: {weight: 1}}]
merge_method: linear
`);
    assert.deepEqual(told(plan.problems), ["error unknown-module 2"]);
    assert.match(plan.problems[0]!.message, /"encoder", "decoder", "shared"/);
  });
});
