/** The output's `config.json`: that of the base, or of the first model, with what the merge changes and nothing else. */
import { JsonReader, type Json } from "../../checkpoint/json-reader";
import { quote } from "../../checkpoint/quote";
import type { Place, Problem } from "../problem";
import type { RecipeDtype } from "../recipe/recipe";
import { editJson, type JsonEdit } from "./json-edit";
import { layerEdits } from "./layer-config";

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

export type JsonObject = { readonly [key: string]: Json };

/**
 * `config.json` with its element type, numbers and kinds of layers and size of vocabulary as the output has them, each where it stands, also in
 * the configuration of a language model inside another. Nothing else is touched, not even how numbers are written.
 * @throws CheckpointError `"malformed"` when the text is not a JSON object.
 */
export function mergedConfig({ file, text, dtype, layers, vocabularySize, at }: ConfigRequest): MergedConfig {
  const reader = new JsonReader(Buffer.from(text, "utf8"), { file, what: "config.json", pythonNumbers: true });
  if (reader.next() !== "object") reader.failHere(`config.json holds ${reader.shown()} where an object should be`);
  const config = reader.value() as JsonObject;
  reader.end();
  const problems: Problem[] = [];
  const warn = (code: string, message: string): void => void problems.push({ severity: "warning", code, message, at });
  const edits: JsonEdit[] = [];
  if (dtype !== null) edits.push(...dtypeEdits(config, dtype));
  for (const module of layers) edits.push(...layerEdits(config, module, warn));
  if (vocabularySize !== null) {
    const places = holders(config).filter(({ object }) => typeof object.vocab_size === "number");
    for (const { path } of places) edits.push({ path: [...path, "vocab_size"], value: vocabularySize });
    if (places.length === 0) edits.push({ path: ["vocab_size"], value: vocabularySize });
  }
  return { text: edits.length === 0 ? text : editJson(text, edits, file, "config.json"), problems };
}

/** `dtype`, as transformers calls it since 4.56, and `torch_dtype` before: under the names that are there. */
function dtypeEdits(config: JsonObject, dtype: RecipeDtype): JsonEdit[] {
  const edits = holders(config).flatMap(({ path, object }) => ["dtype", "torch_dtype"].flatMap((key) => (Object.hasOwn(object, key) ? [{ path: [...path, key], value: dtype }] : [])));
  return edits.some(({ path }) => path.length === 1) ? edits : [...edits, { path: ["dtype"], value: dtype }];
}

/** The configuration and those of language models inside it, as models of several modalities have them. */
export function holders(config: JsonObject): { path: string[]; object: JsonObject }[] {
  return [
    { path: [], object: config },
    ...INNER.flatMap((key) => {
      const inner = config[key];
      return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? [{ path: [key], object: inner }] : [];
    }),
  ];
}

const INNER = ["text_config", "llm_config", "language_config"];

/** A key of a config, for messages. */
export function shownKey(key: string): string {
  return `config.json's ${quote(key)}`;
}
