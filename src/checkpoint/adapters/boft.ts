/**
 * BOFT (Liu et al., 2023; arXiv 2311.06243): s ⊙ W·Mᵀ, where M is a product of butterfly factors P·block(R)·Pᵀ, later
 * factors on the left, and R the Cayley transform of (X − Xᵀ)/2.
 */
import type { Expression } from "../../engine/protocol";
import type { FamilyReader } from "./adapter";
import { add, bracketed, flatten, hadamard, identity, permute, reshape, scale, shapeOf, ShapeMismatch, slice, subtract, transpose } from "./build";
import { baseShape, everyModule, updated, updatedOnBase } from "./modules";
import { needed } from "./peft-names";
import { cayleyMinusIdentity, timesBlocks } from "./rotations";

/** Most butterfly factors that are written out; each nests the expression deeper. */
const MOST_FACTORS = 8;

export const boft: FamilyReader = (source) =>
  everyModule(source, ["boft_R", "boft_s"], (module) => {
    const { expression, shape } = needed(source, module, "boft_R");
    const scales = needed(source, module, "boft_s");
    const [count = 0, blocks = 0, b = 0] = shape;
    if (shape.length !== 4 || shape[3] !== b || count < 1) throw new ShapeMismatch(`${bracketed(shape)} is no stack of butterfly factors`);
    if (count > MOST_FACTORS) {
      return updated("BOFT", module, "weight", { shape: baseShape(source, module, "weight") ?? [], delta: null, refused: `${count} butterfly factors are more than the ${MOST_FACTORS} that can be computed` });
    }
    const skew = scale(subtract(expression, transpose(expression)), 0.5);
    const rotations = add(identity(b), transpose(cayleyMinusIdentity(skew)));
    return updatedOnBase(source, "BOFT", module, "weight", (weight) => {
      let matrix = flatten(weight);
      for (let i = 0; i < count; i++) {
        const factor = reshape(slice(rotations, 0, i, i + 1), [blocks, b, b]);
        matrix = timesButterfly(matrix, factor, 2 ** i);
      }
      const out = shapeOf(matrix)[0]!;
      return subtract(reshape(hadamard(reshape(scales.expression, [out, 1]), matrix), shapeOf(weight)), weight);
    });
  });

/**
 * X·P·block(R)·Pᵀ. P sorts the columns of each block of `width` · b, cut into pieces of b/2: the pieces at even places come
 * first, then those at odd places.
 */
function timesButterfly(matrix: Expression, rotations: Expression, width: number): Expression {
  if (width === 1) return timesBlocks(matrix, rotations);
  const b = shapeOf(rotations)[1]!;
  const [out = 0, inputs = 0] = shapeOf(matrix);
  const blocks = inputs / (b * width);
  if (!Number.isInteger(blocks) || b % 2 !== 0) throw new ShapeMismatch(`butterfly factors of block size ${b} do not divide ${inputs} inputs`);
  const exchanged = (of: Expression, first: number, second: number): Expression =>
    reshape(permute(reshape(of, [out, blocks, first, second, b / 2]), [0, 1, 3, 2, 4]), [out, inputs]);
  return exchanged(timesBlocks(exchanged(matrix, 2, width), rotations), width, 2);
}
