/** Uni-LoRA: ΔW = B·A, every entry of both picked from one shared vector θ and scaled. */
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { gather, hadamard, product, reshape } from "./build";
import { eachModule, weightFacts } from "./linear-layer";
import { asStored, needed, sharedFactor, storedAxes, type Factor } from "./peft-names";

const PARAMETERS = ["unilora_indices_A", "unilora_indices_B", "unilora_scales_A", "unilora_scales_B"] as const;

export async function unilora(source: AdapterSource): Promise<FamilyAnswer> {
  const theta = sharedFactor(source, "unilora_theta_d");
  if (theta === undefined) return { notMergeable: "the adapter's shared vector is missing, without which its indices say nothing" };
  const modules = await eachModule(source, PARAMETERS, (module): AdapterModule => {
    const [indicesA, indicesB, scalesA, scalesB] = PARAMETERS.map((parameter) => needed(source, module, parameter)) as [Factor, Factor, Factor, Factor];
    const picked = (indices: Factor, scales: Factor) =>
      hadamard(reshape(gather(theta.expression, 0, reshape(indices.expression, [indices.tensor.parameters])), indices.shape), scales.expression);
    const [out = 0, rank = 0] = indicesB.shape;
    const inputs = indicesA.shape[1] ?? 0;
    const facts = weightFacts(module, "UNILORA", rank, 1);
    const stored = storedAxes(source, facts.tensor, [out, inputs]);
    return {
      ...facts,
      factors: [...facts.factors, theta.index],
      shape: stored === undefined ? [out, inputs] : [inputs, out],
      ...(stored === undefined ? {} : { stored }),
      delta: asStored(product(picked(indicesB, scalesB), picked(indicesA, scalesA)), stored),
    };
  });
  if (modules.length > 0) return modules;
  return { notMergeable: "the adapter keeps only its shared vector (save_indices is off): which of its entries each weight takes was drawn with NumPy's generator, in the order of the model's modules, and is in no file" };
}
