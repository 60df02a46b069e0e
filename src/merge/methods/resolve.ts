/**
 * Which value a parameter has for one tensor. A model's own parameters are looked up under the model, then in its slice, its module and
 * globally; shared ones from the slice on. A list of filters answers with its first that matches, or leaves it to the next level. Gradients
 * run over the layers of a slice: `position` is i/(n−1) for its i-th of n layers, 1 where it has one, 0 outside of layers.
 */
import { quote } from "../../checkpoint/quote";
import type { Place, Problem } from "../problem";
import type { Parameter, ParameterTable, ParameterValue, Scalar } from "../recipe/recipe";
import type { Coefficients } from "./coefficients";
import { convert, typeInWords } from "./convert";
import type { MergeMethodEntry, MethodParameter } from "./method";

/** One tensor, of the output or of an input. */
export interface Asked {
  /** Its name, to which filters are held: an input's own for its parameters, the output's for shared ones. */
  tensor: string;
  /** In its slice, from 0 to 1. */
  position: number;
  /** The nearest first. */
  levels: readonly ParameterTable[];
  /** Files of coefficients by their path as written, where the recipe names any. */
  files?: ReadonlyMap<string, Coefficients>;
}

export type Resolution =
  /** `from` is where it is written; null: the default. */
  | { kind: "value"; value: number | boolean; from: Parameter | null }
  /** No level says anything of this tensor. `unmatched` are the levels with filters of which none matches it. */
  | { kind: "none"; unmatched: Parameter[] }
  | { kind: "wrong"; code: string; message: string; at: Place };

/** Resolves a parameter for one tensor. */
export function resolveParameter(parameter: MethodParameter, asked: Asked): Resolution & { passed?: Parameter } {
  const unmatched: Parameter[] = [];
  for (const level of asked.levels) {
    const given = level[parameter.name];
    if (given === undefined) continue;
    const at = valueAt(parameter, given.value, given.at, asked);
    if (at === null) {
      if (given.value.kind === "filters" || given.value.kind === "file") unmatched.push(given);
      continue;
    }
    const [passed] = unmatched;
    const found: Resolution = typeof at === "object" ? at : { kind: "value", value: at, from: given };
    return passed === undefined ? found : { ...found, passed };
  }
  if (parameter.default !== null && parameter.default !== undefined) {
    const [passed] = unmatched;
    return { kind: "value", value: parameter.default as number | boolean, from: null, ...(passed === undefined ? {} : { passed }) };
  }
  return { kind: "none", unmatched };
}

/** Null where the value says nothing of the tensor. */
function valueAt(parameter: MethodParameter, value: ParameterValue, place: Place, asked: Asked): number | boolean | null | Extract<Resolution, { kind: "wrong" }> {
  switch (value.kind) {
    case "scalar":
      return converted(parameter, value.value, place);
    case "gradient":
      return value.values.length === 0 ? null : converted(parameter, gradientAt(value.values, asked.position), place);
    case "filters": {
      const entry = value.entries.find(({ filter }) => filter === null || filter.value.matches(asked.tensor));
      return entry === undefined ? null : valueAt(parameter, entry.value, entry.at, asked);
    }
    case "file":
      return asked.files?.get(value.path)?.get(asked.tensor) ?? null;
  }
}

function converted(parameter: MethodParameter, value: Scalar, at: Place): number | boolean | Extract<Resolution, { kind: "wrong" }> {
  return convert(parameter, value) ?? { kind: "wrong", code: "parameter-type", message: `${parameter.name} is ${typeInWords(parameter)}, not ${typeof value === "string" ? quote(value) : String(value)}`, at };
}

/** Points at equal distances over 0 … 1: numbers are interpolated, of others the last one passed is taken. */
export function gradientAt(values: readonly Scalar[], position: number): Scalar {
  const x = position * (values.length - 1);
  const i = Math.min(Math.floor(x), values.length - 1);
  const here = values[i]!;
  const next = values[i + 1];
  if (next === undefined || values.some((value) => typeof value !== "number")) return here;
  return (1 - (x - i)) * (here as number) + (x - i) * (next as number);
}

/** All parameters of a method for one tensor. */
export interface ResolvedParameters {
  shared: Record<string, number | boolean>;
  /** An entry for each input; undefined where a parameter that is not required is not given. */
  perModel: Record<string, (number | boolean | undefined)[]>;
  problems: Problem[];
  /** With `unmatched: base`: filters leave a required parameter open, so the base's tensor stays. */
  keepBase: boolean;
}

export interface ParametersAsked {
  method: MergeMethodEntry;
  /** Where the method is named. */
  at: Place;
  output: Asked;
  /** The kernel's inputs, without the base where the method has one. `at` is where the model is named. */
  inputs: readonly (Asked & { label: string; at: Place })[];
  /** As the recipe says it; null: nothing. */
  unmatched: "base" | "error" | null;
}

export function resolveParameters({ method, at, output, inputs, unmatched }: ParametersAsked): ResolvedParameters {
  const resolved: ResolvedParameters = { shared: {}, perModel: {}, problems: [], keepBase: false };
  const error = (code: string, at: Place, message: string, tensor: string): void => void resolved.problems.push({ severity: "error", code, message, at, tensor });
  const take = (parameter: MethodParameter, asked: Asked, at: Place, label: string | null): number | boolean | undefined => {
    const found = resolveParameter(parameter, asked);
    const whose = (): string => (label === null ? "" : ` for ${quote(label)}`);
    const open = found.kind === "none" ? found.unmatched[0] : found.passed;
    if (unmatched === "error" && open !== undefined) {
      error("unmatched-tensor", open.name, `no filter of ${parameter.name} matches ${quote(asked.tensor)}, and the recipe says unmatched: error; end the list with a value for all others`, asked.tensor);
    } else if (found.kind === "wrong") error(found.code, found.at, found.message, asked.tensor);
    else if (found.kind === "value") return found.value;
    else if (parameter.required) {
      if (unmatched === "base" && open !== undefined) resolved.keepBase = true;
      else if (open !== undefined) error("missing-parameter", open.name, `no filter of ${parameter.name} matches ${quote(asked.tensor)}, so ${method.name} has no ${parameter.name}${whose()} there; end the list with a value for all others`, asked.tensor);
      else error("missing-parameter", at, `${method.name} needs ${parameter.name}${whose()}`, asked.tensor);
    }
    return undefined;
  };
  for (const parameter of method.parameters) {
    if (parameter.scope === "global") {
      const value = take(parameter, output, at, null);
      if (value !== undefined) resolved.shared[parameter.name] = value;
    } else resolved.perModel[parameter.name] = inputs.map((input) => take(parameter, input, input.at, input.label));
  }
  if (resolved.problems.length === 0) resolved.problems.push(...outOfRange(method, inputs, resolved, output));
  return resolved;
}

/** What values do to each other or to a method, found only once they are resolved. */
function outOfRange(method: MergeMethodEntry, inputs: ParametersAsked["inputs"], { shared, perModel }: ResolvedParameters, output: Asked): Problem[] {
  const problems: Problem[] = [];
  const wrong = (name: string, input: Asked & { at: Place }, code: string, message: string): void => void problems.push({ severity: "error", code, message, at: placeOf(name, input) ?? input.at, tensor: input.tensor });
  if (method.random) {
    inputs.forEach((input, i) => {
      const density = perModel.density?.[i] as number;
      const epsilon = perModel.epsilon?.[i] as number | undefined;
      if (density < 0) wrong("density", input, "parameter-range", `density ${density} is no probability; ${method.name} takes one from 0 to 1`);
      else if (epsilon !== undefined) {
        const message = keepRange(density, epsilon);
        if (message !== null) wrong(placeOf("epsilon", input) === null ? "density" : "epsilon", input, "epsilon-range", message);
      }
    });
  }
  for (const [name, values] of Object.entries(perModel)) {
    values.forEach((value, i) => {
      if (typeof value === "number" && !Number.isFinite(value)) wrong(name, inputs[i]!, "parameter-range", `${name} is ${value}, with which nothing finite comes out`);
    });
  }
  const weights = perModel.weight;
  if (method.name === "linear" && shared.normalize === true && weights !== undefined && weights.length > 0 && weights.reduce<number>((sum, weight) => sum + (weight as number), 0) === 0) wrong("weight", inputs[0]!, "weights-sum", `the weights of ${quote(output.tensor)} sum to 0, by which linear divides; set normalize: false or change one`);
  return problems;
}

/** Where the value of a parameter for a tensor is written. */
export function placeOf(name: string, { levels }: Asked): Place | null {
  return levels.flatMap((level) => level[name] ?? [])[0]?.at ?? null;
}

/**
 * What is wrong with della's probabilities, density ± epsilon; null where nothing is. A density of 1 or more keeps everything and one of 0
 * or less nothing, whatever epsilon is.
 */
export function keepRange(density: number, epsilon: number): string | null {
  if (density >= 1 || density <= 0) return null;
  if (density + epsilon >= 1) return `density ${density} + epsilon ${epsilon} is not below 1: the largest elements would be kept with a probability of ${short(density + epsilon)}; take an epsilon below ${short(Math.min(density, 1 - density))}`;
  if (density - epsilon <= 0) return `density ${density} − epsilon ${epsilon} is not above 0: the smallest elements would be kept with a probability of ${short(density - epsilon)}; take an epsilon below ${short(Math.min(density, 1 - density))}`;
  return null;
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
