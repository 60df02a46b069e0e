/**
 * What tensor names say: modules, repeated layers, experts, and what each tensor does. Pure and free of Node, so that views
 * use it too. Names follow PyTorch's state-dict convention (`model.layers.3.mlp.up_proj.weight`), Flax's
 * (`layers_3/mlp/up_proj/kernel`) or GGUF's (`blk.3.ffn_up.weight`).
 */

/** What a tensor does in its model. */
export type TensorKind =
  /** Attention projections; `kv`: keys and values together (multi-head latent attention), `qkv`: all three. */
  | "q" | "k" | "v" | "kv" | "qkv" | "o"
  /** Feed-forward projections; `gate_up`: both in one matrix. */
  | "gate" | "up" | "down" | "gate_up"
  /** Low-rank adapters, ΔW = B·A. */
  | "lora_a" | "lora_b"
  | "embed" | "position" | "head" | "router" | "norm" | "bias" | "conv" | "rnn"
  /** A linear layer without a more special role. */
  | "fc"
  /** Parameters of a quantiser: scales, zero points, permutations. */
  | "scale"
  /** State that is not trained: running statistics, inverse frequencies. */
  | "buffer"
  | "other";

/** Containers whose numbered children are repeated layers. */
const LAYERS = /^(?:h|blk|(?:\w*_)?(?:layers?|blocks?|resblocks?|stages?|resnets|attentions|cells|downsamplers|upsamplers)\d*)$/;
const EXPERTS = /^(?:\w+_)?experts?$/;
/** Flax numbers layers in the name itself: `layers_3`, `h_3`. */
const NUMBERED = /^(h|(?:\w*_)?(?:layers?|blocks?|stages?))_(\d{1,9})$/;

/** Longer names are no module paths; they are left whole. */
const LONGEST_NAME = 1000;

/** A name's modules, outermost first, the parameter's own name last. Split at dots; at slashes when it has no dot. */
export function modulePath(name: string): string[] {
  return name.split(separatorOf(name));
}

function separatorOf(name: string): "." | "/" {
  return name.includes(".") ? "." : "/";
}

interface Place {
  layer: number | null;
  expert: number | null;
  folded: string;
  /** Path of the stack that holds the outermost layer, digits of its name dropped (ResNet's `layer1`, `layer2` are one). */
  stack: string | null;
  /** Which of the stack's layers. */
  element: string;
  /** Length of the name up to and with that layer's number; 0 outside of any. */
  reach: number;
}

function place(name: string): Place {
  const found: Place = { layer: null, expert: null, folded: name, stack: null, element: "", reach: 0 };
  if (name.length > LONGEST_NAME) return found;
  const separator = separatorOf(name);
  let folded = "";
  let copied = 0;
  let before = "";
  for (let start = 0; start <= name.length; ) {
    const next = name.indexOf(separator, start);
    const end = next < 0 ? name.length : next;
    const part = name.slice(start, end);
    if (endsInDigit(part)) {
      const number = numberOf(part);
      const container = number === null ? null : containerOf(before);
      const numbered = number === null && part.includes("_") ? NUMBERED.exec(part) : null;
      if (container === "experts") found.expert ??= number;
      else if (container === "layers") enter(found, name.slice(0, start - 1), before, number!, end);
      else if (numbered !== null) enter(found, name.slice(0, start + numbered[1]!.length), numbered[1]!, Number(numbered[2]), end);
      if (container !== null || numbered !== null) {
        folded += name.slice(copied, numbered === null ? start : start + numbered[1]!.length + 1) + "*";
        copied = end;
      }
    }
    before = part;
    start = end + 1;
  }
  if (copied > 0) found.folded = folded + name.slice(copied);
  return found;
}

/** Enters the outermost layer: `path` ends with its container. */
function enter(found: Place, path: string, container: string, layer: number, reach: number): void {
  if (found.layer !== null) return;
  found.layer = layer;
  found.reach = reach;
  found.stack = path.replace(/\d+$/, "#");
  found.element = `${container}.${layer}`;
}

function endsInDigit(part: string): boolean {
  const last = part.charCodeAt(part.length - 1);
  return last >= 0x30 && last <= 0x39;
}

/** The number that `part` is, of at most nine digits; null when it is none. */
function numberOf(part: string): number | null {
  if (part.length > 9) return null;
  let value = 0;
  for (let i = 0; i < part.length; i++) {
    const digit = part.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return value;
}

const MOST_REMEMBERED = 20_000;
const containers = new Map<string, "layers" | "experts" | null>();

function containerOf(part: string): "layers" | "experts" | null {
  let container = containers.get(part);
  if (container === undefined) {
    if (containers.size >= MOST_REMEMBERED) containers.clear();
    containers.set(part, (container = LAYERS.test(part) ? "layers" : EXPERTS.test(part) ? "experts" : null));
  }
  return container;
}

/** One of the repeated layers that a tensor lies in: `container` is `"layers"` and `path` `"model.layers.3"`. */
export interface LayerAround {
  container: string;
  path: string;
}

/** The repeated layers that hold the tensor, the outermost first. */
export function layersAround(name: string): LayerAround[] {
  if (name.length > LONGEST_NAME) return [];
  const separator = separatorOf(name);
  const around: LayerAround[] = [];
  const parts = name.split(separator);
  for (const [i, part] of parts.entries()) {
    if (!endsInDigit(part)) continue;
    const before = parts[i - 1] ?? "";
    const container = numberOf(part) === null ? NUMBERED.exec(part)?.[1] : containerOf(before) === "layers" ? before : undefined;
    if (container !== undefined) around.push({ container, path: parts.slice(0, i + 1).join(separator) });
  }
  return around;
}

/** Number of the outermost repeated layer that holds the tensor, as in its name; null outside of any. */
export function layerOf(name: string): number | null {
  return place(name).layer;
}

/** Number of the expert (mixture of experts) that holds the tensor, as in its name; null outside of any. */
export function expertOf(name: string): number | null {
  return place(name).expert;
}

/** The name with the numbers of layers and experts replaced by `*`: equal for the same tensor of each repeated layer. */
export function foldedName(name: string): string {
  return place(name).folded;
}

/**
 * How many repeated layers the model has: the size of its largest stack (a decoder's layers; the larger of an encoder's and
 * a decoder's). Null when the names show none.
 */
export function layerCount(tensors: Iterable<{ name: string }>): number | null {
  const stacks = new Map<string, Set<string>>();
  // What begins like the name before, up to the dot after its layer, is in the same layer.
  let before = "";
  for (const { name } of tensors) {
    if (before !== "" && name.length <= LONGEST_NAME && name.startsWith(before)) continue;
    const { stack, element, reach } = place(name);
    before = reach > 0 && name[reach] === "." ? name.slice(0, reach + 1) : "";
    if (stack === null) continue;
    let elements = stacks.get(stack);
    if (elements === undefined) stacks.set(stack, (elements = new Set()));
    elements.add(element);
  }
  let most = 0;
  for (const { size } of stacks.values()) most = Math.max(most, size);
  return most === 0 ? null : most;
}

/** Rules in order; the first that matches the lower-cased folded name (without its last part, unless told) wins. */
const PARAMETER_RULES: readonly (readonly [RegExp, TensorKind])[] = [
  [/(?:^|[._])lora_(?:a|down|embedding_a)(?:[._/]|$)/, "lora_a"],
  [/(?:^|[._])lora_(?:b|up|embedding_b)(?:[._/]|$)/, "lora_b"],
  [/(?:running_mean|running_var|num_batches_tracked|inv_freq|rope_freqs\.weight|rope_factors_(?:long|short)\.weight|position_ids|attn\.(?:masked_)?bias|attention\.(?:masked_)?bias|relative_position_index)$/, "buffer"],
  [/(?:scales?|zeros|zero_point|g_idx|scb|absmax|quant_map|quant_state\.\w+|weight_scale(?:_inv|_2)?|input_scale|weight_shape)$/, "scale"],
];
const MODULE_RULES: readonly (readonly [RegExp, TensorKind])[] = [
  [/(?:norm\w*|(?:^|[._])(?:ln(?:\d*|_\w+)|bn\d*|gn\d*))$/, "norm"],
  [/(?:position_embeddings?|position_embd|pos_embed\w*|attn_rel_b|embed_positions|wpe|positional_embedding|relative_attention_bias|relative_position_bias_table)$/, "position"],
  [/(?:embed_tokens|word_embeddings|token_embeddings?|tok_embeddings?|wte|embed_in|token_embd|per_layer_token_embd|patch_embd|patch_embed\w*|patch_embeddings?|shared|embeddings?|embed|embedder)$/, "embed"],
  [/(?:lm_head|embed_out|classifier|score|head|qa_outputs|output_projection|^output|logits?_proj\w*)$/, "head"],
  [/(?:router|(?:ffn_)?gate_inp(?:_shexp)?|router_gate|shared_expert_gate|(?:moe|mlp|ffn|feed_forward|block_sparse_moe)\.gate)$/, "router"],
  [/(?:qkv(?:_proj)?|query_key_value|c_attn|in_proj|wqkv|attn_qkv)$/, "qkv"],
  [/(?:kv_a_proj\w*|kv_b_proj|attn_(?:kv_a_mqa|[kv]_b|kv_b)|kv_proj|to_kv|kv)$/, "kv"],
  [/(?:q_proj|q_a_proj|q_b_proj|(?:cross_)?attn_q(?:_[ab])?|query|to_q|wq|q_lin|(?:attention|attn|attn1|attn2|selfattention|encdecattention)\.q)$/, "q"],
  [/(?:k_proj|(?:cross_)?attn_k|key|to_k|wk|k_lin|(?:attention|attn|attn1|attn2|selfattention|encdecattention)\.k)$/, "k"],
  [/(?:v_proj|(?:cross_)?attn_v|value|to_v|wv|v_lin|(?:attention|attn|attn1|attn2|selfattention|encdecattention)\.v)$/, "v"],
  [/(?:o_proj|(?:cross_)?attn_(?:output|o|out)|out_proj|to_out(?:\.0)?|out_lin|attention\.wo|(?:attn\w*|attention)\.(?:c_proj|proj|proj_out|output\.dense|dense|o|out)|selfattention\.o|encdecattention\.o)$/, "o"],
  [/(?:gate_up_proj|gate_and_up_proj|net\.0\.proj|gate_up|wi_fused)$/, "gate_up"],
  [/(?:gate_proj|wi_0|w1|ffn_gate(?:_exps|_shexp)?)$/, "gate"],
  [/(?:up_proj|wi_1|wi|w3|c_fc|dense_h_to_4h|intermediate\.dense|lin1|ffn_up(?:_exps|_shexp)?|mlp\.fc1)$/, "up"],
  [/(?:down_proj|wo|w2|dense_4h_to_h|output\.dense|lin2|ffn_down(?:_exps|_shexp)?|mlp\.(?:c_proj|fc2)|ff\.net\.2)$/, "down"],
];
/** `fc1` and `fc2` are a feed-forward pair inside a layer, plain linear layers elsewhere. */
const IN_LAYER_RULES: readonly (readonly [RegExp, TensorKind])[] = [
  [/(?:^|\.)fc1$/, "up"],
  [/(?:^|\.)fc2$/, "down"],
];

const remembered = new Map<string, TensorKind>();

/**
 * What the tensor does, by the names of the common model families (Llama and its kin, GPT-2, BERT, T5, ViT, CLIP, Whisper,
 * mixtures of experts, diffusion models, convolutional nets, adapters) and by its number of axes.
 */
export function kindOf(name: string, shape: readonly number[]): TensorKind {
  if (name.length > LONGEST_NAME) return "other";
  const folded = foldedName(name);
  const key = `${shape.length} ${folded}`;
  let kind = remembered.get(key);
  if (kind === undefined) {
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(key, (kind = classify(folded.toLowerCase().replaceAll("/", "."), shape.length)));
  }
  return kind;
}

function classify(name: string, axes: number): TensorKind {
  const cut = name.lastIndexOf(".");
  const parameter = name.slice(cut + 1);
  // `in_proj_weight` and `weight_ih_l0` carry their module in the parameter's own name.
  const module = /^(?:weight|bias|kernel|scale|embedding|qweight|gamma|beta|base_layer)$/.test(parameter) ? name.slice(0, Math.max(cut, 0)) : name.replace(/_(?:weight|bias)$/, "");
  for (const [rule, kind] of PARAMETER_RULES) if (rule.test(name) && !(parameter === "scale" && first(MODULE_RULES, module) === "norm")) return kind;
  if (/^(?:weight|bias)_(?:ih|hh)(?:_l\d+)?(?:_reverse)?$/.test(parameter)) return parameter.startsWith("bias") ? "bias" : "rnn";
  if (/(?:^|_)(?:bias|beta)$/.test(parameter) && axes <= 1) return "bias";
  const inLayer = /(?:\.|_)\*(?:\.|$)/.test(module);
  const named = first(MODULE_RULES, module.replace(/\.base_layer$/, "")) ?? (inLayer ? first(IN_LAYER_RULES, module) : undefined);
  if (named !== undefined && !(named === "norm" && axes > 1)) return named;
  if (axes >= 3) return "conv";
  return axes === 2 ? "fc" : "other";
}

function first(rules: readonly (readonly [RegExp, TensorKind])[], text: string): TensorKind | undefined {
  return rules.find(([rule]) => rule.test(text))?.[1];
}
