/**
 * The names of kohya's trainers and of LyCORIS: `lora_unet_down_blocks_0_…_to_q.lora_down.weight`. A module's dots are
 * underscores there, so that only the base model's own names tell which module is meant.
 */
import type { Checkpoint } from "../checkpoint";
import type { AdapterSource } from "./adapter";
import { BaseModel } from "./base-model";
import { factorOf, type Factor } from "./peft-names";

/** What may stand after a module. Diffusers and ComfyUI write A and B for down and up. */
const PARAMETERS: ReadonlyMap<string, string> = new Map<string, string>([
  ...[
    "alpha", "dora_scale", "scalar", "lora_down.weight", "lora_up.weight", "lora_mid.weight",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
    "a1.weight", "a2.weight", "b1.weight", "b2.weight", "weight", "on_input", "diff", "diff_b", "w_norm", "b_norm", "oft_blocks", "rescale",
  ].map((name): [string, string] => [name, name]),
  ["lora_A.weight", "lora_down.weight"], ["lora_B.weight", "lora_up.weight"], ["lora.down.weight", "lora_down.weight"], ["lora.up.weight", "lora_up.weight"],
]);

/** Parameters that no whole model has; others only under a module that is named as an adapter's. */
const MARKS = new Set(["lora_down.weight", "lora_up.weight", "hada_w1_a", "hada_w1_b", "lokr_w1", "lokr_w1_a", "lokr_w2", "oft_blocks", "on_input", "dora_scale"]);
const PREFIXED_MARKS = new Set(["diff", "diff_b", "w_norm", "b_norm", "a1.weight", "b1.weight"]);

/** What stands before the module, longest first; a number says which of several text encoders. */
const PREFIX = /^(?:lora_prior_(?:unet|te)_|lora_unet_|lora_te(\d?)_|lora_transformer_|lora_llm_adapter_|lycoris_(?:unet_|te(\d?)_)?|lora_|diffusion_model\.|unet\.|text_encoder(?:_(\d))?\.|transformer\.)/;

/** What a file of the whole pipeline puts before the names of its parts, underscored. */
const PARTS = ["", "model_diffusion_model_", "diffusion_model_", "cond_stage_model_transformer_", "conditioner_embedders_0_transformer_", "conditioner_embedders_1_model_", "transformer_", "model_"];

/** The factors of one module, as the file names it and as the base does. */
export interface KohyaModule {
  /** As in the file: `lora_unet_…`. */
  key: string;
  /** The base's module; without a base, the key. */
  module: string;
  factors: Map<string, Factor>;
  /** The source with the one base model that has the module. */
  source: AdapterSource;
}

/** Of a file with more tensors than adapters have, so many are looked at. */
const MOST_LOOKED_AT = 20_000;

/** Whether a file is in this layout, by its names. A model that merely contains such layers is a model. */
export function isKohya({ tensors }: Checkpoint): boolean {
  const step = Math.max(1, Math.ceil(tensors.length / MOST_LOOKED_AT));
  let looked = 0;
  let recognised = 0;
  let marked = false;
  for (let i = 0; i < tensors.length; i += step) {
    looked++;
    const split = splitName(tensors[i]!.name);
    if (split === undefined) continue;
    recognised++;
    marked ||= MARKS.has(split.parameter) || (PREFIXED_MARKS.has(split.parameter) && PREFIX.test(split.key));
  }
  return marked && recognised * 2 >= looked;
}

/** The modules of a file in this layout, in its order. */
export function kohyaModules(source: AdapterSource): KohyaModule[] {
  const groups = new Map<string, Map<string, Factor>>();
  for (const [index, tensor] of source.checkpoint.tensors.entries()) {
    const split = splitName(tensor.name);
    if (split === undefined) continue;
    let group = groups.get(split.key);
    if (group === undefined) groups.set(split.key, (group = new Map<string, Factor>()));
    group.set(split.parameter, factorOf(source, tensor, index));
  }
  const names = (source.base?.checkpoints ?? []).map(underscored);
  return [...groups].map(([key, factors]) => ({ key, factors, ...resolve(source, key, names) }));
}

function splitName(name: string): { key: string; parameter: string } | undefined {
  let at = name.length;
  let found: { key: string; parameter: string } | undefined;
  // The longest known ending: `lora_down.weight` before `weight`.
  for (let parts = 0; parts < 3; parts++) {
    at = name.lastIndexOf(".", at - 1);
    if (at <= 0) break;
    const parameter = PARAMETERS.get(name.slice(at + 1));
    if (parameter !== undefined) found = { key: name.slice(0, at), parameter };
  }
  return found;
}

interface Names {
  base: BaseModel;
  /** Underscored module → module. */
  modules: Map<string, string>;
}

function underscored(source: Checkpoint): Names {
  const modules = new Map<string, string>();
  for (const { name } of source.tensors) {
    const module = name.slice(0, Math.max(name.lastIndexOf("."), 0));
    if (module !== "" && !modules.has(module.replaceAll(".", "_"))) modules.set(module.replaceAll(".", "_"), module);
  }
  return { base: new BaseModel([source]), modules };
}

function resolve(source: AdapterSource, key: string, names: readonly Names[]): Pick<KohyaModule, "module" | "source"> {
  const prefix = PREFIX.exec(key);
  const rest = key.slice(prefix?.[0].length ?? 0).replaceAll(".", "_");
  const encoder = Number(prefix?.slice(1).find((digit) => digit !== undefined && digit !== "") ?? 1);
  const found: { module: string; base: BaseModel }[] = [];
  for (const { base, modules } of names) {
    const part = PARTS.find((lead) => modules.has(lead + rest));
    if (part !== undefined) found.push({ module: modules.get(part + rest)!, base });
  }
  const chosen = found[encoder - 1] ?? found[0];
  return chosen === undefined ? { module: key, source } : { module: chosen.module, source: { ...source, base: chosen.base } };
}
