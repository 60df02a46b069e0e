/** From the factors of an adapted module to the update of the base's tensor: what the families' readers share. */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource } from "./adapter";
import { deltaOnBase } from "./base-model";
import { inModule, modulesWith, type PeftModule } from "./peft-names";

/** Describes every module that stores one of `parameters`, in the file's order. */
export async function everyModule(
  source: AdapterSource,
  parameters: readonly string[],
  describe: (module: PeftModule) => AdapterModule | AdapterModule[] | Promise<AdapterModule | AdapterModule[]>,
): Promise<AdapterModule[]> {
  const all: AdapterModule[] = [];
  for (const module of modulesWith(source, parameters)) {
    const described = await inModule(source, module.path, () => describe(module));
    if (Array.isArray(described)) all.push(...described);
    else all.push(described);
  }
  return all;
}

/** The shape of `parameter` of a module in the base; undefined when there is no base or it lacks the tensor. */
export function baseShape({ base }: AdapterSource, { module }: PeftModule, parameter: string): number[] | undefined {
  return base?.find(`${module}.${parameter}`)?.shape;
}

/** An update that the adapter alone holds. Rank null and scale 1 unless `rest` says otherwise. */
export function updated(
  type: string,
  { module, factors }: PeftModule,
  parameter: string,
  rest: Pick<AdapterModule, "shape" | "delta"> & Partial<AdapterModule>,
): AdapterModule {
  return { module, tensor: `${module}.${parameter}`, type, rank: null, scale: 1, factors: [...factors.values()].map(({ index }) => index), ...rest };
}

/** An update that takes the base's tensor; its shape is empty while no base is given and `rest` has none. */
export async function updatedOnBase(
  source: AdapterSource,
  type: string,
  module: PeftModule,
  parameter: string,
  update: (weight: Expression) => Expression,
  rest: Partial<AdapterModule> = {},
): Promise<AdapterModule> {
  const answer = await deltaOnBase(source, `${module.module}.${parameter}`, update);
  return updated(type, module, parameter, { shape: baseShape(source, module, parameter) ?? [], ...rest, ...answer });
}
