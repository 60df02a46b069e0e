/** What a model says of its attention: GGUF's metadata, or the configuration beside the file. */
import { dirname, join } from "node:path";
import { CheckpointError, type Checkpoint, type SourceOpener } from "../checkpoint";
import { readJsonObject } from "../adapters/read-adapter";

export interface ModelFacts {
  /** GGUF's `general.architecture`, or the configuration's `model_type`. */
  architecture?: string;
  /** Per layer where the model has other numbers in other layers. */
  heads?: number | number[];
  keyValueHeads?: number | number[];
  headDim?: number;
}

/** Reads nothing but a small file; a configuration that cannot be read is none. */
export async function readModelFacts(checkpoint: Checkpoint, sources: SourceOpener): Promise<ModelFacts> {
  if (checkpoint.format === "gguf") return ggufFacts(checkpoint.metadata);
  const path = join(dirname(checkpoint.files[0]?.path ?? checkpoint.path), "config.json");
  try {
    return (await sources.exists(path)) ? configFacts(await readJsonObject(path, sources)) : {};
  } catch (error) {
    if (error instanceof CheckpointError) return {};
    throw error;
  }
}

function ggufFacts(metadata: Record<string, unknown>): ModelFacts {
  const architecture = metadata["general.architecture"];
  if (typeof architecture !== "string") return {};
  const value = (key: string): unknown => metadata[`${architecture}.${key}`];
  return {
    architecture,
    ...counts("heads", value("attention.head_count")),
    ...counts("keyValueHeads", value("attention.head_count_kv")),
    ...(isCount(value("attention.key_length")) ? { headDim: value("attention.key_length") as number } : {}),
  };
}

/** The same under the names that families give it; of a model of several parts, its text model's. */
function configFacts(config: Record<string, unknown>): ModelFacts {
  const inner = [config.text_config, config.llm_config, config.language_config].find((each) => typeof each === "object" && each !== null);
  const value = (...keys: string[]): unknown => {
    for (const source of [config, (inner ?? {}) as Record<string, unknown>]) for (const key of keys) if (isCount(source[key])) return source[key];
    return undefined;
  };
  const heads = value("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads");
  const hidden = value("hidden_size", "n_embd", "d_model", "dim");
  const keyValueHeads = value("num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads", "multi_query_group_num") ?? (config.multi_query === true ? 1 : undefined);
  const headDim = value("head_dim", "kv_channels", "d_kv") ?? (isCount(heads) && isCount(hidden) && hidden % heads === 0 ? hidden / heads : undefined);
  return {
    ...(typeof config.model_type === "string" ? { architecture: config.model_type } : {}),
    ...counts("heads", heads),
    ...counts("keyValueHeads", keyValueHeads),
    ...(isCount(headDim) ? { headDim } : {}),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function counts(key: "heads" | "keyValueHeads", value: unknown): Pick<ModelFacts, "heads" | "keyValueHeads"> {
  return isCount(value) || (Array.isArray(value) && value.every((each) => typeof each === "number")) ? { [key]: value } : {};
}

/** How many heads (of keys, with `keys`) a layer has, as the first of the models that knows. */
export function headsOf(models: readonly ModelFacts[], layer: number | null, keys: boolean): number | undefined {
  for (const { heads, keyValueHeads } of models) {
    const found = keys ? (keyValueHeads ?? heads) : heads;
    const count = Array.isArray(found) ? found[layer ?? 0] : found;
    if (isCount(count)) return count;
  }
  return undefined;
}
