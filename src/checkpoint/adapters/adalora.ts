/**
 * AdaLoRA: ΔW = α/(init_r + 1e-5)·B·(A⊙E), A (r, in·k…), E (r, 1), B (out, r). α is not divided by r; the divisor is the
 * configured `init_r` also after pruning, as PEFT 0.21 restores it. A module that was pruned to rank 0 changes nothing;
 * the divisor is 1e-5 there.
 */
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { fill, hadamard, product, reshape, scale, shapeOf } from "./build";
import { asStored, inModule, modulesWith, needed, numberSetting, storedAxes, type PeftModule } from "./peft-names";

export async function adalora(source: AdapterSource): Promise<FamilyAnswer> {
  const modules: AdapterModule[] = [];
  for (const group of modulesWith(source, ["lora_A", "lora_B", "lora_E"])) {
    modules.push(await inModule(source, group.path, () => layer(source, group)));
  }
  return modules;
}

function layer(source: AdapterSource, group: PeftModule): AdapterModule {
  const { module } = group;
  const [a, b, e] = [needed(source, group, "lora_A"), needed(source, group, "lora_B"), needed(source, group, "lora_E")];
  const [rank = 0, width = 0] = a.shape;
  const [out = 0] = b.shape;
  const s = numberSetting(source, "lora_alpha", 8) / ((rank === 0 ? 0 : numberSetting(source, "init_r", 12)) + 1e-5);
  const tensor = `${module}.weight`;
  const update = rank === 0 ? fill([out, width], 0) : scale(product(b.expression, hadamard(a.expression, e.expression)), s);
  const kernel = source.base?.find(tensor)?.shape ?? [];
  const common = { module, tensor, type: "ADALORA", rank, scale: s, factors: [a.index, b.index, e.index] };
  // A convolution's A has its kernel flattened: only the base knows the kernel's shape.
  if (kernel.length > 2) return { ...common, shape: kernel, delta: reshape(update, kernel) };
  const stored = storedAxes(source, tensor, [out, width]);
  const delta = asStored(update, stored);
  return { ...common, shape: shapeOf(delta), ...(stored === undefined ? {} : { stored }), delta };
}
