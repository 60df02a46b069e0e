/** What llama.cpp's converters do to the values of each family, undone by the pairing: made here by the same formulas, written out. */
import assert from "node:assert/strict";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint";
import { pairTensors, type PairingOptions } from "../../../src/checkpoint/pairing/pairing";
import { settledAlternatives } from "../../../src/checkpoint/pairing/settle";
import { checkpointOf, randomTensor, type Tensors } from "../../adapters";
import type { Values } from "../../expressions";
import { assertEqualValues, described, probe, rowsAt, stacked, transposed, type Paired } from "../../pairs";

const HIDDEN = 8;
let seed = 1;
const matrix = (rows: number, columns = HIDDEN): Values => randomTensor([rows, columns], seed++);
const vector = (length = HIDDEN): Values => randomTensor([length], seed++);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function gguf(architecture: string, tensors: Tensors, more: Record<string, unknown> = {}): Checkpoint {
  return { ...checkpointOf(tensors), path: "/model.gguf", format: "gguf", metadata: { "general.architecture": architecture, ...Object.fromEntries(Object.entries(more).map(([key, value]) => [`${architecture}.${key}`, value])) } };
}

/** Paired, then again as values tell. */
async function pair(a: Checkpoint, b: Checkpoint, options: PairingOptions = {}): Promise<Paired> {
  const facts = (of: Checkpoint): Record<string, unknown> => {
    const architecture = of.metadata["general.architecture"];
    return typeof architecture !== "string" ? {} : { architecture, heads: of.metadata[`${architecture}.attention.head_count`], keyValueHeads: of.metadata[`${architecture}.attention.head_count_kv`] };
  };
  const all = { ...options, facts: { a: facts(a), b: facts(b) } };
  const first = pairTensors(a, b, all);
  return { a, b, pairing: pairTensors(a, b, { ...all, preferred: await settledAlternatives(first, a, b, probe) }) };
}

function assertWhole(found: Paired, pairs: number): void {
  const { onlyInA, onlyInB, reshaped } = found.pairing;
  assert.deepEqual([onlyInA.map((i) => found.a.tensors[i]!.name), onlyInB.map((i) => found.b.tensors[i]!.name), reshaped], [[], [], []]);
  assert.equal(found.pairing.pairs.length, pairs);
  assertEqualValues(found);
}

/** llama.cpp's `permute`: of each head, row i and row i + half become neighbours. */
function permuted(of: Values, heads: number): Values {
  const size = of.shape[0]! / heads;
  return rowsAt(of, range(heads).flatMap((head) => range(size / 2).flatMap((i) => [head * size + i, head * size + size / 2 + i])));
}

const heads = (query: number, keys: number): Record<string, number> => ({ "attention.head_count": query, "attention.head_count_kv": keys });

describe("pairing with GGUF", () => {
  it("undoes the order of rows of q and k, biases included, by heads of queries and of keys", async () => {
    const [q, k, v, o] = [matrix(16), matrix(8), matrix(8), matrix(HIDDEN, 16)];
    const [qb, kb] = [vector(16), vector(8)];
    const hf = { "model.layers.0.self_attn.q_proj.weight": q, "model.layers.0.self_attn.q_proj.bias": qb, "model.layers.0.self_attn.k_proj.weight": k, "model.layers.0.self_attn.k_proj.bias": kb, "model.layers.0.self_attn.v_proj.weight": v, "model.layers.0.self_attn.o_proj.weight": o };
    const converted = { "blk.0.attn_q.weight": permuted(q, 4), "blk.0.attn_q.bias": permuted(qb, 4), "blk.0.attn_k.weight": permuted(k, 2), "blk.0.attn_k.bias": permuted(kb, 2), "blk.0.attn_v.weight": v, "blk.0.attn_output.weight": o };
    assertWhole(await pair(checkpointOf(hf), gguf("llama", converted, heads(4, 2))), 6);
    // An architecture that the list of converters does not have: values tell.
    const found = await pair(checkpointOf(hf), gguf("llama-of-tomorrow", converted, heads(4, 2)));
    assertWhole(found, 6);
    assert.ok(found.pairing.rules.some(({ id }) => id === "rotary"));
    // Converted from a file that has the order already.
    assertWhole(await pair(checkpointOf(hf), gguf("llama", { ...converted, "blk.0.attn_q.weight": q, "blk.0.attn_q.bias": qb, "blk.0.attn_k.weight": k, "blk.0.attn_k.bias": kb }, heads(4, 2))), 6);
  });

  it("does not compare q and k where nothing says how many heads there are", () => {
    const [a, b] = [checkpointOf({ "model.layers.0.self_attn.q_proj.weight": matrix(16), "model.norm.weight": vector() }), gguf("llama", { "blk.0.attn_q.weight": matrix(16), "output_norm.weight": vector() })];
    const { pairs } = pairTensors(a, b, { facts: { b: { architecture: "llama" } } });
    assert.match(pairs[0]!.unreadable ?? "", /^llama\.cpp stores its rows in another order, by attention heads, and neither side says how many there are$/);
    assert.equal(pairs[1]!.unreadable, undefined);
  });

  it("knows Qwen 2 and 3: biases, norms of q and k, no reordering", async () => {
    const [q, k, qb, qn, kn, g, u, d] = [matrix(16), matrix(8), vector(16), vector(4), vector(4), matrix(12), matrix(12), matrix(HIDDEN, 12)];
    const [in0, post, norm, embed] = [vector(), vector(), vector(), matrix(20)];
    const l = "model.layers.0";
    const found = await pair(
      checkpointOf({ [`${l}.self_attn.q_proj.weight`]: q, [`${l}.self_attn.q_proj.bias`]: qb, [`${l}.self_attn.k_proj.weight`]: k, [`${l}.self_attn.q_norm.weight`]: qn, [`${l}.self_attn.k_norm.weight`]: kn, [`${l}.mlp.gate_proj.weight`]: g, [`${l}.mlp.up_proj.weight`]: u, [`${l}.mlp.down_proj.weight`]: d, [`${l}.input_layernorm.weight`]: in0, [`${l}.post_attention_layernorm.weight`]: post, "model.norm.weight": norm, "model.embed_tokens.weight": embed }),
      gguf("qwen3", { "token_embd.weight": embed, "output_norm.weight": norm, "blk.0.attn_q.weight": q, "blk.0.attn_q.bias": qb, "blk.0.attn_k.weight": k, "blk.0.attn_q_norm.weight": qn, "blk.0.attn_k_norm.weight": kn, "blk.0.ffn_gate.weight": g, "blk.0.ffn_up.weight": u, "blk.0.ffn_down.weight": d, "blk.0.attn_norm.weight": in0, "blk.0.ffn_norm.weight": post }, heads(4, 2)),
    );
    assertWhole(found, 12);
    assert.deepEqual(found.pairing.rules.map(({ id }) => id), ["gguf"]);
  });

  it("knows Gemma's four norms, stored less 1", async () => {
    const names = { input_layernorm: "attn_norm", post_attention_layernorm: "post_attention_norm", pre_feedforward_layernorm: "ffn_norm", post_feedforward_layernorm: "post_ffw_norm" };
    const norms = Object.keys(names).map(() => vector());
    const single = norms.map((each) => ({ ...each, data: each.data.map(Math.fround) }));
    const found = await pair(
      checkpointOf(Object.fromEntries(Object.keys(names).map((name, i) => [`model.layers.3.${name}.weight`, single[i]!]))),
      gguf("gemma3", Object.fromEntries(Object.values(names).map((name, i) => [`blk.3.${name}.weight`, { ...single[i]!, data: single[i]!.data.map((value) => Math.fround(value + 1)) }]))),
    );
    assertWhole(found, 4);
    assert.deepEqual(found.pairing.rules.map(({ id, pairs }) => [id, pairs]), [["norm-plus-one", 4], ["gguf", 4]]);
  });

  it("knows Phi-3's fused layers, against fused and against split ones", async () => {
    const [q, k, v, g, u, d] = [matrix(16), matrix(8), matrix(8), matrix(12), matrix(12), matrix(HIDDEN, 12)];
    const file = gguf("phi3", { "blk.0.attn_qkv.weight": stacked(q, k, v), "blk.0.ffn_up.weight": stacked(g, u), "blk.0.ffn_down.weight": d }, heads(4, 2));
    const l = "model.layers.0";
    assertWhole(await pair(checkpointOf({ [`${l}.self_attn.qkv_proj.weight`]: stacked(q, k, v), [`${l}.mlp.gate_up_proj.weight`]: stacked(g, u), [`${l}.mlp.down_proj.weight`]: d }), file), 3);
    assertWhole(await pair(checkpointOf({ [`${l}.self_attn.q_proj.weight`]: q, [`${l}.self_attn.k_proj.weight`]: k, [`${l}.self_attn.v_proj.weight`]: v, [`${l}.mlp.gate_proj.weight`]: g, [`${l}.mlp.up_proj.weight`]: u, [`${l}.mlp.down_proj.weight`]: d }), file), 6);
  });

  it("knows GPT-2's Conv1D", async () => {
    const [qkv, out, up, down, wte, ln] = [matrix(24), matrix(8), matrix(32), matrix(HIDDEN, 32), matrix(20), vector()];
    assertWhole(
      await pair(
        checkpointOf({ "transformer.wte.weight": wte, "transformer.h.0.ln_1.weight": ln, "transformer.h.0.attn.c_attn.weight": transposed(qkv), "transformer.h.0.attn.c_proj.weight": transposed(out), "transformer.h.0.mlp.c_fc.weight": transposed(up), "transformer.h.0.mlp.c_proj.weight": transposed(down) }),
        gguf("gpt2", { "token_embd.weight": wte, "blk.0.attn_norm.weight": ln, "blk.0.attn_qkv.weight": qkv, "blk.0.attn_output.weight": out, "blk.0.ffn_up.weight": up, "blk.0.ffn_down.weight": down }, heads(2, 2)),
      ),
      6,
    );
  });

  it("knows BERT", async () => {
    const names = {
      "embeddings.word_embeddings.weight": "token_embd.weight", "embeddings.position_embeddings.weight": "position_embd.weight", "embeddings.token_type_embeddings.weight": "token_types.weight", "embeddings.LayerNorm.bias": "token_embd_norm.bias",
      "encoder.layer.0.attention.self.query.weight": "blk.0.attn_q.weight", "encoder.layer.0.attention.self.key.bias": "blk.0.attn_k.bias", "encoder.layer.0.attention.output.dense.weight": "blk.0.attn_output.weight", "encoder.layer.0.attention.output.LayerNorm.weight": "blk.0.attn_output_norm.weight",
      "encoder.layer.0.intermediate.dense.weight": "blk.0.ffn_up.weight", "encoder.layer.0.output.dense.weight": "blk.0.ffn_down.weight", "encoder.layer.0.output.LayerNorm.weight": "blk.0.layer_output_norm.weight",
    };
    const tensors = Object.keys(names).map((name) => (/bias|Norm/.test(name) ? vector() : matrix(10)));
    const found = await pair(checkpointOf(Object.fromEntries(Object.keys(names).map((name, i) => [`bert.${name}`, tensors[i]!]))), gguf("bert", Object.fromEntries(Object.values(names).map((name, i) => [name, tensors[i]!]))));
    assert.deepEqual(Object.fromEntries(described(found).map(([a, b]) => [a.slice(5), b])), names);
    assertWhole(found, 11);
  });

  it("knows Mixtral's experts, stacked", async () => {
    const of = (name: string, expert: number): string => `model.layers.1.block_sparse_moe.experts.${expert}.${name}.weight`;
    const tensors = { w1: range(3).map(() => matrix(12)), w3: range(3).map(() => matrix(12)), w2: range(3).map(() => matrix(HIDDEN, 12)) };
    const gate = matrix(3);
    const hf: Tensors = { "model.layers.1.block_sparse_moe.gate.weight": gate };
    for (const [name, each] of Object.entries(tensors)) each.forEach((value, expert) => (hf[of(name, expert)] = value));
    const stack = (each: Values[]): Values => ({ shape: [each.length, ...each[0]!.shape], data: stacked(...each).data });
    const found = await pair(checkpointOf(hf), gguf("llama", { "blk.1.ffn_gate_inp.weight": gate, "blk.1.ffn_gate_exps.weight": stack(tensors.w1), "blk.1.ffn_up_exps.weight": stack(tensors.w3), "blk.1.ffn_down_exps.weight": stack(tensors.w2) }, heads(2, 2)));
    assertWhole(found, 10);
  });

  it("tells GPT-NeoX's interleaved layers from GGUF's concatenated ones", async () => {
    const [q, k, v] = [matrix(8), matrix(8), matrix(8)];
    const mixed = stacked(...range(2).flatMap((head) => [q, k, v].map((of) => rowsAt(of, range(4).map((i) => head * 4 + i)))));
    const found = await pair(checkpointOf({ "gpt_neox.layers.0.attention.query_key_value.weight": mixed, "gpt_neox.embed_in.weight": matrix(5) }), gguf("gptneox", { "blk.0.attn_qkv.weight": stacked(q, k, v) }, { "attention.head_count": 2 }));
    assert.deepEqual(described(found).map(([, , rule]) => rule), ["qkv-reordered", "qkv-reordered", "qkv-reordered"]);
    assertEqualValues(found);
    const stored = await pair(checkpointOf({ "gpt_neox.layers.0.attention.query_key_value.weight": mixed }), gguf("gptneox", { "blk.0.attn_qkv.weight": mixed }, { "attention.head_count": 2 }));
    assert.deepEqual(described(stored).map(([, , rule]) => rule), ["gguf"]);
    assertEqualValues(stored);
  });

  it("tells Falcon's groups of heads from GGUF's concatenated layers", async () => {
    const [q, k, v] = [matrix(24), matrix(8), matrix(8)];
    const mixed = stacked(...range(2).flatMap((group) => [rowsAt(q, range(12).map((i) => group * 12 + i)), rowsAt(k, range(4).map((i) => group * 4 + i)), rowsAt(v, range(4).map((i) => group * 4 + i))]));
    const found = await pair(checkpointOf({ "transformer.h.0.self_attention.query_key_value.weight": mixed }), gguf("falcon", { "blk.0.attn_qkv.weight": stacked(q, k, v) }, heads(6, 2)));
    assertWhole(found, 3);
  });

  it("takes the text model of a model of several parts", async () => {
    const [q, vision, norm] = [matrix(16), matrix(24, 6), vector()];
    const found = await pair(
      checkpointOf({ "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight": vision, "language_model.model.layers.0.self_attn.q_proj.weight": q, "language_model.model.norm.weight": norm }),
      gguf("qwen2", { "blk.0.attn_q.weight": q, "output_norm.weight": norm }, heads(4, 2)),
    );
    assert.deepEqual(described(found).map(([a]) => a), ["language_model.model.layers.0.self_attn.q_proj.weight", "language_model.model.norm.weight"]);
    assert.deepEqual(found.pairing.onlyInA, [0]);
    assertEqualValues(found);
  });
});
