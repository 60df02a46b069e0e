/** LyCORIS's rotations of the output channels: diagonal OFT and butterfly OFT. */
import type { Expression } from "../../engine/protocol";
import { add, bracketed, compute, divide, fill, flatten, hadamard, identity, inverse, norm, permute, product, reshape, shapeOf, ShapeMismatch, slice, subtract, transpose } from "./build";

/** Most butterfly factors that are written out; each nests the expression deeper. */
export const MOST_FACTORS = 8;

/**
 * The change of W (out, …) under R = (I + Q)(I − Q)⁻¹, Q = X − Xᵀ, of blocks of its rows, then `rescale` per output.
 * @param blocks X: (blocks, b, b), or (factors, blocks, b, b) applied one after the other, each over pairs of blocks twice as
 *   far apart.
 * @param constraint where positive, Q's norm is at most `constraint` · out.
 */
export function onOutputs(weight: Expression, blocks: Expression, rescale: Expression | undefined, constraint: number): Expression {
  const shape = shapeOf(blocks);
  const b = shape.at(-1) ?? 0;
  const butterfly = shape.length === 4;
  if ((shape.length !== 3 && !butterfly) || shape.at(-2) !== b || b === 0) {
    throw new ShapeMismatch(`${bracketed(shape)} are no blocks of a rotation`);
  }
  const rows = flatten(weight);
  const out = shapeOf(rows)[0] ?? 0;
  const skew = limited(subtract(blocks, transpose(blocks)), constraint * out);
  const rotations = product(add(identity(b), skew), inverse(subtract(identity(b), skew)));
  const rotated = butterfly ? butterflyRows(rows, rotations) : transposedBlocks(rows, rotations);
  const scaled = rescale === undefined ? rotated : hadamard(reshape(rescale, [out, 1]), rotated);
  return subtract(reshape(scaled, shapeOf(weight)), weight);
}

/** Q, scaled down to the Frobenius norm `most` over all blocks where it is larger. */
function limited(skew: Expression, most: number): Expression {
  if (!(most > 0)) return skew;
  const axes = shapeOf(skew).map((_, axis) => axis);
  const length = norm(skew, axes);
  const shape = shapeOf(length);
  return hadamard(skew, compute({ name: "clamp", high: 1 }, divide(fill(shape, most), add(length, fill(shape, 1e-8)))));
}

/** Rows in blocks, each times its R transposed. */
function transposedBlocks(rows: Expression, rotations: Expression): Expression {
  return timesRows(rows, transpose(rotations));
}

function timesRows(rows: Expression, matrices: Expression): Expression {
  const [out = 0, width = 0] = shapeOf(rows);
  const [count = 0, b = 0] = shapeOf(matrices);
  if (count * b !== out) throw new ShapeMismatch(`${count} blocks of ${b} do not divide ${out} rows`);
  return reshape(product(matrices, reshape(rows, [count, b, width])), [out, width]);
}

/** Factor i exchanges halves of blocks 2ⁱ apart, multiplies the blocks, and puts the halves back. */
function butterflyRows(rows: Expression, rotations: Expression): Expression {
  const [factors = 0, count = 0, b = 0] = shapeOf(rotations);
  const [out = 0, width = 0] = shapeOf(rows);
  let current = rows;
  for (let i = 0; i < factors; i++) {
    const reach = (2 ** i * b) / 2;
    const groups = out / (2 * reach);
    if (!Number.isInteger(reach) || !Number.isInteger(groups)) throw new ShapeMismatch(`butterfly factors of block size ${b} do not divide ${out} rows`);
    const sorted = reshape(permute(reshape(current, [groups, 2, reach, width]), [0, 2, 1, 3]), [out, width]);
    const turned = timesRows(sorted, reshape(slice(rotations, 0, i, i + 1), [count, b, b]));
    current = reshape(permute(reshape(turned, [groups, reach, 2, width]), [0, 2, 1, 3]), [out, width]);
  }
  return current;
}
