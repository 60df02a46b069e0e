/** Names as the model families publish them: what each tensor does, its layer, and how names fold. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { expertOf, foldedName, kindOf, layerCount, layerOf, modulePath, type TensorKind } from "../../../src/checkpoint/structure";

/** Family → name → kind; two axes unless told. */
const KINDS: Record<string, [string, TensorKind, number?][]> = {
  "Llama, Mistral, Qwen2": [
    ["model.embed_tokens.weight", "embed"], ["lm_head.weight", "head"], ["model.norm.weight", "norm", 1],
    ["model.layers.3.self_attn.q_proj.weight", "q"], ["model.layers.3.self_attn.k_proj.weight", "k"], ["model.layers.3.self_attn.v_proj.weight", "v"],
    ["model.layers.3.self_attn.o_proj.weight", "o"], ["model.layers.3.self_attn.q_proj.bias", "bias", 1], ["model.layers.3.self_attn.q_norm.weight", "norm", 1],
    ["model.layers.3.mlp.gate_proj.weight", "gate"], ["model.layers.3.mlp.up_proj.weight", "up"], ["model.layers.3.mlp.down_proj.weight", "down"],
    ["model.layers.3.input_layernorm.weight", "norm", 1], ["model.layers.3.post_attention_layernorm.weight", "norm", 1],
    ["model.layers.3.self_attn.rotary_emb.inv_freq", "buffer", 1],
  ],
  "Llama as Meta publishes it": [
    ["tok_embeddings.weight", "embed"], ["output.weight", "head"], ["layers.0.attention.wq.weight", "q"], ["layers.0.attention.wo.weight", "o"],
    ["layers.0.feed_forward.w1.weight", "gate"], ["layers.0.feed_forward.w2.weight", "down"], ["layers.0.feed_forward.w3.weight", "up"], ["layers.0.attention_norm.weight", "norm", 1],
  ],
  "Phi-3": [["model.layers.0.self_attn.qkv_proj.weight", "qkv"], ["model.layers.0.mlp.gate_up_proj.weight", "gate_up"]],
  "GGUF (llama.cpp)": [
    ["token_embd.weight", "embed"], ["output.weight", "head"], ["output_norm.weight", "norm", 1], ["rope_freqs.weight", "buffer", 1],
    ["blk.3.attn_norm.weight", "norm", 1], ["blk.3.attn_q.weight", "q"], ["blk.3.attn_k.weight", "k"], ["blk.3.attn_v.weight", "v"], ["blk.3.attn_output.weight", "o"],
    ["blk.3.attn_qkv.weight", "qkv"], ["blk.3.attn_q.bias", "bias", 1], ["blk.3.attn_q_norm.weight", "norm", 1], ["blk.3.attn_kv_a_mqa.weight", "kv"], ["blk.3.attn_q_a.weight", "q"],
    ["blk.3.ffn_norm.weight", "norm", 1], ["blk.3.ffn_gate.weight", "gate"], ["blk.3.ffn_up.weight", "up"], ["blk.3.ffn_down.weight", "down"],
    ["blk.3.ffn_gate_inp.weight", "router"], ["blk.3.ffn_gate_exps.weight", "gate", 3], ["blk.3.ffn_up_shexp.weight", "up"], ["blk.3.ffn_down_exps.weight", "down", 3],
  ],
  Mixtral: [["model.layers.0.block_sparse_moe.gate.weight", "router"], ["model.layers.0.block_sparse_moe.experts.7.w1.weight", "gate"], ["model.layers.0.block_sparse_moe.experts.7.w2.weight", "down"]],
  "Qwen3-MoE, DeepSeek": [
    ["model.layers.0.mlp.gate.weight", "router"], ["model.layers.0.mlp.experts.127.up_proj.weight", "up"], ["model.layers.0.mlp.shared_experts.gate_proj.weight", "gate"],
    ["model.layers.0.self_attn.q_a_proj.weight", "q"], ["model.layers.0.self_attn.kv_a_proj_with_mqa.weight", "kv"], ["model.layers.0.self_attn.kv_b_proj.weight", "kv"],
    ["model.layers.0.self_attn.kv_a_layernorm.weight", "norm", 1], ["model.layers.0.mlp.experts.0.down_proj.weight_scale_inv", "scale"],
  ],
  "GPT-2": [
    ["transformer.wte.weight", "embed"], ["transformer.wpe.weight", "position"], ["h.0.attn.c_attn.weight", "qkv"], ["h.0.attn.c_proj.weight", "o"],
    ["h.0.mlp.c_fc.weight", "up"], ["h.0.mlp.c_proj.weight", "down"], ["h.0.ln_1.weight", "norm", 1], ["ln_f.weight", "norm", 1], ["h.0.attn.bias", "buffer", 4],
  ],
  "GPT-NeoX, BLOOM, Falcon": [
    ["gpt_neox.embed_in.weight", "embed"], ["embed_out.weight", "head"], ["gpt_neox.layers.0.attention.query_key_value.weight", "qkv"], ["gpt_neox.layers.0.attention.dense.weight", "o"],
    ["h.0.self_attention.dense.weight", "o"], ["h.0.mlp.dense_h_to_4h.weight", "up"], ["h.0.mlp.dense_4h_to_h.weight", "down"], ["word_embeddings.weight", "embed"],
  ],
  BERT: [
    ["bert.embeddings.word_embeddings.weight", "embed"], ["bert.embeddings.position_embeddings.weight", "position"], ["bert.embeddings.LayerNorm.weight", "norm", 1],
    ["bert.encoder.layer.11.attention.self.query.weight", "q"], ["bert.encoder.layer.11.attention.self.key.weight", "k"], ["bert.encoder.layer.11.attention.self.value.weight", "v"],
    ["bert.encoder.layer.11.attention.output.dense.weight", "o"], ["bert.encoder.layer.11.intermediate.dense.weight", "up"], ["bert.encoder.layer.11.output.dense.weight", "down"],
    ["classifier.weight", "head"], ["bert.embeddings.position_ids", "buffer"],
  ],
  T5: [
    ["shared.weight", "embed"], ["encoder.block.0.layer.0.SelfAttention.q.weight", "q"], ["encoder.block.0.layer.0.SelfAttention.o.weight", "o"],
    ["decoder.block.0.layer.1.EncDecAttention.k.weight", "k"], ["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", "position"],
    ["encoder.block.0.layer.1.DenseReluDense.wi_0.weight", "gate"], ["encoder.block.0.layer.1.DenseReluDense.wi_1.weight", "up"], ["encoder.block.0.layer.1.DenseReluDense.wo.weight", "down"],
    ["encoder.block.0.layer.0.layer_norm.weight", "norm", 1],
  ],
  "ViT (timm) and CLIP": [
    ["blocks.0.attn.qkv.weight", "qkv"], ["blocks.0.attn.proj.weight", "o"], ["blocks.0.mlp.fc1.weight", "up"], ["blocks.0.mlp.fc2.weight", "down"], ["blocks.0.norm1.weight", "norm", 1],
    ["patch_embed.proj.weight", "conv", 4], ["pos_embed", "position", 3], ["head.weight", "head"],
    ["vision_model.encoder.layers.0.self_attn.out_proj.weight", "o"], ["visual.transformer.resblocks.0.attn.in_proj_weight", "qkv"],
  ],
  Whisper: [
    ["model.encoder.conv1.weight", "conv", 3], ["model.encoder.embed_positions.weight", "position"], ["model.encoder.layers.0.self_attn.q_proj.weight", "q"],
    ["model.decoder.layers.0.encoder_attn.out_proj.weight", "o"], ["model.decoder.layers.0.fc1.weight", "up"], ["model.decoder.layers.0.fc2.weight", "down"],
    ["model.decoder.layers.0.encoder_attn_layer_norm.weight", "norm", 1],
  ],
  "diffusers UNet": [
    ["down_blocks.0.resnets.1.conv1.weight", "conv", 4], ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight", "q"],
    ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight", "o"], ["down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj.weight", "gate_up"],
    ["down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight", "down"], ["time_embedding.linear_1.weight", "fc"], ["conv_norm_out.weight", "norm", 1],
  ],
  "ResNet and recurrent nets": [
    ["conv1.weight", "conv", 4], ["bn1.weight", "norm", 1], ["bn1.running_mean", "buffer", 1], ["bn1.num_batches_tracked", "buffer", 0], ["bn1.bias", "bias", 1],
    ["layer1.0.downsample.0.weight", "conv", 4], ["fc.weight", "fc"], ["lstm.weight_ih_l0", "rnn"], ["lstm.weight_hh_l0_reverse", "rnn"], ["lstm.bias_hh_l0", "bias", 1], ["lstm_cell.weight_ih", "rnn"],
  ],
  Adapters: [
    ["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "lora_a"], ["base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight", "lora_b"],
    ["base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight", "q"], ["lora_unet_down_blocks_0.lora_down.weight", "lora_a"], ["lora_unet_down_blocks_0.lora_up.weight", "lora_b"],
  ],
  "Quantised (GPTQ, AWQ)": [["model.layers.0.self_attn.q_proj.qweight", "q"], ["model.layers.0.self_attn.q_proj.qzeros", "scale"], ["model.layers.0.self_attn.q_proj.scales", "scale"], ["model.layers.0.self_attn.q_proj.g_idx", "scale", 1]],
  Flax: [["params/layers_3/attention/query/kernel", "q", 3], ["params/layers_3/mlp/up_proj/kernel", "up"], ["params/layers_3/norm/scale", "norm", 1], ["params/embed/embedding", "embed"]],
};

describe("tensor names", () => {
  for (const [family, names] of Object.entries(KINDS)) {
    it(`says what the tensors of ${family} do`, () => {
      for (const [name, kind, axes = 2] of names) assert.equal(kindOf(name, Array.from({ length: axes }, () => 8)), kind, name);
    });
  }

  it("goes by the number of axes where names say nothing", () => {
    assert.deepEqual([[], [8], [8, 8], [8, 8, 3], [8, 8, 3, 3]].map((shape) => kindOf("a", shape)), ["other", "other", "fc", "conv", "conv"]);
  });

  it("finds layers and experts", () => {
    const cases: [string, number | null, number | null, string][] = [
      ["model.layers.31.mlp.up_proj.weight", 31, null, "model.layers.*.mlp.up_proj.weight"],
      ["h.0.attn.c_attn.bias", 0, null, "h.*.attn.c_attn.bias"],
      ["encoder.block.5.layer.0.SelfAttention.q.weight", 5, null, "encoder.block.*.layer.*.SelfAttention.q.weight"],
      ["bert.encoder.layer.11.output.dense.weight", 11, null, "bert.encoder.layer.*.output.dense.weight"],
      ["model.layers.3.mlp.experts.127.up_proj.weight", 3, 127, "model.layers.*.mlp.experts.*.up_proj.weight"],
      ["visual.transformer.resblocks.2.ln_1.weight", 2, null, "visual.transformer.resblocks.*.ln_1.weight"],
      ["layer2.1.conv1.weight", 1, null, "layer2.*.conv1.weight"],
      ["params/layers_3/mlp/kernel", 3, null, "params/layers_*/mlp/kernel"],
      ["features.0.weight", null, null, "features.0.weight"],
      ["model.norm.weight", null, null, "model.norm.weight"],
      ["layers", null, null, "layers"],
      ["layers.12345678901.x", null, null, "layers.12345678901.x"],
      ["0.1.2", null, null, "0.1.2"],
      ["", null, null, ""],
    ];
    for (const [name, layer, expert, folded] of cases) assert.deepEqual([layerOf(name), expertOf(name), foldedName(name)], [layer, expert, folded], name);
  });

  it("counts the layers of the largest stack", () => {
    const count = (...names: string[]): number | null => layerCount(names.map((name) => ({ name })));
    assert.equal(count("model.layers.0.a", "model.layers.0.b", "model.layers.1.a", "model.norm.weight"), 2);
    assert.equal(count("encoder.layers.0.a", "encoder.layers.1.a", "decoder.layers.0.a", "decoder.layers.1.a", "decoder.layers.2.a"), 3);
    assert.equal(count("layer1.0.conv1.weight", "layer1.1.conv1.weight", "layer2.0.conv1.weight", "layer2.1.conv1.weight"), 4);
    assert.equal(count("conv1.weight", "fc.weight"), null);
    assert.equal(count(), null);
  });

  it("folds to the same name exactly when only layer numbers differ", () => {
    const part = fc.constantFrom("model", "layers", "h", "mlp", "experts", "weight", "0", "17", "block", "a.b", "x_3");
    fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
      const name = parts.join(".");
      assert.equal(modulePath(name).join("."), name);
      const other = parts.map((p, i) => (/^\d+$/.test(p) && /^(?:layers|h|block|experts)$/.test(parts[i - 1] ?? "") ? "5" : p)).join(".");
      assert.equal(foldedName(other), foldedName(name));
      assert.equal(foldedName(foldedName(name)), foldedName(name));
    }));
  });

  it("survives any name", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (name) => {
      foldedName(name);
      layerOf(name);
      kindOf(name, [2, 2]);
    }));
    for (const hostile of [".".repeat(1e6), "norm".repeat(1e6), "layers.".repeat(1e6), `h.${"9".repeat(1e6)}`, "_layers_1/".repeat(99), "a_".repeat(499)]) {
      assert.equal(typeof kindOf(hostile, [2, 2]), "string");
      foldedName(hostile);
    }
  });
});
