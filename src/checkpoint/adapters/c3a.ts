/** C³A (Chen et al., 2024; arXiv 2407.19342): blocks of circulant matrices. */
import type { Expression } from "../../engine/protocol";
import type { FamilyReader } from "./adapter";
import { bracketed, fill, gather, hadamard, literal, permute, reshape, scale, ShapeMismatch, slice } from "./build";
import { everyModule, updated } from "./modules";
import { needed } from "./peft-names";

export const c3a: FamilyReader = (source) =>
  everyModule(source, ["c3a_kernel"], (module) => {
    const { expression, shape: kernel } = needed(source, module, "c3a_kernel");
    const [m = 0, n = 0, b = 0] = kernel;
    if (kernel.length !== 3 || m * n * b < 1) throw new ShapeMismatch(`${bracketed(kernel)} holds no kernels of circulant blocks`);
    const shape = [m * b, n * b];
    const blocks = permute(circulants(expression, m, n, b), [0, 2, 1, 3]);
    return updated("C3A", module, "weight", { shape, delta: scale(reshape(blocks, shape), 1 / (n * b)) });
  });

/**
 * (m, n, b, b) with entry (k, j) of a block v[(j − k) mod b]. Writing v again and again in rows of b + 1 shifts it by one
 * from row to row, to v[(j + k) mod b]; row −k of that is row k of the circulant.
 */
function circulants(kernels: Expression, m: number, n: number, b: number): Expression {
  const repeated = hadamard(reshape(kernels, [m, n, 1, b]), fill([1, 1, b + 1, 1], 1));
  const shifted = slice(reshape(repeated, [m, n, b, b + 1]), 3, 0, b);
  return gather(shifted, 2, literal([b], Array.from({ length: b }, (_, k) => (b - k) % b)));
}
