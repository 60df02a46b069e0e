/** Uni-LoRA: ΔW = B·A, every entry of both picked from one shared vector θ and scaled. */
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { gather, hadamard, product, reshape } from "./build";
import { eachModule, neededShared, sizedByAdapter, weightFacts } from "./linear-layer";
import { needed, type Factor } from "./peft-names";

const PARAMETERS = ["unilora_indices_A", "unilora_indices_B", "unilora_scales_A", "unilora_scales_B"] as const;

export async function unilora(source: AdapterSource): Promise<FamilyAnswer> {
  const theta = neededShared(source, "unilora_theta_d");
  const modules = await eachModule(source, PARAMETERS, (module) => {
    const [indicesA, indicesB, scalesA, scalesB] = PARAMETERS.map((parameter) => needed(source, module, parameter)) as [Factor, Factor, Factor, Factor];
    const picked = (indices: Factor, scales: Factor) =>
      hadamard(reshape(gather(theta.expression, 0, reshape(indices.expression, [indices.tensor.parameters])), indices.shape), scales.expression);
    const facts = weightFacts(module, "UNILORA", indicesA.shape[0] ?? 0, 1);
    return sizedByAdapter(source, { ...facts, factors: [...facts.factors, theta.index] }, product(picked(indicesB, scalesB), picked(indicesA, scalesA)));
  });
  if (modules.length > 0) return modules;
  return { notMergeable: "the adapter keeps only its shared vector (save_indices is off): which of its entries each weight takes was drawn with NumPy's generator, in the order of the model's modules, and is in no file" };
}
