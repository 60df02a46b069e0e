/**
 * GGUF's names of what Hugging Face's and other libraries' modules hold, as published with the format
 * (https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/tensor_mapping.py).
 */

/** By the module's path within its layer. Several where it depends on the architecture: the first that the file has. */
const IN_LAYER: readonly (readonly [gguf: string, modules: string])[] = [
  ["attn_norm", "input_layernorm ln_1 norm_1 ln_mlp attention_norm ln1 ln norm pre_mixer_norm rms_norm pre_attn_norm norm_attn_norm.norm_1 attn_norm operator_norm attention_layernorm pre_attention_layernorm"],
  ["attn_norm_2", "ln_attn layer_norm_1"],
  ["attn_qkv", "attention.query_key_value attn.c_attn attn.Wqkv norm_attn_norm.attn.Wqkv self_attention.query_key_value self_attn.query_key_value mixer.Wqkv self_attn.qkv_proj mixer.qkv_proj attn.qkv_proj attention.wqkv self_attn.W_pack qkv"],
  ["attn_q", "self_attn.q_proj attention.wq attention.self.query attention.q_lin attn.q_proj multi_head_attention.query attn.attention.q_proj mixer.q_proj q_proj"],
  ["attn_k", "self_attn.k_proj attention.wk attention.self.key attention.k_lin attn.k_proj attn.k multi_head_attention.key attn.attention.k_proj mixer.k_proj k_proj"],
  ["attn_v", "self_attn.v_proj attention.wv attention.self.value attention.v_lin attn.v_proj attn.v multi_head_attention.value attn.attention.v_proj mixer.v_proj v_proj"],
  ["attn_output", "attention.dense attn.c_proj attn.out_proj self_attention.dense self_attn.o_proj self_attn.out_proj self_attn.linear_attn attention.wo attention.output.dense attn.Wo attention.out_lin self_attn.dense mixer.out_proj mixer.o_proj multi_head_attention.linear norm_attn_norm.attn.out_proj attn.attention.out_proj wo attn_out"],
  ["attn_output_norm", "attention.output.LayerNorm sa_layer_norm norm1 rms_norm_1 post_attn_norm norm_attn_norm.norm_2"],
  ["attn_q_norm", "self_attn.q_norm self_attention.q_layernorm self_attn.q_layernorm self_attn.query_layernorm attention.query_layernorm attn.q_ln attention.self.layer_norm_q attn.q_norm"],
  ["attn_k_norm", "self_attn.k_norm self_attention.k_layernorm self_attn.k_layernorm self_attn.key_layernorm attention.key_layernorm attn.k_ln attention.self.layer_norm_k attn.k_norm"],
  ["attn_sinks", "self_attn.sinks"],
  ["post_attention_norm", "post_attention_layernorm post_self_attn_layernorm"],
  ["ffn_norm", "post_attention_layernorm ln_2 norm_2 ffn_norm ln2 rms_norm_2 pre_moe_norm pre_ff_layernorm pre_moe_layernorm pre_mlp_norm ff_norm feedforward_layernorm pre_mlp_layernorm mlp_norm pre_feedforward_layernorm"],
  ["post_ffw_norm", "post_feedforward_layernorm post_mlp_layernorm post_moe_norm"],
  ["ffn_gate_inp", "feed_forward.gate block_sparse_moe.gate mlp.gate router ffn.router.layer block_sparse_moe.router.layer feed_forward.router mlp.router.layer mlp.router mlp.gate.wg moe.gate"],
  ["ffn_gate_inp_shexp", "mlp.shared_expert_gate"],
  ["exp_probs_b", "mlp.gate.e_score_correction"],
  ["ffn_up", "mlp.dense_h_to_4h mlp.c_fc ffn.up_proj mlp.up_proj feed_forward.w3 intermediate.dense mlp.Wi ffn.lin1 mlp.fc_in mlp.linear_3 mlp.w1 mlp.fc1 mlp.fc11 mlp.gated_layers mlp.up_gated_layer residual_mlp.w3 mlp.c_fc_1 feed_forward.up_proj ffn.w12 mixer.up_proj up_proj"],
  ["ffn_gate", "mlp.gate_proj feed_forward.w1 mlp.w2 mlp.c_fc2 mlp.fc12 mlp.linear_1 mlp.c_fc_0 feed_forward.gate_proj ff_proj residual_mlp.w1"],
  ["ffn_gate_up", "mlp.gate_up_proj"],
  ["ffn_down", "mlp.dense_4h_to_h mlp.c_proj ffn.down_proj mlp.down_proj feed_forward.w2 output.dense mlp.Wo ffn.lin2 mlp.fc_out mlp.fc2 ffn.proj_2 residual_mlp.w2 mlp.wo mlp.down_layer feed_forward.down_proj ffn.w3 ff_out mixer.down_proj"],
  ["ffn_gate_exps", "feed_forward.experts.w1 ffn.experts.mlp.w1 mlp.experts.gate_proj block_sparse_moe.experts.w1 feed_forward.experts.gate_proj block_sparse_moe.experts.gate moe.gate_proj"],
  ["ffn_up_exps", "feed_forward.experts.w3 ffn.experts.mlp.v1 mlp.experts.up_proj block_sparse_moe.experts.w3 feed_forward.experts.up_proj block_sparse_moe.experts.up moe.up_proj"],
  ["ffn_down_exps", "feed_forward.experts.w2 ffn.experts.mlp.w2 mlp.experts.down_proj block_sparse_moe.output_linear block_sparse_moe.experts.w2 feed_forward.experts.down_proj block_sparse_moe.experts.down moe.down_proj experts.down_proj"],
  ["ffn_gate_up_exps", "mlp.experts.gate_up_proj experts.gate_up_proj"],
  ["ffn_gate_shexp", "mlp.shared_expert.gate_proj mlp.shared_experts.gate_proj feed_forward.shared_expert.gate_proj mlp.shared_mlp.gate_proj"],
  ["ffn_up_shexp", "mlp.shared_expert.up_proj mlp.shared_experts.up_proj feed_forward.shared_expert.up_proj mlp.shared_mlp.up_proj"],
  ["ffn_down_shexp", "mlp.shared_expert.down_proj mlp.shared_experts.down_proj feed_forward.shared_expert.down_proj mlp.shared_mlp.down_proj"],
  ["layer_output_norm", "output.LayerNorm output_layer_norm norm2 mlp.layernorm layer_norm_2 rms_norm_3 final_layernorm"],
];

/** By the end of the module's path, outside of layers. */
const OUTSIDE: readonly (readonly [gguf: string, modules: string])[] = [
  ["token_embd", "embed_in wte word_embeddings embed_tokens tok_embeddings embeddings.word_embeddings embeddings.tok_embeddings embedding.word_embeddings token_embeddings embeddings embedding shared"],
  ["token_types", "embeddings.token_type_embeddings token_type_embeddings"],
  ["token_embd_norm", "word_embeddings_layernorm embeddings.LayerNorm embeddings.norm emb_ln embedding_norm"],
  ["position_embd", "wpe embeddings.position_embeddings position_embeddings embed_positions"],
  ["output", "embed_out lm_head output lm_head.linear output_layer head"],
  ["output_norm", "final_layer_norm ln_f norm norm_f final_layernorm lm_head.ln rms_norm final_norm"],
];

/** `h.3.`, `model.layers.3.` …: what stands before, the number, the path within. */
const LAYER = /^(.*?)(?:^|\.)(?:layers|h|blocks|block|layer|decoder_layer|transformer_encoder)\.(\d{1,9})\.(.+)$/s;
/** Longer names are no module paths. */
const LONGEST_NAME = 1000;

function table(rows: readonly (readonly [string, string])[]): Map<string, string[]> {
  const byModule = new Map<string, string[]>();
  for (const [gguf, modules] of rows) for (const module of modules.split(" ")) byModule.set(module, [...(byModule.get(module) ?? []), gguf]);
  return byModule;
}
const inLayer = table(IN_LAYER);
const outside = table(OUTSIDE);

/** Where a name puts its tensor, and what GGUF may call it. */
export interface Translation {
  /** What stands before the layers; of a tensor outside of them, before the module. */
  stack: string;
  layer: number | null;
  /** Most likely last: the first that the other file has is meant. */
  names: string[];
  /** The expert, of a tensor that GGUF stacks with those of the other experts. */
  expert?: number;
}

/** GGUF's names for a tensor of another library; undefined where the published map has none. */
export function ggufNames(name: string): Translation | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  const match = LAYER.exec(name);
  if (match === null) return outsideLayers(name);
  const [, stack = "", number = "", rest = ""] = match;
  const layer = Number(number);
  const expert = /(?:^|\.)experts\.(\d{1,9})\./.exec(rest);
  const { module, parameter } = split(expert === null ? rest : rest.replace(/(^|\.)experts\.\d+\./, "$1experts."));
  const names = inLayer.get(module)?.map((gguf) => `blk.${layer}.${gguf}.${parameter}`);
  return names === undefined ? undefined : { stack, layer, names, ...(expert === null ? {} : { expert: Number(expert[1]) }) };
}

function outsideLayers(name: string): Translation | undefined {
  const { module, parameter } = split(name);
  // The longest end that is known: `embeddings.LayerNorm` before `LayerNorm`.
  for (let at = 0; at >= 0; at = next(module, at)) {
    const names = outside.get(module.slice(at));
    if (names !== undefined) return { stack: module.slice(0, at), layer: null, names: names.map((gguf) => `${gguf}.${parameter}`) };
  }
  return undefined;
}

/** Where the part after the next dot starts; −1 when there is none. */
function next(path: string, at: number): number {
  const dot = path.indexOf(".", at);
  return dot < 0 ? -1 : dot + 1;
}

/** The module and its parameter; parameters that stand without a module's name are weights. */
function split(path: string): { module: string; parameter: string } {
  const cut = path.lastIndexOf(".");
  const last = path.slice(cut + 1);
  if (last === "weight" || last === "bias") return { module: path.slice(0, Math.max(cut, 0)), parameter: last };
  return last.endsWith("_bias") ? { module: path.slice(0, -"_bias".length), parameter: "bias" } : { module: path, parameter: "weight" };
}
