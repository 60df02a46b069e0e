/** LoRA: ΔW = s·B·A, and its variants. Formulas as PEFT 0.21 computes them. */
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { product, reshape, scale, flatten } from "./build";
import { asStored, inModule, modulesWith, needed, numberSetting, patternNumber, storedAxes, type PeftModule } from "./peft-names";

const PARAMETERS = [
  "lora_A.weight", "lora_B.weight", "lora_B.bias", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "lora_magnitude_vector.weight", "lora_diag",
];

export async function lora(source: AdapterSource): Promise<FamilyAnswer> {
  const modules: AdapterModule[] = [];
  for (const module of modulesWith(source, PARAMETERS)) modules.push(await inModule(source, module.path, () => linear(source, module)));
  return modules;
}

/** s = α/r, or α/√r with `use_rslora`; α after `alpha_pattern`. */
export function loraScale(source: AdapterSource, module: string, rank: number): number {
  const alpha = patternNumber(source, "alpha_pattern", module, numberSetting(source, "lora_alpha", 8));
  return alpha / (source.config.use_rslora === true ? Math.sqrt(rank) : rank);
}

function linear(source: AdapterSource, module: PeftModule): AdapterModule {
  const a = needed(source, module, "lora_A.weight");
  const b = needed(source, module, "lora_B.weight");
  const [rank = 0, ...inputs] = a.shape;
  const out = b.shape[0] ?? 0;
  const s = loraScale(source, module.module, rank);
  const tensor = `${module.module}.weight`;
  const update = scale(product(flatten(b.expression), flatten(a.expression)), s);
  const common = { module: module.module, tensor, type: "LORA", rank, scale: s, factors: [a.index, b.index] };
  if (inputs.length !== 1) return { ...common, shape: [out, ...inputs], delta: reshape(update, [out, ...inputs]) };
  const stored = storedAxes(source, tensor, [out, inputs[0]!]);
  const delta = asStored(update, stored);
  return { ...common, shape: stored === undefined ? [out, inputs[0]!] : [inputs[0]!, out], ...(stored === undefined ? {} : { stored }), delta };
}
