/** RandLoRA: ΔW = s·Σ over n random bases, each scaled by a trained diagonal on either side; s = α/r. */
import type { FamilyAnswer, AdapterSource } from "./adapter";
import { hadamard, product, reshape, scale, shapeOf, slice, transpose } from "./build";
import { eachModule, linearLayer, sizedByBase, weightFacts } from "./linear-layer";
import { needed, numberSetting, sharedFactor } from "./peft-names";

/**
 * λ (r, n), γ (n, min); the shared bases are A (r, 1, ≥ min) and B (≥ max, ≥ n, r), of which PEFT stores a copy under every
 * module as well. min and max are the smaller and the larger side of the layer.
 */
const PARAMETERS = ["randlora_lambda", "randlora_gamma"];

const NOT_STORED =
  "the random bases are not stored (save_projection is off), and PEFT draws them in bfloat16 or float16 after the machine and the version of torch, which no file names";

export async function randlora(source: AdapterSource): Promise<FamilyAnswer> {
  const [a, b] = [sharedFactor(source, "randlora_A"), sharedFactor(source, "randlora_B")];
  return eachModule(source, PARAMETERS, (module) => {
    const lambda = needed(source, module, "randlora_lambda");
    const gamma = needed(source, module, "randlora_gamma");
    const [rank = 0, bases = 0] = lambda.shape;
    const smaller = gamma.shape[1] ?? 0;
    const s = numberSetting(source, "randlora_alpha", 640) / rank;
    const facts = weightFacts(module, "RANDLORA", rank, s);
    const factors = [...facts.factors, ...[a, b].flatMap((factor) => (factor === undefined ? [] : [factor.index]))];
    return sizedByBase(source, { ...facts, factors }, linearLayer(source, facts.tensor), ({ out, inputs }) => {
      if (a === undefined || b === undefined) return { refused: NOT_STORED };
      const left = reshape(slice(slice(b.expression, 0, 0, Math.max(out, inputs)), 1, 0, bases), [Math.max(out, inputs), bases * rank]);
      // PEFT flattens (n, r) in B but (r, n) in A: the k-th column of one meets the k-th row of the other all the same.
      const trained = hadamard(reshape(lambda.expression, [rank, bases, 1]), reshape(gamma.expression, [1, bases, smaller]));
      const random = slice(a.expression, 2, 0, Math.min(out, inputs));
      const right = reshape(hadamard(trained, random), [rank * bases, shapeOf(random)[2]!]);
      return scale(inputs <= out ? product(left, right) : product(transpose(right), transpose(left)), s);
    });
  });
}
