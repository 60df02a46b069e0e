/** The comparison of two models: what its view may ask of the host, and what the host tells it. */
import type { DifferenceResult, HistogramResult, PictureResult, SpectrumResult, SubspacesResult, ValuesResult, Window } from "../engine/protocol";
import type { AnalysisProgress, EngineStatus, MatrixView, Overview, SpectrumMode, ViewCommand } from "./inspect";
import type { CompareTotals, Finding, Pair, Structure } from "./results";
import type { WireError } from "./rpc";
import type { TensorTable } from "./tensor-table";

/** Which side, or the change B − A. */
export type Of = "a" | "b" | "delta";

/** One rule by which tensors of other names were paired. */
export interface PairingRule {
  /** Stable: `"prefix"`, `"gguf"`, `"fused"`, `"adapter"`, `"map"`, `"chosen"` … */
  id: string;
  /** What it did, for people: "`base_model.model.` is left out". */
  sentence: string;
  /** Off when the user switched it off. */
  on: boolean;
}

/** How the models' attention is divided into heads: rows of the projections to queries, keys and values, columns of the output's. */
export interface AttentionHeads {
  /** Rows, or columns, of one head. */
  size: number;
  query: number;
  /** Fewer than `query` where several query heads share one. */
  keyValue: number;
}

/** Which tensors are paired; indices into the tables of the two sides. Half a million pairs cross in one message. */
export interface PairTable {
  length: number;
  /** Per pair. */
  a: Int32Array;
  b: Int32Array;
  /** Index into `rules`, −1 for equal names. */
  rule: Int32Array;
  rules: PairingRule[];
  /** Sparse: pairs of parts of tensors: what of each side, as text (`"[0:40]"`, empty for all of it). */
  parts: [number, { a: string; b: string }][];
  /** Sparse: shapes of pairs that are not A's. */
  shapes: [number, number[]][];
  /** Sparse: pair → why it cannot be compared. */
  unreadable: [number, string][];
  onlyInA: number[];
  onlyInB: number[];
  /** Of one name, or paired by rule, but of shapes that cannot be compared. */
  reshaped: [number, number][];
}

export interface CompareSide {
  overview: Overview;
  table: TensorTable;
  /** The adapter laid over the base, when this side is one. */
  adapter?: { type: string; base: string };
}

export type CompareSnapshot =
  | {
      status: "ready";
      revision: number;
      a: CompareSide;
      b: CompareSide;
      pairs: PairTable;
      results: PairUpdate[];
      totals: CompareTotals | null;
      summary: string[];
      findings: Finding[];
      engine: EngineStatus;
      /** The mapping file in use. */
      map: string | null;
      /** Null when neither model says. */
      heads: AttentionHeads | null;
      /** Files, by their paths, that were rewritten after numbers were computed from them: those numbers are gone. Empty once `analyse` was asked for. */
      rewritten: string[];
    }
  | { status: "failed"; revision: number; a: string; b: string; error: WireError };

/** What is known of a pair; fields arrive as they are computed. */
export interface PairUpdate {
  pair: number;
  numbers?: Omit<Pair, "a" | "b" | "partOfA" | "partOfB" | "shape" | "tiedTo" | "spectrum" | "structure">;
  structure?: Structure;
  spectrum?: { rank: number; stableRank: number; effectiveRank: number; energyRank99: number };
  failed?: string;
}

/** `"difference"`: one pass over both. `"structure"`: what each change looks like. `"spectrum"`: the singular spectrum of each Δ. */
export type ComparePart = "difference" | "structure" | "spectrum";

export type CompareTab = "overview" | "pairs" | "mapping" | "findings";

/** What the view keeps over a reload of the window. Fields may be missing. */
export interface CompareViewState {
  /** URIs of the two models: a window that was reloaded finds them by these. */
  models?: { a: string; b: string };
  /** The user stopped the comparison: it does not start by itself again. */
  stopped?: boolean;
  tab?: CompareTab;
  /** Name of A's tensor (B's, where only that exists), or `"group:" + module path`, or absent for the models. */
  selection?: string;
  filter?: string;
  sort?: { column: string; descending: boolean };
  expanded?: string[];
  treeWidth?: number;
  pages?: Record<string, unknown>;
}

/** View → host. */
export interface CompareHost {
  /** The handshake: the view is listening; answers with all it needs to draw. */
  ready(argument: Record<string, never>): CompareSnapshot;
  /** The page has drawn that: only now values are read, which takes all cores. */
  drawn(argument: Record<string, never>): void;
  /** All pairs or those named, largest change expected first; results arrive as `results`. Answers when it ends. */
  analyse(argument: { parts: ComparePart[]; pairs?: number[] }): { done: number; failed: number; cancelled: boolean };
  stopAnalysis(argument: Record<string, never>): void;
  /** One pair in detail: histogram, lines and worst blocks are there. */
  difference(argument: { pair: number; binsPerDecade: number }): DifferenceResult;
  histogram(argument: { pair: number; of: Of; bins: number; binsPerDecade: number; range?: [number, number] }): HistogramResult;
  picture(argument: { pair: number; of: Of; view: MatrixView; window: Window; height: number; width: number }): PictureResult;
  values(argument: { pair: number; of: Of; view: MatrixView; window: Window }): ValuesResult;
  spectrum(argument: { pair: number; of: Of; mode: SpectrumMode }): SpectrumResult;
  /** Of the mode-n unfolding of a tensor with more than two axes (row 32: Tucker). */
  modeSpectrum(argument: { pair: number; of: Of; axis: number }): SpectrumResult;
  subspaces(argument: { pair: number; k: number }): SubspacesResult;
  structure(argument: { pair: number }): Structure;
  /** Switches a rule on or off, by its id; the structure arrives as `changed`. */
  switchRule(argument: { rule: string; on: boolean }): void;
  /** Pairs two tensors by hand, or parts a pair (`b` null). */
  pairUp(argument: { a: number; b: number | null }): void;
  /** Asks for a mapping file; null when the user cancelled. */
  chooseMap(argument: Record<string, never>): { path: string | null };
  dropMap(argument: Record<string, never>): void;
  /** Writes the pairing as a mapping file and opens it. */
  saveMap(argument: Record<string, never>): { path: string | null };
  /** Exchanges A and B. */
  swap(argument: Record<string, never>): void;
  /** Opens the inspector on a side, at a tensor when one is given. */
  inspect(argument: { side: "a" | "b"; tensor?: string }): void;
  copy(argument: { text: string }): void;
  save(argument: { name: string; content: string; encoding: "utf8" | "base64" }): { path: string | null };
  remember(argument: CompareViewState): void;
  recall(argument: Record<string, never>): CompareViewState;
  /** Reads both headers again; pairs whose files changed are computed anew when asked for. */
  reload(argument: Record<string, never>): void;
  showLog(argument: Record<string, never>): void;
  restartEngine(argument: Record<string, never>): void;
}

/** Host → view. */
export interface CompareView {
  changed(argument: CompareSnapshot): void;
  results(argument: { results: PairUpdate[]; totals: CompareTotals; summary: string[] }): void;
  findings(argument: { findings: Finding[] }): void;
  progress(argument: AnalysisProgress): void;
  engine(argument: EngineStatus): void;
  command(argument: { name: ViewCommand }): void;
}
