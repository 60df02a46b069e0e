/**
 * GraLoRA (Jung et al., 2025; arXiv 2505.20355): the weight in k × k blocks, block (j, n) a product of rank r/k, and in the
 * hybrid form a low-rank update of the whole besides.
 */
import type { FamilyReader } from "./adapter";
import { add, bracketed, permute, product, reshape, scale, shapeOf, ShapeMismatch } from "./build";
import { everyModule, updated } from "./modules";
import { asStored, needed, numberSetting, storedAxes } from "./peft-names";

const PARAMETERS = ["gralora_A", "gralora_B", "gralora_A_general.weight", "gralora_B_general.weight"];

export const gralora: FamilyReader = (source) =>
  everyModule(source, PARAMETERS, (module) => {
    const a = needed(source, module, "gralora_A");
    const b = needed(source, module, "gralora_B");
    const [k = 0, i = 0, rank = 0] = a.shape;
    const [, , o = 0] = b.shape;
    const t = rank / k;
    if (a.shape.length !== 3 || bracketed(b.shape) !== bracketed([k, rank, o]) || rank < 1 || !Number.isInteger(t)) {
      throw new ShapeMismatch(`${bracketed(a.shape)} and ${bracketed(b.shape)} are no factors of a grid of blocks`);
    }
    // A is (n, i, (j, t)) and B (j, (n, t), o): over (j, n), products (o, t)·(t, i).
    const left = permute(reshape(b.expression, [k, k, t, o]), [0, 1, 3, 2]);
    const right = permute(reshape(a.expression, [k, i, k, t]), [2, 0, 3, 1]);
    let update = reshape(permute(product(left, right), [0, 2, 1, 3]), [k * o, k * i]);
    let hybrid = 0;
    if (module.factors.has(PARAMETERS[2]!) || module.factors.has(PARAMETERS[3]!)) {
      const general = needed(source, module, PARAMETERS[2]!);
      hybrid = general.shape[0]!;
      update = add(update, product(needed(source, module, PARAMETERS[3]!).expression, general.expression));
    }
    const factor = numberSetting(source, "alpha", 64) / (rank + hybrid);
    const stored = storedAxes(source, `${module.module}.weight`, [k * o, k * i]);
    const delta = asStored(scale(update, factor), stored);
    return updated("GRALORA", module, "weight", { rank, scale: factor, shape: shapeOf(delta), delta, ...(stored === undefined ? {} : { stored }) });
  });
