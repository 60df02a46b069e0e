/**
 * A merge recipe as it was written: mergekit's YAML format (models | slices | modules), with the extensions named below. Every part knows its
 * place in the text. Reading it needs nothing but the text; what the models say about it is found by the planner.
 */
import type { MergeProfile } from "../../engine/protocol";
import type { Place, Problem } from "../problem";

export interface Located<T> {
  value: T;
  at: Place;
}

export interface Recipe {
  path: string;
  text: string;
  /** Of several documents, in the order of the file. Those that cannot be understood are left out, with a problem. */
  documents: MergeDocument[];
  problems: Problem[];
}

export interface MergeDocument {
  /** From its first key to its end. */
  at: Place;
  /** Its part of the text, without the `---` around it. */
  text: string;
  /** Other documents may use the result as a model of this name. */
  name: Located<string> | null;
  method: Located<string> | null;
  base: Located<ModelReference> | null;
  body: Body | null;
  parameters: ParameterTable;
  /** In which is computed and, without `outDtype`, written. */
  dtype: Located<RecipeDtype> | null;
  outDtype: Located<RecipeDtype> | null;
  tokenizer: TokenizerSection | null;
  /** `auto`, a known name, or a Jinja template. */
  chatTemplate: Located<string> | null;
  /** Extension. */
  profile: Located<MergeProfile> | null;
  /** Extension: of random masks. */
  seed: Located<number> | null;
  /** Extension: a filter that matches no tensor is left to the next level (`base`, the default) or is an error. */
  unmatched: Located<"base" | "error"> | null;
  /** Extension: a NaN or an infinity in an input ends the merge, or is merged like any value (the default). */
  nonFinite: Located<"error" | "propagate"> | null;
}

export type RecipeDtype = "float64" | "float32" | "float16" | "bfloat16" | "int64";

export type Body =
  | { form: "models"; at: Place; inputs: Input[] }
  | { form: "slices"; at: Place; slices: Slice[] }
  | { form: "modules"; at: Place; modules: { name: Located<string>; body: Exclude<Body, { form: "modules" }>; parameters: ParameterTable }[] };

/** `layerRange` is half open; null for all layers (models form). */
export interface Input {
  at: Place;
  model: Located<ModelReference>;
  layerRange: Located<[number, number]> | null;
  parameters: ParameterTable;
  /** Extension: the file with the model's statistics (Fisher information, Gram matrices), as written. */
  statistics: Located<string> | null;
}

export interface Slice {
  at: Place;
  sources: Input[];
  base: Located<ModelReference> | null;
  parameters: ParameterTable;
}

/** `path@revision+adapter@revision`, or a mapping with `model`, `lora`, `override_architecture`. */
export interface ModelReference {
  /** As written. */
  path: string;
  revision?: string;
  adapter?: { path: string; revision?: string };
  overrideArchitecture?: string;
}

/** Parameters of one level, by name. A plain object without prototype. */
export type ParameterTable = Record<string, Parameter>;

/** `at` is the value's place. */
export interface Parameter extends Located<ParameterValue> {
  name: Place;
}

/** What a parameter may be: one value, a gradient over the layers, or the first of several filters that matches. */
export type ParameterValue =
  | { kind: "scalar"; value: Scalar }
  | { kind: "gradient"; values: Scalar[] }
  | { kind: "filters"; entries: { at: Place; filter: Located<Filter> | null; value: ParameterValue }[] }
  /** Extension: coefficients by tensor name, from a JSON, YAML or safetensors file. */
  | { kind: "file"; path: string };
export type Scalar = number | boolean | string;

/** mergekit's substring; as extensions a glob (of `*`, `?`, `{a,b}`) or a `/regular expression/`. Null and `*` match all. */
export interface Filter {
  text: string;
  matches(tensor: string): boolean;
}

export interface TokenizerSection {
  at: Place;
  /** Written as `tokenizer_source: …`. */
  short: boolean;
  /** `union`, `base`, or a model. */
  source: Located<"union" | "base" | ModelReference>;
  tokens: { token: Located<string>; source: Located<TokenSource> | null; force: boolean }[];
  padToMultipleOf: Located<number> | null;
}
export type TokenSource = { kind: "model"; model: ModelReference; token?: string; id?: number } | { kind: "zero" };
