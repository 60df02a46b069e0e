/** SHiRA (Bhardwaj et al., 2024; arXiv 2406.13175): values added at stored positions of the weight. */
import type { FamilyReader } from "./adapter";
import { add, bracketed, reshape, scale, scatter, shapeOf, ShapeMismatch, slice } from "./build";
import { everyModule, updatedOnBase } from "./modules";
import { needed, numberSetting } from "./peft-names";

export const shira: FamilyReader = (source) =>
  everyModule(source, ["shira_weight", "shira_indices"], (module) => {
    const values = needed(source, module, "shira_weight");
    const indices = needed(source, module, "shira_indices");
    const [count = 0] = values.shape;
    if (bracketed(indices.shape) !== bracketed([2, count])) throw new ShapeMismatch(`${bracketed(indices.shape)} does not hold a row and a column for each of ${count} values`);
    return updatedOnBase(source, "SHIRA", module, "weight", (weight) => {
      const shape = shapeOf(weight);
      if (shape.length !== 2) throw new ShapeMismatch(`${bracketed(shape)} has no rows and columns`);
      const [rows, columns] = [0, 1].map((i) => reshape(slice(indices.expression, 0, i, i + 1), [count]));
      return scatter(shape, add(scale(rows!, shape[1]!), columns!), values.expression);
    }, { rank: numberSetting(source, "r", 32) });
  });
