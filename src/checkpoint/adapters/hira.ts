/** HiRA (Huang et al., 2025): W ⊙ (B·A). */
import type { FamilyReader } from "./adapter";
import { flatten, hadamard, product, reshape, shapeOf, transpose } from "./build";
import { everyModule, updatedOnBase } from "./modules";
import { asStored, needed, storedAxes } from "./peft-names";

export const hira: FamilyReader = (source) =>
  everyModule(source, ["hira_A", "hira_B", "hira_embedding_A", "hira_embedding_B"], (module) => {
    if (module.factors.has("hira_embedding_A")) {
      const a = needed(source, module, "hira_embedding_A");
      const b = needed(source, module, "hira_embedding_B");
      const factor = transpose(product(b.expression, a.expression));
      return updatedOnBase(source, "HIRA", module, "weight", (weight) => hadamard(weight, factor), { rank: a.shape[0]!, shape: shapeOf(factor), stored: "vocabulary_first" });
    }
    const a = needed(source, module, "hira_A");
    const b = needed(source, module, "hira_B");
    const [rank = 0, ...inputs] = a.shape;
    const [out = 0] = b.shape;
    // A convolution with a kernel of one point is a product: B is (out, r, 1, …).
    const matrix = product(reshape(b.expression, [out, rank]), flatten(a.expression));
    const stored = inputs.length === 1 ? storedAxes(source, `${module.module}.weight`, [out, inputs[0]!]) : undefined;
    const factor = asStored(reshape(matrix, [out, ...inputs]), stored);
    return updatedOnBase(source, "HIRA", module, "weight", (weight) => hadamard(weight, factor), { rank, shape: shapeOf(factor), ...(stored === undefined ? {} : { stored }) });
  });
