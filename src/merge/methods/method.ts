/** What a merge method is. Adding one is a module that exports a `MergeMethodEntry`, and a line in `registry.ts`. */
import type { MergeMethod, MergeProfile } from "../../engine/protocol";
import type { Method } from "../../protocol/results";

/** What the registry knows of a method; `methods` prints it, hovers and completion show it, the schema is generated from it. */
export interface MergeMethodEntry extends Omit<Method, "parameters" | "profiles"> {
  parameters: MethodParameter[];
  profiles: MergeProfile[];
  /** What is merged: weights as they are, or differences from the base. */
  space: "weight" | "task vector";
  /** Whether the base alone may be given: it is then the result. */
  baseAlone: boolean;
  /** Extension: whether each model brings a file of statistics. */
  statistics?: "fisher" | "gram";
  /** What happens to a tensor that some inputs lack: the others are merged, a lone one is passed through, the base is kept. */
  missing: "merge-rest" | "pass-lone" | "pass-lone-base" | "base-or-skip";
  /** The link of the method's paper or description. */
  link: string;
  /** The engine's method for one tensor. `seeds` are asked for an input by its index. */
  kernel(values: KernelValues): MergeMethod;
}

export type MethodParameter = Method["parameters"][number] & {
  type: "number" | "integer" | "boolean";
  required: boolean;
  /** Whether the base takes the parameter too where it is an input (linear's weight). */
  base?: boolean;
  /** Values outside `range` that are errors and not warnings. */
  strict?: boolean;
  /** Accepted for compatibility; changes nothing. */
  ignored?: boolean;
};

export interface KernelValues {
  /** How many inputs the kernel gets, the base not counted where the method has one. */
  inputs: number;
  /** By name, of global scope. */
  shared: Record<string, number | boolean>;
  /** By name, an entry for each input of the kernel. */
  perModel: Record<string, (number | boolean | undefined)[]>;
  profile: MergeProfile;
  /** The seed of an input's random mask, a decimal u64. */
  seed(input: number): string;
}
