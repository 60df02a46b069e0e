/**
 * MiSS, formerly Bone (Kang & Yin, 2024; arXiv 2409.15371): one block of rank r repeated over the weight, added as it
 * stands, or (`bat`) times the weight's own blocks and added.
 */
import type { Expression } from "../../engine/protocol";
import type { FamilyReader } from "./adapter";
import { add, bracketed, fill, hadamard, permute, product, reshape, shapeOf, ShapeMismatch, slice, transpose } from "./build";
import { everyModule, updatedOnBase } from "./modules";
import { needed } from "./peft-names";

const reader = (type: string, parameter: string): FamilyReader => (source) =>
  everyModule(source, [parameter], (module) => {
    const { expression, shape } = needed(source, module, parameter);
    const batched = shape.length === 3;
    const rank = batched ? shape[2]! : shape[0]!;
    return updatedOnBase(source, type, module, "weight", (weight) => (batched ? blockAffine(weight, expression) : repeated(weight, expression)), { rank });
  });

export const miss = reader("MISS", "miss_block");
/** PEFT's name for MiSS before 0.18. */
export const bone = reader("BONE", "bone_block");

/** ΔW[:, j] = block[j mod r]ᵀ. A block narrower than the outputs (`mini`) repeats along them, too. */
function repeated(weight: Expression, block: Expression): Expression {
  const [out = 0, inputs = 0] = shapeOf(weight);
  const [r = 0, width = 0] = shapeOf(block);
  if (shapeOf(weight).length !== 2 || r < 1 || width < 1 || out % width !== 0) throw new ShapeMismatch(`a block of ${bracketed([r, width])} does not tile ${bracketed(shapeOf(weight))}`);
  const tall = Math.ceil(inputs / r);
  const tiled = hadamard(fill([tall, 1, out / width, 1], 1), reshape(block, [1, r, 1, width]));
  return transpose(slice(reshape(tiled, [tall * r, out]), 0, 0, inputs));
}

/** ΔW_oi = W_oi·B_o + B_o for the r × r blocks of W; blocks B are (out/r, r, r). */
function blockAffine(weight: Expression, blocks: Expression): Expression {
  const [out = 0, inputs = 0] = shapeOf(weight);
  const [rows = 0, r = 0] = shapeOf(blocks);
  if (shapeOf(weight).length !== 2 || r < 1 || rows * r !== out || inputs % r !== 0) throw new ShapeMismatch(`blocks of ${bracketed(shapeOf(blocks))} do not tile ${bracketed(shapeOf(weight))}`);
  const tiles = permute(reshape(weight, [rows, r, inputs / r, r]), [2, 0, 1, 3]);
  return reshape(permute(add(product(tiles, blocks), blocks), [1, 2, 0, 3]), [out, inputs]);
}
