/** LoHa (Hyeon-Woo et al., 2022; arXiv 2108.06098): s·(w1a·w1b) ⊙ (w2a·w2b), or of two Tucker decompositions. */
import type { FamilyReader } from "./adapter";
import { hadamard, product, reshape, scale, shapeOf, ShapeMismatch } from "./build";
import { baseShape, everyModule, updated } from "./modules";
import { needed, numberSetting, patternNumber } from "./peft-names";
import { tucker } from "./tucker";

const PARAMETERS = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"];

export const loha: FamilyReader = (source) =>
  everyModule(source, PARAMETERS, (module) => {
    const [a1, b1, a2, b2] = PARAMETERS.slice(0, 4).map((name) => needed(source, module, name));
    const effective = module.factors.has("hada_t1") || module.factors.has("hada_t2");
    const half = (core: string, a: typeof a1, b: typeof b1) =>
      effective ? tucker(needed(source, module, core).expression, a!.expression, b!.expression) : product(a!.expression, b!.expression);
    const rank = b1!.shape[0]!;
    if (!(rank > 0)) throw new ShapeMismatch("they have no rank to scale by");
    const factor = patternNumber(source, "alpha_pattern", module.module, numberSetting(source, "alpha", 8)) / rank;
    const update = scale(hadamard(half("hada_t1", a1, b1), half("hada_t2", a2, b2)), factor);
    const shape = baseShape(source, module, "weight") ?? shapeOf(update);
    return updated("LOHA", module, "weight", { rank, scale: factor, shape, delta: reshape(update, shape) });
  });
