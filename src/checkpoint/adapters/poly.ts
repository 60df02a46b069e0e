/** Poly and multi-head routing (MHR): LoRA skills, mixed per task and per split of the features. ΔW = (A·B)ᵀ/r. */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { add, divide, fill, map, permute, product, reshape, scale, ShapeMismatch, slice, sum } from "./build";
import { eachModule, overRank, weightFacts } from "./linear-layer";
import { needed, settingError } from "./peft-names";

/** A (splits, skills, in/splits, r), B (splits, skills, r, out/splits), logits (tasks, splits·skills). */
const PARAMETERS = ["poly_lora_A", "poly_lora_B", "poly_router.module_logits"];

/** What PEFT adds to the sum of the gates before it divides by it. */
const SMALLEST_SUM = 1e-12;

export async function poly(source: AdapterSource): Promise<FamilyAnswer> {
  const kind = source.config.poly_type ?? "poly";
  if (kind !== "poly") throw settingError(source, "poly_type", kind, "\"poly\"");
  return eachModule(source, PARAMETERS, (module): AdapterModule => {
    const [a, b, logits] = PARAMETERS.map((parameter) => needed(source, module, parameter));
    const [splits = 0, skills = 0, inputs = 0, rank = 0] = a!.shape;
    const out = b!.shape[3] ?? 0;
    const tasks = logits!.shape[0] ?? 0;
    const task = source.task ?? 0;
    if (task >= tasks) throw new ShapeMismatch(`there are ${tasks} tasks, and none of number ${task}`);
    const gates = map(reshape(slice(logits!.expression, 0, task, task + 1), [splits, 1, skills]), "sigmoid");
    const weights = divide(gates, add(sum(gates, [2]), fill([1], SMALLEST_SUM)));
    const mixed = (skill: Expression, shape: [number, number, number]) => reshape(product(weights, reshape(skill, [splits, skills, shape[1] * shape[2]])), shape);
    const down = reshape(mixed(a!.expression, [splits, inputs, rank]), [splits * inputs, rank]);
    const up = reshape(permute(mixed(b!.expression, [splits, rank, out]), [0, 2, 1]), [splits * out, rank]);
    return {
      ...weightFacts(module, "POLY", rank, overRank(1, rank)),
      shape: [splits * out, splits * inputs],
      delta: scale(product(up, permute(down, [1, 0])), 1 / rank),
      ...(tasks === 1 ? {} : { tasks }),
    };
  });
}
