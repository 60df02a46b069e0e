/**
 * What PEFT saves beside a family's own factors, whatever the family: tensors that take the place of the base's
 * (`modules_to_save`, trained biases, resized embeddings) and single rows of embeddings (`trainable_token_indices`).
 */
import type { AdapterModule, AdapterSource } from "./adapter";
import { deltaOnBase } from "./base-model";
import { subtract } from "./build";
import { baseName, factorOf, type Factor } from "./peft-names";
import { trainedRows } from "./trainable-tokens";

/** Parts of names that families use for their own parameters: no tensor of a base is named so. */
const FAMILY_PART = /^(?:lora|hada|lokr|oft|boft|vera|pvera|randlora|ia3|fourierft|waveft|vblora|unilora|tinylora|gralora|delora|c3a|hra|road|hira|miss|bone|glora|deft|psoft|peanut|osf|frod|shira|supertuning|poly|adamss|beft|ln_tuning|lily|shadow|token_adapter|trainable_tokens|prompt|adaption)(?:_|$)/i;

/** The replaced tensors that no family module accounts for. `modules` are the family's. */
export async function replacedTensors(source: AdapterSource, type: string, modules: readonly AdapterModule[]): Promise<AdapterModule[]> {
  const taken = new Set(modules.flatMap(({ factors }) => factors));
  const changed = new Set(modules.map(({ tensor }) => tensor));
  const ranks = new Map(modules.map(({ module, rank }) => [module, rank]));
  const more: AdapterModule[] = [];
  for (const [index, tensor] of source.checkpoint.tensors.entries()) {
    if (taken.has(index)) continue;
    const name = baseName(tensor.name);
    const rows = /^(.+)\.token_adapter\.trainable_tokens_delta$/.exec(name);
    if (rows !== null) {
      more.push(await trainedRows(source, type, rows[1]!, factorOf(source, tensor, index)));
      continue;
    }
    const parts = name.split(".");
    const parameter = parts.pop()!;
    if ((parameter !== "weight" && parameter !== "bias") || parts.some((part) => FAMILY_PART.test(part))) continue;
    const trained = parts.at(-1) === "base_layer";
    // PEFT also stores a copy of the embedding it adapts; it is the base's own, no change.
    if (trained && parameter === "weight") continue;
    const module = parts.filter((part) => part !== "base_layer").join(".");
    const target = `${module}.${parameter}`;
    if (changed.has(target)) continue;
    changed.add(target);
    const kind = trained || !ofModulesToSave(source, module) ? type : "modules_to_save";
    more.push(await replacement(source, { module, tensor: target, type: kind, rank: trained ? (ranks.get(module) ?? null) : null }, factorOf(source, tensor, index)));
  }
  return more;
}

function ofModulesToSave({ config }: AdapterSource, module: string): boolean {
  const names = config.modules_to_save;
  return Array.isArray(names) && names.some((name) => typeof name === "string" && (module === name || `.${module}.`.includes(`.${name}.`)));
}

/** A stored tensor that takes the base's place: ΔW = stored − W. */
export async function replacement(source: AdapterSource, named: Pick<AdapterModule, "module" | "tensor" | "type" | "rank">, { index, expression, shape }: Factor): Promise<AdapterModule> {
  return { ...named, scale: 1, shape, factors: [index], ...(await deltaOnBase(source, named.tensor, (weight) => subtract(expression, weight))) };
}
