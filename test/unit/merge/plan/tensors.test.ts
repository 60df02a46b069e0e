/** Tensors that not every model has, tied ones, packed experts, vocabularies, shapes. Expected: the rules that mergekit 0.1.5 was seen to follow, and where it drops or crashes what the recipe means. */
import assert from "node:assert/strict";
import { LISTS, llama, llamaConfig, merge, named, offsetOf, SmallModels, told, typed } from "./small-models";

const LINEAR = (a: string, b: string, more = ""): string => `models:
  - {model: ${a}, parameters: {weight: 1}}
  - {model: ${b}, parameters: {weight: 1}}
merge_method: linear
${more}`;

describe("plans: tensors that some models lack", () => {
  const models = new SmallModels();
  const O = "model.layers.1.self_attn.o_proj.weight";
  before(() => {
    models
      .add("whole", llama())
      .add("hole", llama({ without: (name) => name === O }))
      .add("headed", llama({ head: true }), llamaConfig(2, { tie_word_embeddings: false }))
      .add("stray", llama({ more: typed("F32", { "model.layers.0.self_attn.rotary_emb.inv_freq": [2] }) }))
      .add("opt-a", typed("BF16", { "model.decoder.embed_tokens.weight": [8, 4], "model.decoder.layers.0.fc1.weight": [4, 4], "model.decoder.layers.0.fc1.bias": [4] }), { architectures: ["OPTForCausalLM"], model_type: "opt", num_hidden_layers: 1 })
      .add("opt-b", typed("BF16", { "model.decoder.embed_tokens.weight": [8, 4], "model.decoder.layers.0.fc1.weight": [4, 4] }), { architectures: ["OPTForCausalLM"], model_type: "opt", num_hidden_layers: 1 });
  });
  after(() => models.remove());

  it("refuses a model without a tensor that its family has, also where no other model has it", async () => {
    const plan = await models.plan(LINEAR("whole", "hole"));
    assert.deepEqual(told(plan.problems), ["error missing-tensor 3"]);
    assert.equal(plan.problems[0]!.tensor, O);
    const alone = await models.plan(`models: [{model: hole, parameters: {weight: 1}}]\nmerge_method: linear\n`);
    assert.deepEqual(told(alone.problems), ["error missing-tensor 1"]);
  });

  it("tells of many missing tensors once", async () => {
    models.add("half", llama({ without: (name) => name.includes("layers.1.") }));
    const plan = await models.plan(LINEAR("whole", "half"));
    assert.deepEqual(told(plan.problems), ["error missing-tensor 3"]);
    assert.match(plan.problems[0]!.message, /and 8 more/);
  });

  it("lets the embedding stand in for a tied head that another model has", async () => {
    const plan = await models.plan(LINEAR("whole", "headed"));
    assert.deepEqual(told(plan.problems), ["warning tied-tensor 2"]);
    const head = await merge(plan, "lm_head.weight");
    const embedding = await merge(plan, "model.embed_tokens.weight");
    assert.equal(offsetOf(head.of[0]!), offsetOf(embedding.of[0]!));
    assert.notEqual(offsetOf(head.of[1]!), offsetOf(embedding.of[1]!));
    // Where no model has it there is none.
    assert.ok((await models.plan(LINEAR("whole", "stray"))).tensors.every(({ name }) => name !== "lm_head.weight"));
  });

  it("merges what a family's list does not have over the models that have it", async () => {
    const plan = await models.plan(LINEAR("whole", "stray"));
    assert.deepEqual(told(plan.problems), ["warning tensor-in-some 2"]);
    assert.equal((await merge(plan, "model.layers.0.self_attn.rotary_emb.inv_freq")).of.length, 1);
    const ties = await models.plan(`models: [{model: stray, parameters: {weight: 1}}]\nmerge_method: ties\nbase_model: whole\n`);
    assert.deepEqual(told(ties.problems), ["warning tensor-in-some 3", "warning tensor-skipped 1"].sort((a, b) => Number(a.at(-1)) - Number(b.at(-1))));
    assert.ok(ties.tensors.every(({ name }) => !name.includes("inv_freq")));
  });

  it("merges families without a list over the models that have a tensor", async () => {
    const BIAS = "model.decoder.layers.0.fc1.bias";
    const plan = await models.plan(LINEAR("opt-a", "opt-b"));
    assert.deepEqual(told(plan.problems), ["warning tensor-in-some 3"]);
    const { of, method } = await merge(plan, BIAS);
    assert.equal(of.length, 1);
    assert.deepEqual(method, { name: "linear", weights: [1], normalize: true });

    const slerp = await models.plan("models: [{model: opt-a}]\nmerge_method: slerp\nbase_model: opt-b\nparameters: {t: 0.5}\n");
    assert.equal(named(slerp, BIAS).policy, "passed-through");
    const ties = await models.plan("models: [{model: opt-a, parameters: {weight: 1}}]\nmerge_method: ties\nbase_model: opt-b\n");
    assert.deepEqual(told(ties.problems).filter((each) => each.startsWith("error")), ["error missing-tensor 1"]);
  });

  it("says which model differs in shape, and by how much", async () => {
    models.add("wide", llama({ hidden: 6 }));
    const plan = await models.plan(LINEAR("whole", "wide"));
    assert.deepEqual(told(plan.problems), ["error shape-mismatch 3"]);
    assert.match(plan.problems[0]!.message, /\[8, 6\] in wide, \[8, 4\] in whole/);
  });

  it("asks for another tokenizer where vocabularies differ, or cuts them on demand", async () => {
    models.add("wordy", llama({ vocabulary: 12 }));
    const plan = await models.plan(LINEAR("wordy", "whole"));
    assert.deepEqual(told(plan.problems), ["error vocabulary-mismatch 3"]);
    const cut = await models.plan(LINEAR("wordy", "whole"), { unsafeTruncateEmbeddings: true });
    assert.deepEqual(told(cut.problems), ["warning truncated-vocabulary 3"]);
    assert.deepEqual(named(cut, "model.embed_tokens.weight").shape, [8, 4]);
    const { of } = await merge(cut, "model.embed_tokens.weight");
    assert.deepEqual(of.map(({ kind }) => kind), ["slice", "range"]);
  });

  it("knows how long the output's vocabulary is, and that rows of different lengths do not go together", async () => {
    const tokenizer = (tokens: string[]): object => ({ version: "1.0", added_tokens: [], model: { type: "BPE", vocab: Object.fromEntries(tokens.map((token, i) => [token, i])), merges: [] } });
    for (const [name, hidden, vocabulary] of [["few", 4, 2], ["many", 4, 3], ["wide-too", 6, 3]] as const) {
      models.add(name, llama({ hidden, vocabulary }));
      models.scratch.write(`${name}/tokenizer.json`, tokenizer(["a", "b", "c"].slice(0, vocabulary)));
      models.scratch.write(`${name}/tokenizer_config.json`, {});
    }
    const plan = await models.plan(LINEAR("few", "many", "tokenizer_source: union\n"));
    assert.deepEqual(told(plan.problems), []);
    assert.deepEqual(named(plan, "model.embed_tokens.weight").shape, [3, 4]);
    assert.equal((JSON.parse(plan.config!) as { vocab_size: number }).vocab_size, 3);
    assert.deepEqual(told((await models.plan(LINEAR("few", "wide-too", "tokenizer_source: union\n"))).problems), ["error shape-mismatch 3"]);
  });

  it("refuses other architectures unless that is waived", async () => {
    models.add("mistral", llama(), llamaConfig(2, { architectures: ["MistralForCausalLM"], model_type: "mistral" }));
    assert.deepEqual(told((await models.plan(LINEAR("whole", "mistral"))).problems), ["error mixed-architectures 3"]);
    const waived = await models.plan(LINEAR("whole", "mistral"), { allowCrimes: true });
    assert.deepEqual(told(waived.problems), ["warning mixed-architectures 3"]);
    assert.equal(waived.tensors.length, 20);
  });
});

describe("plans: names and experts", () => {
  const models = new SmallModels();
  after(() => models.remove());

  it("packs the experts of a mixture, each one's gate before its up projection", async () => {
    const config = { architectures: ["MixtralForCausalLM"], model_type: "mixtral", num_hidden_layers: 1 };
    models.add("a", LISTS.mixtral(2), config).add("b", LISTS.mixtral(2), config);
    const plan = await models.plan(LINEAR("a", "b"));
    assert.deepEqual(told(plan.problems), []);
    const packed = named(plan, "model.layers.0.mlp.experts.gate_up_proj");
    assert.deepEqual(packed.shape, [2, 12, 4]);
    assert.deepEqual(named(plan, "model.layers.0.mlp.experts.down_proj").shape, [2, 4, 6]);
    assert.ok(named(plan, "model.layers.0.mlp.gate.weight"));
    assert.ok(plan.tensors.every(({ name }) => !name.includes("block_sparse_moe")));
    const checkpoint = await models.store.checkpoint(`${models.scratch.folder}/a`);
    const offset = (name: string): number | null => checkpoint.tensors.find((tensor) => tensor.name.endsWith(name))!.offset;
    const expression = await packed.sources[0]!.read();
    assert.ok(expression.kind === "reshape" && expression.of.kind === "concatenate");
    assert.deepEqual(expression.of.of.map(offsetOf), ["0.w1.weight", "0.w3.weight", "1.w1.weight", "1.w3.weight"].map(offset));
  });

  it("reads older names of a family as today's", async () => {
    const config = { architectures: ["GPT2LMHeadModel"], model_type: "gpt2", n_layer: 1 };
    const shapes = { "wte.weight": [8, 4], "wpe.weight": [4, 4], "h.0.ln_1.weight": [4], "ln_f.weight": [4] };
    models.add("old", typed("F32", shapes), config);
    models.add("new", typed("F32", Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`transformer.${name}`, shape]))), config);
    const plan = await models.plan(LINEAR("old", "new"));
    assert.deepEqual(told(plan.problems), []);
    assert.deepEqual(plan.tensors.map(({ name }) => name), ["transformer.h.0.ln_1.weight", "transformer.ln_f.weight", "transformer.wpe.weight", "transformer.wte.weight"]);
  });
});
