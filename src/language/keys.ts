/** Keys of recipes: which stand where, and what they mean. */

export interface Key {
  name: string;
  /** Markdown, one or two sentences. */
  meaning: string;
  /** What is written after `name:`, with tab stops; a value by default. `\t` is one level of indentation. */
  insert?: string;
  extension?: true;
}

/** What the mapping that the cursor is in is. */
export type Level = "document" | "model" | "source" | "slice" | "module" | "modules" | "parameters" | "filter" | "tokenizer" | "tokens" | "token" | "token-source" | "reference" | "unknown";

const PARAMETERS: Key = { name: "parameters", meaning: "Values of the method's parameters at this level: one value, a list (a gradient over the layers) or a list of `{filter, value}`. Levels nearer to a model win.", insert: "\n\t$0" };
const MODEL: Key = { name: "model", meaning: "Folder or file of a model on this machine, `model + adapter`, or the name of another document. Nothing is fetched." };
const BASE: Key = { name: "base_model", meaning: "The model that others are compared with, or from which a way starts. Under `models` it joins the inputs." };
const MODELS: Key = { name: "models", meaning: "Models that are merged as wholes, tensor by tensor.", insert: "\n\t- model: $1\n\t  parameters:\n\t    weight: ${2:1.0}" };
const SLICES: Key = { name: "slices", meaning: "The output's layers, put together from ranges of the models' layers.", insert: "\n\t- sources:\n\t    - model: $1\n\t      layer_range: [${2:0}, ${3:1}]" };
const STATISTICS: Key = { name: "statistics", meaning: "File with the model's statistics by tensor name: Fisher information for `fisher`, Gram matrices for `regmean`.", extension: true };

export const KEYS: Readonly<Record<Exclude<Level, "parameters" | "tokens" | "modules" | "unknown">, readonly Key[]>> = {
  document: [
    { name: "merge_method", meaning: "How the models are merged: one of the methods that `weight-loupe methods` lists." },
    MODELS,
    SLICES,
    { name: "modules", meaning: "Parts of a model with several (an encoder and a decoder), each with `models` or `slices` of its own.", insert: "\n\t${1:default}:\n\t\t$0" },
    BASE,
    PARAMETERS,
    { name: "dtype", meaning: "The type in which is computed, to which inputs are rounded first; without `out_dtype` also that of the output." },
    { name: "out_dtype", meaning: "The type of the output's tensors." },
    { name: "tokenizer_source", meaning: "Whose tokenizer the output has: `union` of all, that of the `base`, or a model's. Embeddings are rearranged to it." },
    { name: "tokenizer", meaning: "The output's tokenizer in detail: source, single tokens, padding.", insert: "\n\tsource: ${1:union}" },
    { name: "chat_template", meaning: "`auto` (the most frequent of the inputs), a known name, or a Jinja template." },
    { name: "name", meaning: "Other documents of this file may use the result as a model of this name." },
    { name: "profile", meaning: "`mergekit`: its rounding and decisions step by step (the default). `paper`: sums in f32 or f64 and one rounding, trimming and rescaling as in the method's paper.", extension: true },
    { name: "seed", meaning: "Of random masks: the same seed gives the same bytes.", extension: true },
    { name: "unmatched", meaning: "A tensor that a list of filters does not match: `base` leaves it to the next level and at last to the base, `error` is an error.", extension: true },
    { name: "non_finite", meaning: "NaN or infinity in the result: `propagate` writes it and says so (the default), `error` ends the merge.", extension: true },
  ],
  model: [MODEL, PARAMETERS, STATISTICS],
  source: [MODEL, { name: "layer_range", meaning: "`[first, end]`, layers from 0, the end not included.", insert: " [${1:0}, ${2:1}]" }, PARAMETERS, STATISTICS],
  slice: [{ name: "sources", meaning: "Models whose layers are merged into this slice, all of equally many layers.", insert: "\n\t- model: $1\n\t  layer_range: [${2:0}, ${3:1}]" }, { ...BASE, meaning: `${BASE.meaning} Here for this slice alone.` }, PARAMETERS],
  module: [MODELS, SLICES, PARAMETERS],
  filter: [
    { name: "filter", meaning: "Part of the tensor's name; `*` matches all. Extensions: a glob over the whole name (`*.mlp.*`), a `/regular expression/`. The first entry that matches wins." },
    { name: "value", meaning: "One value, or a list over the layers." },
  ],
  tokenizer: [
    { name: "source", meaning: "`union`, `base` or a model." },
    { name: "tokens", meaning: "Where the embeddings of single tokens come from.", insert: "\n\t\"${1:<token>}\":\n\t\tsource: $0" },
    { name: "pad_to_multiple_of", meaning: "The embedding's rows are made a multiple of this." },
  ],
  token: [
    { name: "source", meaning: "A model, `{kind: model_token, model, token | token_id}` or `{kind: zero}`." },
    { name: "force", meaning: "Replaces the embedding also in models that have the token." },
  ],
  "token-source": [
    { name: "kind", meaning: "`model_token` or `zero`." },
    MODEL,
    { name: "token", meaning: "The token whose embedding is taken." },
    { name: "token_id", meaning: "Row of the embedding that is taken." },
  ],
  reference: [
    { name: "model", meaning: "Path of the model, or `{path, revision}`." },
    { name: "lora", meaning: "Path of an adapter laid over it." },
    { name: "override_architecture", meaning: "Class name to go by instead of that in config.json." },
  ],
};

/** The level of a path as `cursorAt` gives it. */
export function levelOf(path: readonly string[]): Level {
  const [last, before, third] = [path.at(-1), path.at(-2), path.at(-3)];
  if (last === undefined) return "document";
  if (last === "parameters") return "parameters";
  if (before === "parameters" || (last === "[]" && third === "parameters")) return "filter";
  if (last === "[]") return before === "models" ? "model" : before === "sources" ? "source" : before === "slices" ? "slice" : "unknown";
  if (path.length === 1) return last === "modules" ? "modules" : last === "tokenizer" ? "tokenizer" : last === "base_model" ? "reference" : "unknown";
  if (path.length === 2 && before === "modules") return "module";
  if (path[0] === "tokenizer") return last === "tokens" ? "tokens" : before === "tokens" ? "token" : last === "source" ? "token-source" : "unknown";
  return last === "model" ? "reference" : "unknown";
}

export function keyAt(path: readonly string[], name: string): Key | undefined {
  const level = levelOf(path);
  return level in KEYS ? KEYS[level as keyof typeof KEYS].find((key) => key.name === name) : undefined;
}
