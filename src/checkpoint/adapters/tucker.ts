/** Tucker decompositions of convolution kernels, as LyCORIS's LoHa, LoKr and LoCon store them. */
import type { Expression } from "../../engine/protocol";
import { bracketed, flatten, permute, product, reshape, shapeOf, ShapeMismatch, transpose } from "./build";

/**
 * Σ_ij core_ij… · left_ip · right_jr as (p, r, …).
 * @param core (i, j, kernel…)
 * @param left (i, p)
 * @param right (j, r)
 */
export function tucker(core: Expression, left: Expression, right: Expression): Expression {
  const [i, j, ...kernel] = shapeOf(core);
  if (i === undefined || j === undefined) throw new ShapeMismatch(`${bracketed(shapeOf(core))} is no core of a Tucker decomposition`);
  const out = shapeOf(left)[1] ?? 0;
  const inputs = shapeOf(right)[1] ?? 0;
  const points = kernel.reduce((count, length) => count * length, 1);
  const outer = reshape(product(transpose(left), flatten(core)), [out, j, points]);
  const inner = product(reshape(permute(outer, [0, 2, 1]), [out * points, j]), right);
  return reshape(permute(reshape(inner, [out, points, inputs]), [0, 2, 1]), [out, inputs, ...kernel]);
}
