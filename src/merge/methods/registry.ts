/** The merge methods, in the order in which they are listed. */
import type { Method } from "../../protocol/results";
import { arceeFusion, modelStock, nearswap, ram, ramPlus, sce } from "./base-aware";
import { linear } from "./linear";
import type { MergeMethodEntry, MethodParameter } from "./method";
import { passthrough } from "./passthrough";
import { karcher, multislerp, nuslerp, slerp } from "./spherical";
import { fisher, regmean } from "./statistics";
import { taskVectorMethods } from "./task-vectors";

export const METHODS: readonly MergeMethodEntry[] = [linear, slerp, nuslerp, multislerp, karcher, ...taskVectorMethods, modelStock, arceeFusion, nearswap, sce, ram, ramPlus, passthrough, fisher, regmean];

const byName = new Map(METHODS.map((entry) => [entry.name, entry]));

export function methodNamed(name: string): MergeMethodEntry | undefined {
  return byName.get(name);
}

export function parameterOf(method: MergeMethodEntry, name: string): MethodParameter | undefined {
  return method.parameters.find((parameter) => parameter.name === name);
}

/** The entry as `methods --json` prints it. */
export function describeMethod({ name, summary, formula, source, base, models, parameters, random, profiles }: MergeMethodEntry): Method {
  return {
    name,
    summary,
    formula,
    source,
    base,
    models,
    parameters: parameters.map(({ name, type, scope, default: value, range, meaning }) => ({ name, type, scope, default: value, ...(range === undefined ? {} : { range }), meaning })),
    random,
    profiles,
  };
}
