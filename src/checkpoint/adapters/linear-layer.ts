/** Updates of linear layers whose size or orientation only the base model tells. */
import type { Expression } from "../../engine/protocol";
import { CheckpointError } from "../checkpoint";
import { quote } from "../quote";
import type { AdapterModule, AdapterSource } from "./adapter";
import { notFitting } from "./base-model";
import { shapeOf, ShapeMismatch } from "./build";
import { asStored, inModule, modulesWith, settingError, sharedFactor, storedAxes, type Factor, type PeftModule } from "./peft-names";

/** A linear layer of the base. */
export interface LinearLayer {
  out: number;
  inputs: number;
  /** `in_out` where the base holds the transpose (GPT-2's Conv1D). */
  stored: "in_out" | undefined;
}

/** What a module says whatever its update is. */
export type ModuleFacts = Pick<AdapterModule, "module" | "tensor" | "type" | "rank" | "scale" | "factors">;

/** Runs `read` on every module that has one of the parameters, in the file's order; errors name the module. */
export async function eachModule(
  source: AdapterSource,
  parameters: readonly string[],
  read: (module: PeftModule) => AdapterModule | AdapterModule[] | Promise<AdapterModule | AdapterModule[]>,
): Promise<AdapterModule[]> {
  const modules: AdapterModule[] = [];
  for (const module of modulesWith(source, parameters)) modules.push(...[await inModule(source, module.path, () => read(module))].flat());
  return modules;
}

/** Facts of a module whose type has one tensor per module, the weight. */
export function weightFacts({ module, factors }: PeftModule, type: string, rank: number | null, scale: number): ModuleFacts {
  return { module, tensor: `${module}.weight`, type, rank, scale, factors: [...factors.values()].map(({ index }) => index) };
}

/**
 * The adapter's tensor that all modules share.
 * @throws CheckpointError when it is missing.
 */
export function neededShared(source: AdapterSource, name: string): Factor {
  const factor = sharedFactor(source, name);
  if (factor === undefined) throw new CheckpointError("malformed", `the adapter has no ${quote(name)}, which its modules share`, source.checkpoint.path, { tensor: name });
  return factor;
}

/** A module whose update `(out, in)` the adapter alone tells. */
export function sizedByAdapter(source: AdapterSource, facts: ModuleFacts, update: Expression): AdapterModule {
  const [out = 0, inputs = 0] = shapeOf(update);
  const stored = storedAxes(source, facts.tensor, [out, inputs]);
  return { ...facts, shape: stored === undefined ? [out, inputs] : [inputs, out], ...(stored === undefined ? {} : { stored }), delta: asStored(update, stored) };
}

/**
 * The base's layer behind a module: its (out, in) after the configuration's `fan_in_fan_out`, or after `out` where the
 * adapter tells it and the base's tensor is not square. Null without a base, or when the tensor is missing or no matrix.
 */
export function linearLayer(source: AdapterSource, tensor: string, out?: number): LinearLayer | null {
  const shape = source.base?.find(tensor)?.shape;
  if (shape?.length !== 2) return null;
  const [rows = 0, columns = 0] = shape;
  const told = out === undefined || rows === columns ? undefined : rows === out ? false : columns === out ? true : undefined;
  return told ?? source.config.fan_in_fan_out === true
    ? { out: columns, inputs: rows, stored: "in_out" }
    : { out: rows, inputs: columns, stored: undefined };
}

/**
 * A module whose update `(out, in)` needs the layer's sizes. Without a base it has no shape (`[]`) and no update.
 * @param layer what `linearLayer` answered
 */
export function sizedByBase(source: AdapterSource, facts: ModuleFacts, layer: LinearLayer | null, update: (layer: LinearLayer) => Expression | { refused: string }): AdapterModule {
  const known = source.base === undefined ? {} : { refused: "the base model has no matrix of this name" };
  if (layer === null) return { ...facts, shape: [], delta: null, needsBase: true, ...known };
  const { out, inputs, stored } = layer;
  const common = { ...facts, shape: stored === undefined ? [out, inputs] : [inputs, out], ...(stored === undefined ? {} : { stored }), needsBase: true as const };
  try {
    const built = update(layer);
    return "refused" in built ? { ...common, delta: null, refused: built.refused } : { ...common, delta: asStored(built, stored) };
  } catch (error) {
    if (error instanceof ShapeMismatch) return { ...common, delta: null, refused: notFitting(common.shape, error) };
    throw error;
  }
}

/** α/r. @throws ShapeMismatch for a rank of 0. */
export function overRank(alpha: number, rank: number): number {
  if (rank === 0) throw new ShapeMismatch("their rank is 0");
  return alpha / rank;
}

/**
 * A seed of the configuration as torch's `manual_seed` gives it to mt19937: its low 32 bits.
 * @throws CheckpointError when it is no whole number.
 */
export function torchSeed(source: AdapterSource, key: string, fallback: number): number {
  const value = source.config[key] ?? fallback;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw settingError(source, key, value, "a whole number");
  return ((value % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
