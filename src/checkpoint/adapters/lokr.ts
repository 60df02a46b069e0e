/** LoKr (Yeh et al., 2024; arXiv 2309.14859): s·(w1 ⊗ w2), each factor whole or a product of two. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyReader } from "./adapter";
import { bracketed, hadamard, product, reshape, scale, shapeOf, ShapeMismatch } from "./build";
import { baseShape, everyModule, updated } from "./modules";
import { needed, numberSetting, patternNumber, type PeftModule } from "./peft-names";
import { tucker } from "./tucker";

const PARAMETERS = ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"];

export const lokr: FamilyReader = (source) =>
  everyModule(source, PARAMETERS, (module) => {
    const of = (name: string): Expression => needed(source, module, name).expression;
    const w1 = module.factors.has("lokr_w1") ? of("lokr_w1") : product(of("lokr_w1_a"), of("lokr_w1_b"));
    const w2 = module.factors.has("lokr_w2") ? of("lokr_w2")
      : module.factors.has("lokr_t2") ? tucker(of("lokr_t2"), of("lokr_w2_a"), of("lokr_w2_b"))
      : product(of("lokr_w2_a"), of("lokr_w2_b"));
    const rank = rankOf(source, module);
    const factor = patternNumber(source, "alpha_pattern", module.module, numberSetting(source, "alpha", 8)) / rank;
    const update = scale(kroneckerOf(w1, w2), factor);
    const shape = baseShape(source, module, "weight") ?? shapeOf(update);
    return updated("LOKR", module, "weight", {
      rank, scale: factor, shape, delta: reshape(update, shape),
      ...(shapeOf(w2).length === 3 ? { note: "PEFT pads the first Kronecker factor of a Conv1d in front and reads the product in row-major order" } : {}),
    });
  });

/** The rank that a decomposed factor shows; with both factors whole, only the configuration knows it. */
function rankOf(source: AdapterSource, module: PeftModule): number {
  const shown = module.factors.get("lokr_t2") ?? module.factors.get("lokr_w2_b") ?? module.factors.get("lokr_w1_b");
  const rank = shown?.shape[0] ?? patternNumber(source, "rank_pattern", module.module, numberSetting(source, "r", 8));
  if (!(rank > 0)) throw new ShapeMismatch("they have no rank to scale by");
  return rank;
}

/**
 * Kronecker product of w1 (a, c) with w2 (b, d, kernel…) as (a·b, c·d, kernel…). A w2 of three axes is a Conv1d's: there
 * torch.kron takes w1 as (1, a, c), and its (b, a·d, c·k) is read as (a·b, c·d, k).
 */
function kroneckerOf(w1: Expression, w2: Expression): Expression {
  const left = shapeOf(w1);
  const [b = 0, d = 0, ...kernel] = shapeOf(w2);
  const [a = 0, c = 0] = left;
  if (left.length !== 2 || kernel.length > 3) throw new ShapeMismatch(`${bracketed(left)} and ${bracketed(shapeOf(w2))} are no factors of a Kronecker product`);
  const [k = 1] = kernel;
  if (kernel.length === 1) return reshape(hadamard(reshape(w1, [1, a, 1, c, 1]), reshape(w2, [b, 1, d, 1, k])), [a * b, c * d, k]);
  const points = kernel.reduce((count, length) => count * length, 1);
  return reshape(hadamard(reshape(w1, [a, 1, c, 1, 1]), reshape(w2, [1, b, 1, d, points])), [a * b, c * d, ...kernel]);
}
