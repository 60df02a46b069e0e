/** Merging models: what a recipe's panel may ask of the host, what the host tells it, and the shapes of previews. */
import type { SpectrumResult } from "../engine/protocol";
import type { AnalysisProgress, EngineStatus, InspectHost } from "./inspect";
import type { Preflight } from "./results";

/** Commands that the code lenses of a recipe name. Each takes the recipe's URI as a string and the document's index in it. */
export const MERGE_COMMANDS = { run: "weightLoupe.runMerge", preview: "weightLoupe.previewMerge", estimate: "weightLoupe.estimateMerge" } as const;
/** What the recipes' language is called in VS Code. */
export const RECIPE_LANGUAGE = "weight-loupe-recipe";

export interface MergeSubject {
  /** URI. */
  recipe: string;
  /** Of several in one recipe, from 0. */
  document: number;
}

export type MergeTab = "overview" | "preview" | "tensors";

/** What the view keeps over a reload of the window. */
export interface MergeViewState {
  subject?: MergeSubject;
  tab?: MergeTab;
  pages?: Record<string, unknown>;
}

/** A merge as its plan has it, without a number computed. */
export interface MergeOverview {
  /** Of the recipe's file. */
  name: string;
  documents: { name: string | null; method: string | null; line: number }[];
  document: number;
  method: { name: string; summary: string; formula: string; link: string } | null;
  profile: string | null;
  inputs: { label: string; path: string; base: boolean }[];
  problems: (Preflight["problems"][number] & { fixes: number })[];
  plan: (NonNullable<Preflight["plan"]> & { freeBytes: number | null }) | null;
  provenance: Provenance;
  parameters: ParameterLines[];
  tensors: MergeTensors;
  /** Methods that the same inputs can be merged by, for previews side by side; the recipe's own is first. */
  methods: string[];
  /** Numbers of a preview are of changes from the base, or of the weights themselves. */
  space: "weight" | "task vector";
}

/** How much of each layer comes from which input, as the recipe's weights say before any value is looked at. */
export interface Provenance {
  /** In order; null: tensors outside of layers. */
  layers: (number | null)[];
  /** Tensors in each. */
  tensors: number[];
  /** `shares[layer][input]`, summing to 1. */
  shares: number[][];
}

/** A parameter over the layers: one line for each input, or group of tensors, that it differs between. */
export interface ParameterLines {
  name: string;
  /** Its values are 1 and 0 for yes and no. */
  truth?: true;
  layers: (number | null)[];
  lines: {
    /** Null for a parameter of the whole merge. */
    input: number | null;
    /** Kinds of tensors; empty for all. */
    kinds: string[];
    values: (number | null)[];
  }[];
}

/** The output's tensors as columns. */
export interface MergeTensors {
  name: string[];
  kind: string[];
  layer: (number | null)[];
  dtype: string[];
  shape: number[][];
  bytes: number[];
  policy: string[];
  /** Labels of the inputs it is made of, each only once in `inputs`. */
  sources: number[][];
}

/** What a merge would do to some tensors. */
export interface MergePreview {
  /** The recipe's own first. */
  methods: string[];
  inputs: string[];
  space: "weight" | "task vector";
  tensors: PreviewedTensor[];
  failed: { name: string; message: string }[];
  /** How the tensors were chosen: a pattern, or null for a sample. */
  pattern: string | null;
  how: string;
}

/** Of a tensor x, or in the space of task vectors of x − base, over the elements that are finite in all. */
export interface PreviewedTensor {
  name: string;
  kind: string;
  layer: number | null;
  shape: number[];
  parameters: number;
  /** Indices into `MergePreview.inputs`; the lists below have an entry for each. */
  inputs: number[];
  norms: number[];
  /** ‖base‖; null in the space of weights. */
  baseNorm: number | null;
  /** Of the elements that two or more inputs changed, the share in which they disagree about the sign; null when there are none. */
  signConflict: number | null;
  /** Cosine of each two inputs; null where a norm is 0. */
  cosines: (number | null)[][];
  /** By method, as `MergePreview.methods`; null where the method has no meaning here. */
  results: (PreviewedResult | null)[];
}

export interface PreviewedResult {
  norm: number;
  /** With each input. */
  cosine: (number | null)[];
  /** Of the elements that each input changed, the share that the result changes in the same direction; null in the space of weights. */
  kept: (number | null)[];
  /** The result as a combination of the inputs, by least squares, and ‖rest‖/‖result‖. */
  coefficients: number[];
  residual: number | null;
}

/** Spectra of one tensor: of the result by each method, and of the inputs. */
export interface PreviewSpectra {
  name: string;
  /** Of the weights, or of their changes from the base. */
  of: "weights" | "changes";
  /** Of a result: its method; of an input: null. */
  curves: { label: string; method: string | null; spectrum: SpectrumResult }[];
}

/** Where the writing of an output stands. */
export type RunState =
  | { state: "idle" }
  | { state: "unfinished"; output: string; done: number; total: number }
  | { state: "running"; output: string; done: number; total: number; bytes: number; totalBytes: number; bytesPerSecond: number; secondsLeft: number | null; current?: string; /** Share done of each entry of `Provenance.layers`. */ layers: number[] }
  | { state: "done"; output: string; files: number; bytes: number; seconds: number; command: string; notes: string[] }
  | { state: "stopped"; output: string; done: number; total: number }
  | { state: "failed"; output: string; message: string; tensor?: string; resumable: boolean };

export type MergeSnapshot =
  | { status: "ready"; overview: MergeOverview; run: RunState; trusted: boolean; engine: EngineStatus }
  | { status: "failed"; name: string; message: string; run: RunState; trusted: boolean; engine: EngineStatus };

/** View → host. */
export interface MergeHost extends Pick<InspectHost, "copy" | "save" | "showLog" | "restartEngine"> {
  /** The handshake. */
  ready(argument: Record<string, never>): MergeSnapshot;
  /** Reads the recipe and the models' headers again. */
  reload(argument: Record<string, never>): void;
  /** Another document of the same recipe. */
  choose(argument: { document: number }): void;
  /** Shows a place of the recipe in its editor. */
  reveal(argument: { line: number; column: number }): void;
  /** Measures tensors that match a pattern (null: a sample); what is done is sent as `measured` meanwhile. */
  preview(argument: { pattern: string | null; methods: string[] }): MergePreview;
  spectra(argument: { tensor: string; methods: string[]; of: PreviewSpectra["of"] }): PreviewSpectra;
  /** Ends a preview. */
  stop(argument: Record<string, never>): void;
  /** Asks where to write, unless an unfinished output is resumed. */
  run(argument: { resume: boolean }): void;
  stopRun(argument: Record<string, never>): void;
  /** Throws an unfinished output away. */
  discard(argument: Record<string, never>): void;
  inspectResult(argument: Record<string, never>): void;
  /** The result beside an input. */
  compareResult(argument: { input: number }): void;
  inspectInput(argument: { input: number; tensor?: string }): void;
}

/** Host → view. */
export interface MergeView {
  changed(snapshot: MergeSnapshot): void;
  /** The recipe changed and is being planned. */
  planning(argument: Record<string, never>): void;
  run(state: RunState): void;
  /** Of the preview. */
  progress(progress: AnalysisProgress): void;
  measured(preview: MergePreview): void;
  engine(status: EngineStatus): void;
  /** A tab to show, or a preview to begin. */
  show(argument: { tab: MergeTab; preview?: boolean }): void;
}
