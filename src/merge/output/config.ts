/** The output's `config.json`: that of the base, or of the first model, with what the merge changes and nothing else. */
import type { Place, Problem } from "../problem";
import type { RecipeDtype } from "../recipe/recipe";

export interface ConfigRequest {
  /** Of the model whose `config.json` is taken: its path, for messages, and its text. */
  file: string;
  text: string;
  /** The recipe's `out_dtype`, else its `dtype`, else null: then it stays. */
  dtype: RecipeDtype | null;
  /** In the forms of slices: the layers of the output (of each module, where a model has several: `encoder`, `decoder`). */
  layers: readonly ModuleLayers[];
  /** Rows of the output's vocabulary tensors where a tokenizer section aligned them. */
  vocabularySize: number | null;
  /** Of problems: the slices, or whatever decided about the layers. */
  at: Place;
}

export interface ModuleLayers {
  /** Null where a model has layers of one module only. */
  module: string | null;
  /** How many the model whose config is taken has. */
  before: number;
  /** For each layer of the output, where it comes from (its first source): the parsed config of that model, and the layer's number there. */
  from: readonly { config: Readonly<Record<string, unknown>> | null; layer: number }[];
}

export interface MergedConfig {
  text: string;
  problems: Problem[];
}
