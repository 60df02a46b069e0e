/** Shorthands for the registry's entries: parameters and how their resolved values are read. */
import type { KernelValues, MethodParameter } from "./method";

type Options = Partial<Pick<MethodParameter, "default" | "range" | "base" | "strict" | "ignored">>;

/** A number that each model has for itself. Without a default it is required. */
export function perModel(name: string, meaning: string, options: Options = {}): MethodParameter {
  return { name, type: "number", scope: "model", default: null, required: options.default === undefined, meaning, ...options };
}

/** A number, integer or truth value of the merge. Without a default it is required. */
export function shared(name: string, type: MethodParameter["type"], meaning: string, options: Options = {}): MethodParameter {
  return { name, type, scope: "global", default: null, required: options.default === undefined, meaning, ...options };
}

/** Of global scope. @throws Error when the planner resolved none. */
export function numberOf(values: KernelValues, name: string): number {
  const value = values.shared[name];
  if (typeof value !== "number") throw new Error(`${name} was not resolved to a number`);
  return value;
}

export function truthOf(values: KernelValues, name: string): boolean {
  const value = values.shared[name];
  if (typeof value !== "boolean") throw new Error(`${name} was not resolved to a truth value`);
  return value;
}

/** One for each input of the kernel. */
export function numbersOf(values: KernelValues, name: string): number[] {
  return (values.perModel[name] ?? []).map((value, i) => {
    if (typeof value !== "number") throw new Error(`${name} of input ${i + 1} was not resolved to a number`);
    return value;
  });
}
