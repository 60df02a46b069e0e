/** HRA (Yuan et al., 2024; arXiv 2405.17484): W·H − W, H a product of Householder reflections of the inputs. */
import type { Expression } from "../../engine/protocol";
import type { FamilyReader } from "./adapter";
import { add, bracketed, compute, divide, fill, flatten, identity, inverse, hadamard, map, norm, product, reshape, scale, shapeOf, ShapeMismatch, transpose } from "./build";
import { everyModule, updatedOnBase } from "./modules";
import { needed } from "./peft-names";

export const hra: FamilyReader = (source) =>
  everyModule(source, ["hra_u"], (module) => {
    const { expression, shape } = needed(source, module, "hra_u");
    const [, rank = 0] = shape;
    if (shape.length !== 2 || rank < 1) throw new ShapeMismatch(`${bracketed(shape)} holds no reflections`);
    const orthonormal = source.config.apply_GS === true;
    return updatedOnBase(
      source, "HRA", module, "weight",
      (weight) => reshape(orthonormal ? reflectedOnce(flatten(weight), expression) : reflected(flatten(weight), expression, rank), shapeOf(weight)),
      { rank },
    );
  });

/**
 * W·Π(I − 2uuᵀ) − W = −W·U·T·Uᵀ, with T⁻¹ = ½I + the part of UᵀU above the diagonal (the compact WY form): its cost is
 * that of a product of rank r.
 * @param vectors (in, r); columns are normalised first.
 */
function reflected(weight: Expression, vectors: Expression, rank: number): Expression {
  const u = divide(vectors, norm(vectors, [0]));
  let t = scale(identity(rank), 0.5);
  if (rank > 1) {
    const above = map(compute({ name: "skew", n: rank }, fill([rank * (rank - 1) / 2], 1)), "relu");
    t = add(t, hadamard(above, product(transpose(u), u)));
  }
  return scale(product(product(product(weight, u), inverse(t)), transpose(u)), -1);
}

/** W·(I − 2QQᵀ) − W with the orthonormal basis Q of the vectors. */
function reflectedOnce(weight: Expression, vectors: Expression): Expression {
  const q = compute({ name: "qr", factor: "q" }, vectors);
  return scale(product(product(weight, q), transpose(q)), -2);
}
