/** RoAd (Liao & Monz, 2024; arXiv 2409.00119): R·W − W and R·b − b, R rotating and scaling pairs of outputs. */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyReader } from "./adapter";
import { add, fill, gather, hadamard, literal, map, reshape, shapeOf, ShapeMismatch, slice, subtract } from "./build";
import { baseShape, everyModule, updatedOnBase } from "./modules";
import { needed, numberSetting, type PeftModule, settingError } from "./peft-names";

export const road: FamilyReader = (source) => {
  const group = numberSetting(source, "group_size", 64);
  if (!Number.isInteger(group) || group < 2 || group % 2 !== 0) throw settingError(source, "group_size", group, "an even number");
  return everyModule(source, ["road_theta", "road_alpha"], async (module) => {
    const [onDiagonal, offDiagonal] = coefficients(source, module, group);
    const update = (values: Expression): Expression => rotated(values, onDiagonal, offDiagonal, group);
    const modules: AdapterModule[] = [await updatedOnBase(source, "ROAD", module, "weight", update)];
    if (baseShape(source, module, "bias") !== undefined) modules.push(await updatedOnBase(source, "ROAD", module, "bias", update));
    return modules;
  });
};

/** α·cos θ and α·sin θ of the outputs, as (groups, 1 or 2, group/2, 1); a variant shares them between more or fewer outputs. */
function coefficients(source: AdapterSource, module: PeftModule, group: number): [Expression, Expression] {
  const theta = needed(source, module, "road_theta");
  const alpha = needed(source, module, "road_alpha");
  const [size = 0] = theta.shape;
  const variant = source.config.variant ?? "road_1";
  // How many outputs one entry stands for, as halves of a group: road_1 one half for both, road_2 each its own, road_4 two entries each.
  const halves = variant === "road_1" ? 1 : variant === "road_2" ? 2 : variant === "road_4" ? 4 : 0;
  if (halves === 0) throw settingError(source, "variant", variant, "road_1, road_2 or road_4");
  const groups = size / (halves * group / 2);
  if (!Number.isInteger(groups)) throw new ShapeMismatch(`${size} angles do not fill groups of ${group}`);
  const part = (of: Expression, which: 0 | 1): Expression => {
    const split = reshape(of, [groups, halves, group / 2, 1]);
    return halves === 4 ? slice(split, 1, 2 * which, 2 * which + 2) : split;
  };
  return [
    hadamard(part(alpha.expression, 0), map(part(theta.expression, 0), "cosine")),
    hadamard(part(alpha.expression, 1), map(part(theta.expression, 1), "sine")),
  ];
}

/** Output p becomes c_p·w_p ∓ s_p·w_q, q being p's place in the other half of its group; the first halves subtract. */
function rotated(values: Expression, onDiagonal: Expression, offDiagonal: Expression, group: number): Expression {
  const shape = shapeOf(values);
  const [out = 0, inputs = 1] = shape;
  if (out % group !== 0 || shape.length > 2) throw new ShapeMismatch(`groups of ${group} do not divide ${out} outputs`);
  const halves = reshape(values, [out / group, 2, group / 2, inputs]);
  const swapped = gather(halves, 1, literal([2], [1, 0]));
  const kept = hadamard(subtract(onDiagonal, fill([1, 1, 1, 1], 1)), halves);
  const turned = hadamard(hadamard(literal([1, 2, 1, 1], [-1, 1]), offDiagonal), swapped);
  return reshape(add(kept, turned), shape);
}
