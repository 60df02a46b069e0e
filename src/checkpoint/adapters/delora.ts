/** DeLoRA (Bini et al., 2025; arXiv 2503.18225): B·diag(λ/(r·‖A_i‖·‖B_i‖))·A, its columns times the base's column norms. */
import type { FamilyReader } from "./adapter";
import { compute, divide, hadamard, norm, product, reshape, scale, shapeOf, ShapeMismatch } from "./build";
import { everyModule, updated } from "./modules";
import { needed } from "./peft-names";

const PARAMETERS = ["delora_A", "delora_B", "delora_lambda", "delora_w_norm"];
/** Shorter factors count as this long. */
const SHORTEST = 1e-4;

export const delora: FamilyReader = (source) =>
  everyModule(source, PARAMETERS, (module) => {
    const [a, b, lambda, norms] = PARAMETERS.map((name) => needed(source, module, name).expression);
    const [rank = 0, inputs = 0] = shapeOf(a!);
    if (rank < 1) throw new ShapeMismatch("a factor of rank 0 has no scale");
    const lengths = (of: typeof a, axis: number): typeof a => compute({ name: "clamp", low: SHORTEST }, norm(of!, [axis]));
    const strength = divide(scale(reshape(lambda!, [1, 1]), 1 / rank), hadamard(reshape(lengths(a, 1)!, [1, rank]), lengths(b, 0)!));
    const delta = hadamard(product(hadamard(b!, strength), a!), reshape(norms!, [1, inputs]));
    return updated("DELORA", module, "weight", { rank, shape: shapeOf(delta), delta });
  });
