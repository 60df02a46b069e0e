/** What a merge will do, known from headers alone: every output tensor, how it is computed, every file. */
import type { Engine } from "../../analysis/engine";
import type { CheckpointFile } from "../../checkpoint/checkpoint";
import type { Expression, FloatType } from "../../engine/protocol";
import type { ModelStore } from "../models/store";
import type { MergeDocument, ModelReference } from "../recipe/recipe";
import type { Place, Problem } from "../problem";

export interface PlanOptions {
  /** Folders in which model paths are looked up, in this order. */
  folders: readonly string[];
  profile?: "mergekit" | "paper";
  seed?: number;
  allowCrimes?: boolean;
  unsafeTruncateEmbeddings?: boolean;
  cloneTensors?: boolean;
  copyTokenizer: boolean;
  /** Bytes of tensor data to a shard; 0: no limit. */
  shardBytes: number;
  /** Where the output will lie, for checks of room and of inputs; without it none are made. */
  output?: string;
  /** Of an untrusted workspace: model paths may not leave these. */
  confinedTo?: readonly string[];
  /** Keeps opened models for the next plan; without it each plan opens its own. */
  models?: ModelStore;
  /**
   * Asked when tensors are read, never when planning: what a trim over whole models cuts at, whether tensors to be copied are equal in all
   * models. Without it those two cannot be read, or are not checked.
   */
  engine?: Engine;
  /** Bytes a second that merging by a method was measured at. */
  rate?(method: string): number | undefined;
}

export interface MergePlan {
  document: MergeDocument;
  method: string;
  profile: "mergekit" | "paper";
  problems: Problem[];
  /** In the order in which shards are filled: by name. Empty when there are errors. */
  tensors: PlannedTensor[];
  inputs: PlannedInput[];
  /** All files that are read; none of them may change during the run. */
  files: CheckpointFile[];
  /** The text of `config.json`, beside the weights; null when the model whose it would be has none. */
  config: string | null;
  tokenizer: PlannedTokenizer;
  estimate: { inputBytes: number; outputBytes: number; peakMemoryBytes: number; seconds: number } | null;
}

/** A model that takes part, the base among them. */
export interface PlannedInput {
  /** As the recipe names it. */
  label: string;
  path: string;
  base: boolean;
}

export interface PlannedTensor {
  name: string;
  dtype: string;
  shape: readonly number[];
  bytes: number;
  /** How the engine computes it; of the output's own type when it is to be copied bit by bit. */
  read(signal?: AbortSignal): Promise<Expression>;
  /** The same by another method, for previews side by side; undefined where it has no meaning (copied tensors). */
  readBy?(method: string, signal?: AbortSignal): Promise<Expression>;
  /** The layer in the output; null outside of layers. */
  layer: number | null;
  /** The inputs' tensors it is made of. */
  sources: { input: number; tensor: string; read(signal?: AbortSignal): Promise<Expression> }[];
  /** The parameters as they apply here, for hovers and the preview; per-model ones have an entry for each source. */
  parameters: Record<string, number | boolean | string | (number | boolean | null)[]>;
  /**
   * How it comes about: `"merged"`, or why it is not. Of several sources of a copied tensor the first is written, and all must be
   * equal bit by bit, which only their data can tell.
   */
  policy: "merged" | "copied" | "passed-through";
}

/** Files of the tokenizer: copied byte for byte, or written. */
export interface PlannedTokenizer {
  copied: { from: string; name: string }[];
  written: { name: string; text: string }[];
}

/** A model as whoever aligns vocabularies sees it (`planVocabulary` in `src/merge/tokenizer`). */
export interface VocabularyModel {
  reference: ModelReference;
  /** As the recipe names it. */
  label: string;
  /** Where the recipe first names it. */
  at: Place;
  base: boolean;
  /** False for one that lends its tokenizer or a token's row only. */
  merged: boolean;
  config: Readonly<Record<string, unknown>> | null;
  /** Rows of its token embedding; null when it has none. */
  rows: number | null;
  /** A file beside its weights; null when there is none. An earlier document's may not be on disk: then its text. */
  beside(name: string): Promise<{ from: string } | { text: string } | null>;
}

/** What is known of the output's vocabulary. */
export interface VocabularyPlan {
  problems: Problem[];
  /** Rows of the output's vocabulary tensors, padding included; null when nothing is aligned: then the shapes must agree. */
  rows: number | null;
  /**
   * One vocabulary tensor (tokens along the first axis) of every model, in their order, with its rows in the order of the output; null stays
   * null. Operands may be of different types; `dtype` is what they are promoted to, and that of the results.
   * @param takesPart which of the models are merged into this tensor: a slice's. The others lend no more than rows that the token table names.
   */
  align(tensors: readonly (Expression | null)[], dtype: FloatType, takesPart: readonly boolean[]): (Expression | null)[];
  /** How many of the tokens get zeros because none of those that take part has them, though another model of the recipe does. */
  lost(takesPart: readonly boolean[]): number;
  tokenizer: PlannedTokenizer;
}
