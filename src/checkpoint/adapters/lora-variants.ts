/** What LoRA's variants do beyond s·B·A, and which of them no file can settle. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource } from "./adapter";
import { add, blockDiagonal, compute, divide, hadamard, norm, product, reshape, scale, shapeOf, ShapeMismatch, singularPart, slice, subtract } from "./build";
import { numberSetting, patternNumber, settingError } from "./peft-names";

/** s = α/r, or α/√r with `use_rslora`; α after `alpha_pattern`. */
export function loraScale(source: AdapterSource, module: string, rank: number): number {
  if (!(rank > 0)) throw new ShapeMismatch(`a rank of ${rank} leaves no scale`);
  const alpha = patternNumber(source, "alpha_pattern", module, numberSetting(source, "lora_alpha", 8));
  return alpha / (source.config.use_rslora === true ? Math.sqrt(rank) : rank);
}

/** Why this LoRA is no fixed change of the weights; undefined when it is one. */
export function notFixed({ config }: AdapterSource): string | undefined {
  if (present(config.alora_invocation_tokens)) return "an activated LoRA (aLoRA) is active only after its invocation tokens; it is no fixed change of the weights";
  if (present(config.arrow_config)) return "Arrow routes between adapters token by token; it is no fixed change of the weights";
  return undefined;
}

/** Why the update cannot be told against the base as it was published; undefined when it can. */
export function unknownBase({ config }: AdapterSource): string | undefined {
  const initial = config.init_lora_weights;
  if (typeof initial === "string" && /^pissa_niter_\d+$/.test(initial)) return "the base was changed by a randomised SVD (pissa_niter), whose result no file holds; convert the adapter with PEFT's path_initial_model_for_weight_conversion";
  if (initial === "corda" || initial === "lora_ga") return "the base was changed when training began, by data that no file holds; convert the adapter with PEFT's path_initial_model_for_weight_conversion";
  if (initial === "loftq") return "it was trained on a quantised base (LoftQ), which is not the base model's own weights";
  if (present(config.layer_replication)) return "it was trained on a model with replicated layers, whose names are not the base model's";
  return undefined;
}

function present(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}

/**
 * What was taken out of the base when training began: PiSSA the r largest singular components, OLoRA s·Q_r·R_r of the
 * QR decomposition, KaSA the r smallest singular components. Undefined for all other initialisations.
 * @returns the component of a weight, in the weight's own layout.
 */
export function initialComponent({ config }: AdapterSource, rank: number, s: number): ((weight: Expression) => Expression) | undefined {
  if (present(config.kasa_config)) return (weight) => singularPart(weight, shortest(weight, rank) - rank, shortest(weight, rank));
  if (config.init_lora_weights === "pissa") return (weight) => singularPart(weight, 0, Math.min(rank, shortest(weight, rank)));
  if (config.init_lora_weights === "olora") {
    return (weight) => {
      shortest(weight, rank);
      const factor = (name: "q" | "r"): Expression => compute({ name: "qr", factor: name }, weight);
      return scale(product(slice(factor("q"), 1, 0, rank), slice(factor("r"), 0, 0, rank)), s);
    };
  }
  return undefined;
}

function shortest(weight: Expression, rank: number): number {
  const shape = shapeOf(weight);
  const length = Math.min(...shape);
  if (shape.length !== 2 || length < rank) throw new ShapeMismatch(`a weight of shape [${shape.join(", ")}] has no ${rank} singular components`);
  return length;
}

/**
 * DoRA: m/‖W + ΔW‖·(W + ΔW) − W, the norm over all axes but `axis`.
 * @param magnitude one value per index of `axis`, whatever its shape.
 */
export function withMagnitude(weight: Expression, update: Expression, magnitude: Expression, axis: number): Expression {
  const shape = shapeOf(update);
  const along = shape.map((length, i) => (i === axis ? length : 1));
  const changed = add(weight, update);
  const factor = divide(reshape(magnitude, along), norm(changed, shape.map((_, i) => i).filter((i) => i !== axis)));
  return subtract(hadamard(factor, changed), weight);
}

/**
 * B (out, r) and A (r, in) as whole matrices. With `use_bdlora` one of them is block-diagonal and stored as its blocks stacked by
 * rows: B as (out, r/n), A as (r, in/n).
 */
export function blockFactors(source: AdapterSource, module: string, b: Expression, a: Expression, rank: number): [Expression, Expression] {
  const config = source.config.use_bdlora;
  if (!present(config) || typeof config !== "object") return [b, a];
  const { nblocks, target_modules_bd_a: ofA, target_modules_bd_b: ofB } = config as Record<string, unknown>;
  if (typeof nblocks !== "number" || !Number.isInteger(nblocks) || nblocks < 1) throw settingError(source, "nblocks", nblocks, "a number of blocks");
  if (named(ofA, module)) return [b, blocks(a, nblocks)];
  if (named(ofB, module) || shapeOf(b)[1] !== rank) return [blocks(b, nblocks), a];
  return [b, a];
}

function named(names: unknown, module: string): boolean {
  return Array.isArray(names) && names.some((name) => typeof name === "string" && (module === name || module.endsWith(`.${name}`)));
}

function blocks(stacked: Expression, count: number): Expression {
  const [rows = 0, columns = 0] = shapeOf(stacked);
  if (rows % count !== 0) throw new ShapeMismatch(`${rows} rows do not divide into ${count} blocks`);
  return blockDiagonal(reshape(stacked, [count, rows / count, columns]));
}
