/** Adapters: checkpoints that hold an update of another model's weights, as factors or in other coordinates. */
import type { Expression } from "../../engine/protocol";
import type { Checkpoint, SourceOpener } from "../checkpoint";
import type { BaseModel } from "./base-model";

/** An adapter as a model of its own. */
export interface Adapter {
  /** PEFT's type (`LORA`, `LOHA` …), LyCORIS's algorithm, or `HYDRA`, `FLORA`, `S2FT`. */
  type: string;
  /** Base model by the name that the configuration gives. */
  baseName: string | null;
  /** Why there is no weight update at all (prompts, gates that depend on the input …); then `modules` is empty. */
  notMergeable?: string;
  /** One per changed tensor of the base, biases and norms included, in the adapter's order. */
  modules: AdapterModule[];
}

export interface AdapterModule {
  /** The base's module (`model.layers.0.self_attn.q_proj`) and tensor (`… .weight`). */
  module: string;
  tensor: string;
  type: string;
  /** Allocated rank; null where the type has none. */
  rank: number | null;
  /** Factor on the update; null where the type has none. */
  scale: number | null;
  /** Of ΔW, as the base stores the tensor; empty when only the base tells it and none was given. */
  shape: number[];
  /** Axes order of `shape` when it is not (out, in, …): GPT-2's Conv1D, embeddings, stacked experts. */
  stored?: "in_out" | "vocabulary_first";
  /** The adapter's tensors that make the update, by index. */
  factors: number[];
  /**
   * ΔW in the base's own layout: base + ΔW = merged. Null when it takes the base's weights and none were given (`needsBase`),
   * or when no file holds what it depends on (`refused` says what).
   */
  delta: Expression | null;
  needsBase?: true;
  refused?: string;
  /** Where the update is not what the type's formula says because the library computes it otherwise. */
  note?: string;
  /** How many tasks the adapter has, when ΔW depends on the task: this is the update for the one that was asked for. */
  tasks?: number;
  /** S2FT: index in the base of each row or column of this file's tensor, which is stored in another order. */
  order?: { axis: number; of: number[] };
}

/** What a family's reader gets. */
export interface AdapterSource {
  checkpoint: Checkpoint;
  /** Opens the adapter's files, for the few values that decide structure (alphas, indices). */
  sources: SourceOpener;
  /** The configuration beside the file; empty for layouts without one. */
  config: Readonly<Record<string, unknown>>;
  /** The model it was trained on, when the user gave it. */
  base?: BaseModel;
  /** Of adapters with an update per task (Poly), the task that is asked for; 0 when absent. */
  task?: number;
}

/** What a family's reader answers: the changed tensors, or why there are none. */
export type FamilyAnswer = AdapterModule[] | { notMergeable: string };

/** One family of adapters. Adding one is a module that exports one of these, and a line in `families.ts`. */
export type FamilyReader = (source: AdapterSource) => FamilyAnswer | Promise<FamilyAnswer>;
