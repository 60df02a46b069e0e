/**
 * What is known of model families: which tensors a model must have, what stands in for a tied one, where its layers are. Families that are
 * not named here are understood by their tensors' names alone.
 */

/** A part of a model that a recipe may treat on its own (`modules:`). */
export interface ModuleOfModel {
  name: string;
  /** Whether a tensor belongs to it; the first module that says so has it. */
  owns(tensor: string): boolean;
  /** Where the configuration keeps its number of layers; undefined where it has none, or the family is unknown. */
  layerCount?: readonly string[];
}

export interface Family {
  /** Its tensors are known by name: one that lacks in some model is an error, and what follows the layers is of the last slice. */
  defined: boolean;
  /** Linear layers have biases; else a bias is a tensor that only some models of the family have. */
  biases: boolean;
  /** The head is never left out: it is not the embedding. */
  ownHead: boolean;
  modules: readonly ModuleOfModel[];
  /** What every layer has, after `model.layers.N.`; empty where that is not known. */
  layer: readonly string[];
  /** What stands outside of the layers. */
  outer: readonly string[];
}

const ATTENTION = ["self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.o_proj.weight"];
const NORMS = ["input_layernorm.weight", "post_attention_layernorm.weight"];
const MLP = ["mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight"];
const LLAMA = [...ATTENTION, ...NORMS, ...MLP];
const EXPERTS = ["mlp.gate.weight", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"];
const OUTER = ["model.embed_tokens.weight", "model.norm.weight"];

/** Families whose tensors are listed in full; the head is left out, since it may be tied to the embedding. */
const LISTED: Readonly<Record<string, { layer: readonly string[]; outer: readonly string[] }>> = {
  LlamaForCausalLM: { layer: LLAMA, outer: OUTER },
  MistralForCausalLM: { layer: LLAMA, outer: OUTER },
  GemmaForCausalLM: { layer: LLAMA, outer: OUTER },
  Gemma2ForCausalLM: { layer: [...LLAMA, "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"], outer: OUTER },
  Qwen2ForCausalLM: { layer: [...LLAMA, "self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"], outer: OUTER },
  Qwen3ForCausalLM: { layer: [...LLAMA, "self_attn.q_norm.weight", "self_attn.k_norm.weight"], outer: OUTER },
  MixtralForCausalLM: { layer: [...ATTENTION, ...NORMS, ...EXPERTS], outer: OUTER },
  Qwen3MoeForCausalLM: { layer: [...ATTENTION, ...NORMS, "self_attn.q_norm.weight", "self_attn.k_norm.weight"], outer: OUTER },
};

/** All families that mergekit 0.1.5 has a list of tensors for. */
const DEFINED = new Set([
  ...Object.keys(LISTED),
  "ApertusForCausalLM", "ArceeForCausalLM", "BaichuanForCausalLM", "BertForMaskedLM", "BertForMultipleChoice", "BertForSequenceClassification", "BertForTokenClassification",
  "BertModel", "ChatGLMModel", "Cohere2ForCausalLM", "CohereForCausalLM", "DistilBertForMaskedLM", "DistilBertForSequenceClassification",
  "DistilBertForTokenClassification", "DistilBertModel", "ExaoneForCausalLM", "FalconForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration",
  "Glm4ForCausalLM", "Glm4MoeForCausalLM", "GPT2ForSequenceClassification", "GPT2LMHeadModel", "GPTBigCodeForCausalLM", "GPTNeoXForCausalLM", "GraniteForCausalLM",
  "GraniteMoeHybridForCausalLM", "InternLM2ForCausalLM", "JAISLMHeadModel", "Lfm2ForCausalLM", "Llama4ForConditionalGeneration", "LlamaForSequenceClassification",
  "MambaForCausalLM", "Mistral3ForConditionalGeneration", "Olmo2ForCausalLM", "Phi3ForCausalLM", "Phi3SmallForCausalLM", "PhiForCausalLM", "QWenLMHeadModel",
  "Qwen2_5_VLForConditionalGeneration", "Qwen2VLForConditionalGeneration", "Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration", "RobertaForMaskedLM",
  "RobertaForSequenceClassification", "RobertaForTokenClassification", "RobertaModel", "SolarForCausalLM", "StableLMEpochForCausalLM", "StableLmForCausalLM",
  "Starcoder2ForCausalLM", "T5ForConditionalGeneration", "WhisperForConditionalGeneration",
]);

/** Families whose linear layers are without biases, or may be: a bias is then a tensor that only some of their files hold. */
const WITHOUT_BIASES = /^(?:Apertus|Arcee|Baichuan|Cohere|Exaone|Gemma|Glm4|Granite|InternLM2|Lfm2|Llama|Mistral|Mixtral|Olmo|Phi3For|Qwen3|Solar|StableLm)/;

/** Families with a head of its own, never the embedding. */
const OWN_HEAD = /^(?:Baichuan|ChatGLM|Exaone|Falcon|GPTNeoX|Phi3For|PhiFor|QWenLM|StableL)/;

/** Of encoders and decoders with an embedding that both share. */
const SHARING: readonly ModuleOfModel[] = [
  { name: "encoder", owns: (tensor) => tensor.startsWith("encoder."), layerCount: ["num_layers"] },
  { name: "decoder", owns: (tensor) => tensor.startsWith("decoder."), layerCount: ["num_decoder_layers"] },
  { name: "shared", owns: () => true },
];

const HEARING: readonly ModuleOfModel[] = [
  { name: "encoder", owns: (tensor) => tensor.startsWith("model.encoder."), layerCount: ["encoder_layers"] },
  { name: "decoder", owns: () => true, layerCount: ["decoder_layers"] },
];

/** Of models that see: their parts by the beginnings of names, with and without the wrapping `model.`. */
const SEEING: readonly ModuleOfModel[] = [
  { name: "vision_tower", owns: (tensor) => /^(?:model\.)?(?:vision_tower|visual|vision_model)\./.test(tensor) && !/^(?:model\.)?visual\.merger\./.test(tensor) },
  { name: "multi_modal_projector", owns: (tensor) => /^(?:model\.)?(?:multi_modal_projector|visual\.merger)\./.test(tensor) },
  { name: "text_decoder", owns: () => true, layerCount: ["text_config", "num_hidden_layers"] },
];

const LAYER_COUNTS: Readonly<Record<string, string>> = {
  GPT2LMHeadModel: "n_layer", GPT2ForSequenceClassification: "n_layer", GPTBigCodeForCausalLM: "n_layer", JAISLMHeadModel: "n_layer",
  DistilBertModel: "n_layers", DistilBertForMaskedLM: "n_layers", DistilBertForSequenceClassification: "n_layers", DistilBertForTokenClassification: "n_layers",
  ChatGLMModel: "num_layers", ExaoneForCausalLM: "num_layers", MPTForCausalLM: "n_layers", PhiMSFTForCausalLM: "n_layer",
};

/** Keys under which configurations keep the number of layers. */
const COUNT_KEYS = ["num_hidden_layers", "n_layer", "n_layers", "num_layers"] as const;

/** The family of an architecture by its class' name; null stands for one that is not known. */
export function familyOf(architecture: string | null, config: Readonly<Record<string, unknown>> | null): Family {
  const name = architecture ?? "";
  const { layer = [], outer = [] } = LISTED[name] ?? {};
  return { defined: DEFINED.has(name), biases: !WITHOUT_BIASES.test(name), ownHead: OWN_HEAD.test(name) && config?.tie_word_embeddings !== true, modules: modulesOf(name, config), layer, outer };
}

function modulesOf(name: string, config: Readonly<Record<string, unknown>> | null): readonly ModuleOfModel[] {
  if (/^U?M?T5/.test(name)) return SHARING;
  if (name.startsWith("Whisper")) return HEARING;
  if (typeof config?.vision_config === "object" && config.vision_config !== null) return SEEING;
  const key = LAYER_COUNTS[name] ?? COUNT_KEYS.find((each) => typeof config?.[each] === "number");
  return [{ name: "default", owns: () => true, ...(key === undefined ? {} : { layerCount: [key] }) }];
}

/** The class that a configuration names, else its model type. */
export function architectureIn(config: Readonly<Record<string, unknown>> | null): string | null {
  const [first] = Array.isArray(config?.architectures) ? (config.architectures as unknown[]) : [];
  if (typeof first === "string") return first;
  return typeof config?.model_type === "string" ? config.model_type : null;
}

/** A value at a path of keys in a configuration. */
export function valueAt(config: Readonly<Record<string, unknown>> | null, keys: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of keys) value = typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  return value;
}

/** Heads that may share the embedding's weights, and names that the embedding goes by. */
const HEAD = /(?:^|\.)(?:lm_head|embed_out|cls\.predictions\.decoder|lm_head\.decoder|vocab_projector|proj_out|output_layer)\.weight$|^output\.weight$/;
const EMBEDDING = /(?:^|\.)(?:embed_tokens|wte|word_embeddings|embed_in|shared|tok_embeddings|embedding)\.weight$|^backbone\.embeddings\.weight$/;

/** Whether the tensor may be left out because its weights are another's: heads, and embeddings of a model with shared ones. */
export function mayBeTied(tensor: string): boolean {
  return HEAD.test(tensor) || /^(?:encoder|decoder)\.embed_tokens\.weight$/.test(tensor);
}

/** The tensor whose weights stand in for a tied one that is left out; undefined when there is none. */
export function tiedTo(tensor: string, names: Iterable<string>): string | undefined {
  if (!mayBeTied(tensor)) return undefined;
  let found: string | undefined;
  for (const name of names) {
    if (name === tensor || !EMBEDDING.test(name)) continue;
    if (name === "shared.weight") return name;
    found ??= name;
  }
  return found;
}

/** Whether the tensor holds a row for each token that goes in. */
export function isEmbedding(tensor: string): boolean {
  return EMBEDDING.test(tensor);
}

/** Whether the first axis of the tensor counts the tokens of the vocabulary: embeddings, heads and their biases. */
export function isVocabulary(tensor: string): boolean {
  return EMBEDDING.test(tensor) || HEAD.test(tensor) || /(?:^|\.)(?:lm_head|embed_out|cls\.predictions(?:\.decoder)?|vocab_projector)\.bias$/.test(tensor) || /(?:^|\.)final_logits_bias$/.test(tensor);
}

/** Buffers that libraries compute anew: a model may hold them or not. */
export function isBuffer(tensor: string): boolean {
  return /(?:rotary_emb\.inv_freq|attn\.(?:masked_)?bias|attention\.(?:masked_)?bias|position_ids|num_batches_tracked)$/.test(tensor);
}

/** Names that older files of a family use, as today's have them. */
export function canonicalName(tensor: string, architecture: string | null, names: ReadonlySet<string>): string {
  if (architecture?.startsWith("GPT2") === true && /^(?:h\.\d+|wte|wpe|ln_f)\./.test(tensor)) return `transformer.${tensor}`;
  if (architecture !== null && /^(?:Bert|Roberta|XLMRoberta)/.test(architecture) && /LayerNorm\.(?:gamma|beta)$/.test(tensor)) {
    const renamed = tensor.replace(/gamma$/, "weight").replace(/beta$/, "bias");
    return names.has(renamed) ? tensor : renamed;
  }
  return tensor;
}
