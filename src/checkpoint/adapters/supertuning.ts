/**
 * Super-Tuning as PEFT stores it: values added at flat positions of the weight, which are stored or are those of the base's
 * largest (or smallest) magnitudes; as Supra with a low-rank update besides.
 */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyReader } from "./adapter";
import { add, bracketed, compute, map, product, reshape, scale, scatter, shapeOf, ShapeMismatch } from "./build";
import { everyModule, updatedOnBase } from "./modules";
import { needed, numberSetting, type PeftModule } from "./peft-names";

const PARAMETERS = ["supertuning_values", "supertuning_indices", "supertuning_lora_A.weight", "supertuning_lora_B.weight"];

export const supertuning: FamilyReader = (source) =>
  everyModule(source, PARAMETERS, async (module): Promise<AdapterModule> => {
    const values = needed(source, module, PARAMETERS[0]!);
    const indices = module.factors.get(PARAMETERS[1]!);
    const [count = 0] = values.shape;
    if (values.shape.length !== 1) throw new ShapeMismatch(`${bracketed(values.shape)} is no list of values`);
    const { rank, factor, update } = lowRank(source, module);
    const described = await updatedOnBase(source, "SUPERTUNING", module, "weight", (weight) => {
      const positions = indices?.expression ?? chosenPositions(weight, count, source.config.select_top !== false);
      const sparse = scatter(shapeOf(weight), positions, values.expression);
      return update === undefined ? sparse : add(sparse, update);
    }, { rank, scale: factor });
    if (indices === undefined && described.delta !== null && await hasManyTies(source, module)) {
      return { ...described, delta: null, refused: "the positions are not stored, and which of the base's equal magnitudes in 16 bits were chosen is up to the library" };
    }
    return described;
  });

function lowRank(source: AdapterSource, module: PeftModule): { rank: number; factor: number; update?: Expression } {
  if (!module.factors.has(PARAMETERS[2]!) && !module.factors.has(PARAMETERS[3]!)) return { rank: 0, factor: 1 };
  const a = needed(source, module, PARAMETERS[2]!);
  const b = needed(source, module, PARAMETERS[3]!);
  const rank = a.shape[0]!;
  if (!(rank > 0)) throw new ShapeMismatch("they have no rank to scale by");
  const factor = numberSetting(source, "lora_alpha", rank) / rank;
  return { rank, factor, update: scale(product(b.expression, a.expression), factor) };
}

/** Flat positions of the `count` largest (or smallest) |w|, in that order. */
function chosenPositions(weight: Expression, count: number, largest: boolean): Expression {
  const elements = shapeOf(weight).reduce((total, length) => total * length, 1);
  if (count > elements) throw new ShapeMismatch(`${count} values have no place in ${bracketed(shapeOf(weight))}`);
  const magnitudes = reshape(map(weight, "absolute"), [elements]);
  return compute({ name: "topPositions", k: count }, scale(magnitudes, largest ? 1 : -1));
}

/** Whether the base stores the weight in fewer than 32 bits, where equal magnitudes are the rule. */
async function hasManyTies({ base }: AdapterSource, { module }: PeftModule): Promise<boolean> {
  const tensor = base?.find(`${module}.weight`);
  let expression = tensor === undefined ? null : await base!.expression(tensor);
  while (expression !== null && "of" in expression && !Array.isArray(expression.of)) expression = expression.of;
  return expression?.kind === "blocks" || (expression?.kind === "range" && expression.dtype !== "F32" && expression.dtype !== "F64");
}
