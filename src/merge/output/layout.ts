/** All files of a merged model, known before any of them is written. */
import { stringMetadata } from "../../analysis/convert";
import type { MergePlan, PlannedTensor } from "../plan/plan";
import { INDEX, layOutShards, type Weights } from "./shards";

export interface LayoutOptions {
  /** Of the whole recipe. */
  recipe: string;
  /** Of the model card; null where neither it nor the recipe is to lie beside the weights. */
  card: string | null;
  /** Bytes of tensor data to a shard; 0: no limit. */
  shardBytes: number;
  /** What was asked for besides the recipe, as on a command line; kept in the weights' metadata. */
  options?: string;
  /** Absolute path of the folder to write. */
  output: string;
}

export interface OutputLayout {
  weights: Weights<PlannedTensor>;
  beside: OutputFile[];
  /** Names of all files. */
  files: string[];
}

/** A file that is written, or copied byte for byte. */
export type OutputFile = { name: string; text: string } | { name: string; from: string };

/** @throws CheckpointError when names or sizes cannot be written down. */
export function layOutMerge({ tensors, config, tokenizer }: MergePlan, { recipe, card, shardBytes, options, output }: LayoutOptions): OutputLayout {
  const metadata = stringMetadata({ format: "pt", recipe, ...(options === undefined || options === "" ? {} : { merge_options: options }) });
  const weights = layOutShards(tensors, { limit: shardBytes, metadata, target: output });
  const beside: OutputFile[] = [
    ...(weights.index === null ? [] : [{ name: INDEX, text: weights.index }]),
    ...(config === null ? [] : [{ name: "config.json", text: config }]),
    ...tokenizer.copied,
    ...tokenizer.written,
    ...(card === null ? [] : [{ name: "mergekit_config.yml", text: recipe }, { name: "README.md", text: card }]),
  ];
  return { weights, beside, files: [...weights.shards.map(({ name }) => name), ...beside.map(({ name }) => name)] };
}
