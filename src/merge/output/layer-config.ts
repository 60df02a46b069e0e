/** What a `config.json` says of layers, one by one, when the output puts them together anew. */
import type { Json } from "../../checkpoint/json-reader";
import { holders, shownKey, type JsonObject, type ModuleLayers } from "./config";
import type { JsonEdit } from "./json-edit";

/** Keys of the number of layers, by module; the first that is there counts, with another of the same number. */
const COUNTS: Readonly<Record<string, readonly string[]>> = {
  encoder: ["num_layers", "encoder_layers", "num_encoder_layers"],
  decoder: ["num_decoder_layers", "decoder_layers"],
};
const COUNT = ["num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"];

/** Lists as long as a model has layers that are not about layers. */
const OTHER_LISTS = new Set(["architectures", "eos_token_id", "bad_words_ids", "mrope_section", "suppress_tokens", "begin_suppress_tokens"]);

/** Lists of the numbers of layers that are of a kind. */
const NUMBER_LISTS = ["mlp_only_layers", "moe_layers", "full_attn_idxs", "attn_layer_indices", "cross_attention_layers", "global_attention_layers"];

/** From which the kind of a layer follows by its number; what they say is of no use where there is `layer_types`. */
const RULES = ["sliding_window_pattern", "full_attention_interval", "global_attn_every_n_layers", "attn_layer_period", "expert_layer_period", "no_rope_layer_interval"];
const MORE_RULES = ["decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step"];

/** Families of which one layer in a few is another by its number, said nowhere in an older config. */
const ALTERNATING = new Set(["gemma2", "gemma3", "gemma3_text", "cohere2"]);

type Warn = (code: string, message: string) => void;

export function layerEdits(config: JsonObject, { module, before, from }: ModuleLayers, warn: Warn): JsonEdit[] {
  const keys = (module === null ? undefined : COUNTS[module]) ?? COUNT;
  const edits: JsonEdit[] = [];
  const moved = from.length !== before || from.some(({ layer }, i) => layer !== i);
  let counted = false;
  for (const { path, object } of holders(config)) {
    const present = keys.filter((key) => typeof object[key] === "number");
    for (const key of present.filter((key) => object[key] === object[present[0]!])) edits.push({ path: [...path, key], value: from.length });
    if (present.length > 0) counted = true;
    if (moved && (present.length > 0 || path.length === 0)) edits.push(...kinds(object, path, before, from, warn));
  }
  if (counted || from.length === before) return edits;
  // T5 and its kin leave the decoder's number out where it equals the encoder's.
  if (module === "decoder" && typeof config.num_layers === "number") return [...edits, { path: ["num_decoder_layers"], value: from.length }];
  warn("config-layers", `the output has ${from.length} layers and the model whose config.json it takes ${before}, but the file says their number under none of the keys known (${keys.join(", ")}): correct it by hand`);
  return edits;
}

/** Lists with an entry for each layer, and lists of layers' numbers, as the layers' sources have them. */
function kinds(object: JsonObject, path: string[], before: number, from: ModuleLayers["from"], warn: Warn): JsonEdit[] {
  const edits: JsonEdit[] = [];
  for (const [key, value] of Object.entries(object)) {
    if (Array.isArray(value) && value.length === before && !OTHER_LISTS.has(key) && (before > 1 || key === "layer_types")) {
      edits.push({ path: [...path, key], value: entries(value, path, key, from, warn) });
    } else if (key === "hybrid_override_pattern" && typeof value === "string" && value.length === before) {
      edits.push({ path: [...path, key], value: entries([...value], path, key, from, warn).map(String).join("") });
    } else if (NUMBER_LISTS.includes(key) && Array.isArray(value) && value.length > 0) {
      edits.push({ path: [...path, key], value: from.flatMap(({ config, layer }, i) => (numbers(inner(config, path)?.[key] ?? value).has(layer) ? [i] : [])) });
    }
  }
  const byRule = [...(Array.isArray(object.layer_types) ? [] : RULES), ...MORE_RULES].filter((key) => typeof object[key] === "number" && object[key] > 1);
  for (const key of byRule) warn("config-layer-rule", `${shownKey(key)} says what a layer is by its number, and the slices give layers other numbers: the output's may be read as layers of another kind`);
  if (typeof object.model_type === "string" && ALTERNATING.has(object.model_type) && !Array.isArray(object.layer_types) && byRule.length === 0) {
    warn("config-layer-rule", `models of the type ${object.model_type} alternate kinds of layers by their number, and the slices give layers other numbers: add "layer_types" to config.json with an entry for each`);
  }
  return edits;
}

/** Each layer's entry in its own model's config; where that has none, in `own`, the list of the config that is taken. */
function entries(own: readonly Json[], path: readonly string[], key: string, from: ModuleLayers["from"], warn: Warn): unknown[] {
  const lacking: number[] = [];
  const list = from.map(({ config, layer }, i) => {
    const theirs = inner(config, path)?.[key];
    const found: unknown = Array.isArray(theirs) || typeof theirs === "string" ? theirs[layer] : undefined;
    if (found === undefined) lacking.push(i);
    return found ?? own[Math.min(layer, own.length - 1)];
  });
  if (lacking.length > 0) warn("config-layer-list", `${shownKey(key)} has an entry for each layer, and the models that ${lacking.length > 1 ? "layers" : "layer"} ${lacking.join(", ")} of the output come from have none: entries of the config that is taken stand in`);
  return list;
}

/** The configuration at the same place in another model's. */
function inner(config: Readonly<Record<string, unknown>> | null, path: readonly string[]): Readonly<Record<string, unknown>> | undefined {
  let object: unknown = config;
  for (const key of path) object = typeof object === "object" && object !== null ? (object as Record<string, unknown>)[key] : undefined;
  return typeof object === "object" && object !== null ? (object as Record<string, unknown>) : undefined;
}

function numbers(list: unknown): Set<number> {
  return new Set(Array.isArray(list) ? list.filter((value): value is number => typeof value === "number") : []);
}
