/** VB-LoRA: ΔW = B·A, whose rows are made of pieces, each a mixture of k vectors of one shared bank. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { compute, concatenate, fill, gather, permute, product, reshape, ShapeMismatch, shapeOf, subtract, sum } from "./build";
import { eachModule, neededShared, sizedByAdapter, weightFacts } from "./linear-layer";
import { needed, numberSetting, settingError, type PeftModule } from "./peft-names";

const SIDES = ["vblora_logits_A", "vblora_logits_B"];
const PARAMETERS = SIDES.flatMap((side) => [side, `${side}_topk_weights`, `${side}_topk_indices`]);

export async function vblora(source: AdapterSource): Promise<FamilyAnswer> {
  const k = numberSetting(source, "topk", 2);
  if (!Number.isInteger(k) || k < 1) throw settingError(source, "topk", k, "a whole number from 1");
  const bank = neededShared(source, "vblora_vector_bank");
  return eachModule(source, PARAMETERS, (module) => {
    const a = pieces(source, module, "vblora_logits_A", bank.expression, k);
    const b = pieces(source, module, "vblora_logits_B", bank.expression, k);
    const [rank = 0, inTiles = 0, length = 0] = shapeOf(a);
    const [outTiles = 0, rankOfB = 0] = shapeOf(b);
    const update = product(reshape(permute(b, [0, 2, 1]), [outTiles * length, rankOfB]), reshape(a, [rank, inTiles * length]));
    const facts = weightFacts(module, "VBLORA", rank, 1);
    return sizedByAdapter(source, { ...facts, factors: [...facts.factors, bank.index] }, update);
  });
}

/**
 * The mixed vectors of one side, (…, …, vector length): softmax over the k largest of the stored logits, or the stored
 * weights of the stored k vectors, of which the file leaves out the last, 1 − Σ.
 */
function pieces(source: AdapterSource, module: PeftModule, side: string, bank: Expression, largest: number): Expression {
  const length = shapeOf(bank)[1] ?? 0;
  const logits = module.factors.get(side);
  if (logits !== undefined) {
    const [first = 0, second = 0, vectors = 0] = threeAxes(logits.shape);
    const weights = compute({ name: "topSoftmax", k: Math.min(vectors, largest) }, reshape(logits.expression, [first * second, vectors]));
    return reshape(product(weights, bank), [first, second, length]);
  }
  const indices = needed(source, module, `${side}_topk_indices`);
  const weights = needed(source, module, `${side}_topk_weights`);
  const [first = 0, second = 0, k = 0] = threeAxes(indices.shape);
  if (k === 0) throw new ShapeMismatch("no vectors are mixed");
  const count = first * second;
  const others = reshape(weights.expression, [count, 1, k - 1]);
  const last = subtract(fill([1], 1), sum(others, [2]));
  const vectors = reshape(gather(bank, 0, reshape(indices.expression, [count * k])), [count, k, length]);
  return reshape(k === 1 ? vectors : product(concatenate(2, others, last), vectors), [first, second, length]);
}

function threeAxes(shape: readonly number[]): readonly number[] {
  if (shape.length !== 3) throw new ShapeMismatch(`the mixtures have ${shape.length} axes, not 3`);
  return shape;
}
