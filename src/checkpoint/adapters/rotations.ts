/** Weights times block-diagonal rotations of their inputs, as OFT and BOFT apply them. */
import type { Expression } from "../../engine/protocol";
import { add, bracketed, flatten, identity, inverse, permute, product, reshape, scale, shapeOf, ShapeMismatch } from "./build";

/**
 * W·block(M): the columns of (out, in·kernel) in blocks, each times its matrix; the zeros of the block-diagonal matrix are
 * never multiplied.
 * @param blocks (in·kernel/b, b, b), or (1, b, b) for one block in all places.
 */
export function timesBlocks(weight: Expression, blocks: Expression): Expression {
  const [count = 0, b = 0] = shapeOf(blocks);
  const matrix = flatten(weight);
  const [out = 0, inputs = 0] = shapeOf(matrix);
  if (b === 0 || inputs % b !== 0 || (count !== 1 && count * b !== inputs)) {
    throw new ShapeMismatch(`blocks of ${bracketed(shapeOf(blocks))} do not divide the ${inputs} inputs of a weight`);
  }
  const columns = permute(reshape(matrix, [out, inputs / b, b]), [1, 0, 2]);
  return reshape(permute(product(columns, blocks), [1, 0, 2]), shapeOf(weight));
}

/**
 * R − I of the Cayley transform R = (I − Q)(I + Q)⁻¹, which is −2Q·(I + Q)⁻¹.
 * @param skew (…, b, b), skew-symmetric.
 */
export function cayleyMinusIdentity(skew: Expression): Expression {
  const b = shapeOf(skew).at(-1)!;
  return scale(product(skew, inverse(add(identity(b), skew))), -2);
}
