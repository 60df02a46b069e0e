/** The architecture: from the configuration beside the file, else from names as the families publish them. */
import assert from "node:assert/strict";
import { guessArchitecture } from "../../../src/checkpoint/architecture";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { Scratch, vectors } from "../../files";

const tensors = (...names: string[]): { name: string; shape: number[] }[] => names.map((name) => ({ name, shape: [8, 8] }));

describe("architecture", () => {
  for (const [family, names] of [
    ["Llama-like", ["model.layers.31.self_attn.q_proj.weight", "model.layers.31.mlp.gate_proj.weight"]],
    ["Llama (Meta's names)", ["layers.0.attention.wq.weight", "layers.0.feed_forward.w1.weight"]],
    ["Mixtral", ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.block_sparse_moe.experts.0.w1.weight"]],
    ["Mixture of experts (Llama-like)", ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.gate_proj.weight", "model.layers.5.mlp.experts.12.gate_proj.weight"]],
    ["DeepSeek (MLA)", ["model.layers.0.self_attn.kv_a_proj_with_mqa.weight", "model.layers.5.mlp.experts.12.gate_proj.weight", "model.layers.0.self_attn.o_proj.weight"]],
    ["GPT-2", ["h.0.attn.c_attn.weight", "wte.weight"]],
    ["GPT-2", ["transformer.h.11.attn.c_attn.weight"]],
    ["BERT", ["bert.encoder.layer.0.attention.self.query.weight"]],
    ["DistilBERT", ["distilbert.transformer.layer.0.attention.q_lin.weight"]],
    ["T5", ["encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"]],
    ["BART", ["model.encoder.layers.0.self_attn.q_proj.weight", "model.decoder.layers.0.encoder_attn.q_proj.weight"]],
    ["Whisper", ["model.encoder.conv1.weight", "model.encoder.layers.0.self_attn.q_proj.weight", "model.decoder.layers.0.encoder_attn.q_proj.weight"]],
    ["ViT", ["blocks.0.attn.qkv.weight", "patch_embed.proj.weight"]],
    ["ViT", ["vit.encoder.layer.0.attention.attention.query.weight", "vit.embeddings.patch_embeddings.projection.weight"]],
    ["CLIP", ["text_model.encoder.layers.0.self_attn.q_proj.weight", "vision_model.encoder.layers.0.self_attn.q_proj.weight"]],
    ["Diffusion UNet", ["time_embedding.linear_1.weight", "down_blocks.0.resnets.0.conv1.weight", "up_blocks.0.resnets.0.conv1.weight"]],
    ["ResNet", ["layer1.0.conv1.weight", "layer4.0.conv1.weight", "fc.weight"]],
    ["LoRA adapter", ["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "base_model.model.model.layers.0.mlp.gate_proj.lora_A.weight"]],
    ["Mamba", ["backbone.layers.0.mixer.A_log"]],
    ["Recurrent net", ["lstm.weight_hh_l0"]],
  ] as const) {
    it(`guesses ${family} from ${names[0]}`, () => assert.deepEqual(guessArchitecture(tensors(...names)), { name: family, from: "names" }));
  }

  it("sees a net of convolutions by its shapes, and says nothing of what it does not know", () => {
    const conv = [0, 1, 2].map((i) => ({ name: `c${i}.weight`, shape: [8, 8, 3, 3] }));
    assert.deepEqual(guessArchitecture([...conv, { name: "fc", shape: [10, 8] }]), { name: "Convolutional net", from: "names" });
    assert.equal(guessArchitecture(tensors("a", "b", "c")), null);
    assert.equal(guessArchitecture([]), null);
  });

  describe("from the configuration", () => {
    let scratch: Scratch;
    beforeEach(() => { scratch = new Scratch(); });
    afterEach(() => scratch.remove());
    const open = async (config: string | object, name = "config.json", model = "model.safetensors") => {
      scratch.write(name, config);
      return (await openCheckpoint(scratch.write(model, vectors({ "h.0.attn.c_attn.weight": 1 })))).architecture;
    };
    const guessed = { name: "GPT-2", from: "names" };

    it("takes architectures, then model_type, then diffusers' class", async () => {
      assert.deepEqual(await open({ architectures: ["LlamaForCausalLM"], model_type: "llama" }), { name: "LlamaForCausalLM", from: "config" });
      assert.deepEqual(await open({ architectures: [], model_type: "llama" }), { name: "llama", from: "config" });
      assert.deepEqual(await open({ _class_name: "UNet2DConditionModel" }), { name: "UNet2DConditionModel", from: "config" });
      assert.deepEqual(await open('{"eps": NaN, "limit": -Infinity, "model_type": "odd"}'), { name: "odd", from: "config" });
    });

    it("takes the type of an adapter", async () => {
      assert.deepEqual(await open({ peft_type: "LORA", r: 4 }, "adapter_config.json", "adapter_model.safetensors"), { name: "LoRA adapter", from: "config" });
      assert.deepEqual(await open({ peft_type: "VERA" }, "adapter_config.json", "adapter_model.safetensors"), { name: "VERA adapter", from: "config" });
    });

    it("falls back on names when the configuration says nothing or cannot be read", async () => {
      for (const config of ["", "[]", "null", "{", '{"architectures": 5}', '{"architectures": [""], "model_type": null}', "[".repeat(100_000), `{"model_type": "x", "pad": "${" ".repeat(1 << 20)}"}`]) {
        assert.deepEqual(await open(config), guessed, config.slice(0, 40));
      }
      scratch.remove();
      scratch.write("config.json/file", "");
      assert.deepEqual((await openCheckpoint(scratch.write("model.safetensors", vectors({ "h.0.attn.c_attn.weight": 1 })))).architecture, guessed);
    });
  });
});
