/** The inspector: what its view may ask of the host, and what the host tells it. */
import type { BlockScalesResult, HistogramResult, NormsResult, PictureResult, SpectrumResult, ValuesResult, Window } from "../engine/protocol";
import type { RankUsage } from "./rank";
import type { Finding, Numeric, Statistics } from "./results";
import type { WireError } from "./rpc";
import type { TensorTable } from "./tensor-table";

/** Everything about the checkpoint but its tensors. */
export interface Overview {
  /** Display path of what was opened. */
  path: string;
  /** Last part of it. */
  name: string;
  format: string;
  files: { path: string; bytes: number; missing?: true }[];
  parameters: number;
  bytes: number;
  layers: number | null;
  dtypes: Record<string, { tensors: number; parameters: number; bytes: number }>;
  architecture: { name: string; from: "config" | "names" } | null;
  metadata: Record<string, unknown>;
  /** Metadata keys of long lists of strings, whose ends alone are in `metadata`: `searchTable` looks through them. */
  tables?: string[];
  /** Structure findings; computed ones arrive with `findings`. */
  findings: Finding[];
  /** An index beside this file lists it as a shard: offer to open the whole model. */
  wholeModel?: string;
  /** False in Restricted Mode: saving and duplicate search are refused with the reason. */
  trusted: boolean;
}

export type Tab = "overview" | "tensors" | "health" | "spectra" | "ranks" | "metadata";

/** What the view keeps over a reload of the window; small and self-describing. Fields may be missing. */
export interface ViewState {
  tab?: Tab;
  /** Tensor name, or `"group:" + module path`, or absent for the model. */
  selection?: string;
  filter?: string;
  sort?: { column: string; descending: boolean };
  expanded?: string[];
  treeWidth?: number;
  /** Free for the pages: axis scales, chosen statistic, slice indices … */
  pages?: Record<string, unknown>;
}

/** `loading`: reading headers. `ready`: overview and table are there. `failed`: one sentence, see `error`. */
export type Snapshot =
  | { status: "ready"; revision: number; overview: Overview; table: TensorTable; results: CachedResult[]; engine: EngineStatus }
  | { status: "failed"; revision: number; name: string; path: string; error: WireError };

export interface EngineStatus {
  state: "stopped" | "starting" | "running" | "failed" | "missing";
  version?: string;
  /** Why there is no engine, and what to do. */
  message?: string;
}

/** Results already known when the view opens (from the cache) or that stream in; `tensor` indexes the table. */
export interface CachedResult {
  tensor: number;
  statistics?: Statistics;
  norms?: NormsResult;
  spectrum?: SpectrumResult;
  fromCache?: boolean;
  seconds?: number;
}

/** To how many points views ask for norms, and whole-model analysis computes them: the same, so that each serves the other. */
export const NORM_POINTS = 512;

export type AnalysisPart = "statistics" | "norms" | "spectrum";

export interface AnalysisProgress {
  running: boolean;
  /** Steps: the statistics, the norms or the spectrum of one tensor each. */
  done: number;
  total: number;
  /** Bytes analysed per second over the last seconds. */
  bytesPerSecond: number;
  secondsLeft: number | null;
  /** Name of a tensor under way. */
  current?: string;
  failed: { tensor: number; message: string }[];
}

export type SpectrumMode = "exact" | "fast" | `top:${number}`;

/** Picks the matrix to look at in a tensor: which axes are rows and columns, and an index for each other axis. */
export interface MatrixView {
  rowAxis: number;
  columnAxis: number;
  /** One entry per axis; ignored for the two above. */
  indices: number[];
}

/** `index` counts from 0. */
export interface TableMatches {
  matches: { index: number; text: string }[];
  total: number;
}

/** What a checkpoint that is an adapter says of itself. */
export interface AdapterSummary {
  type: string;
  /** The base model by the name that the adapter gives. */
  base: string | null;
  /** Some updates depend on the base's weights. */
  needsBase: boolean;
  /** Why there is no weight update at all. */
  notMergeable?: string;
  /** One per changed tensor of the base. */
  modules: AdapterModuleSummary[];
}

/** What an adapter's tensors make together. */
export interface AdapterModuleSummary {
  /** The base's tensor that is changed. */
  tensor: string;
  type: string;
  rank: number | null;
  scale: number | null;
  /** Indices of the adapter's tensors that make the update. */
  factors: number[];
}

/** View → host. */
export interface InspectHost {
  /** The handshake: the view is listening; answers with all it needs to draw. */
  ready(argument: Record<string, never>): Snapshot;
  statistics(argument: { tensor: number }): { value: Statistics; fromCache: boolean; seconds: number };
  histogram(argument: { tensor: number; bins: number; binsPerDecade: number; range?: [number, number] }): HistogramResult;
  norms(argument: { tensor: number; points: number }): { value: NormsResult; fromCache: boolean; seconds: number };
  spectrum(argument: { tensor: number; mode: SpectrumMode }): { value: SpectrumResult; fromCache: boolean; seconds: number };
  /** Of a tensor in quantised blocks. */
  blockScales(argument: { tensor: number }): BlockScalesResult;
  picture(argument: { tensor: number; view: MatrixView; window: Window; height: number; width: number }): PictureResult;
  values(argument: { tensor: number; view: MatrixView; window: Window }): ValuesResult;
  /** Analyses all tensors (or those named), worst first; results arrive as `results`. Answers when it ends. */
  analyse(argument: { parts: AnalysisPart[]; tensors?: number[] }): { done: number; failed: number; cancelled: boolean };
  stopAnalysis(argument: Record<string, never>): void;
  /** The strings of one of `Overview.tables` that hold `text`, whatever its case: the first `limit`, and how many there are. */
  searchTable(argument: { key: string; text: string; limit: number }): TableMatches;
  /** Content hashes of same-sized tensors; answers with groups of equal ones (indices). */
  duplicates(argument: Record<string, never>): { groups: number[][] };
  /** Null when the checkpoint is no adapter. */
  adapter(argument: Record<string, never>): AdapterSummary | null;
  /** Rank usage of an adapter; `base` as `chooseBase` answered it. */
  rankUsage(argument: { base: string | null }): RankUsage;
  /** Asks for the base model; null when the user cancelled. */
  chooseBase(argument: Record<string, never>): { path: string | null };
  /** Puts text on the clipboard. */
  copy(argument: { text: string }): void;
  /** Asks where, then writes. `base64` for binary content. Answers the path, or null when the user cancelled. */
  save(argument: { name: string; content: string; encoding: "utf8" | "base64" }): { path: string | null };
  /** Keeps the view's state with the document. */
  remember(argument: ViewState): void;
  recall(argument: Record<string, never>): ViewState;
  reload(argument: Record<string, never>): void;
  showLog(argument: Record<string, never>): void;
  restartEngine(argument: Record<string, never>): void;
  openAsText(argument: Record<string, never>): void;
  openAsHex(argument: Record<string, never>): void;
  openWholeModel(argument: Record<string, never>): void;
}

/** Host → view. */
export interface InspectView {
  /** The file was read again (it changed, or the user asked). The view keeps selection, filter and axes by name. */
  changed(argument: Snapshot): void;
  results(argument: { results: CachedResult[] }): void;
  findings(argument: { findings: Finding[] }): void;
  progress(argument: AnalysisProgress): void;
  engine(argument: EngineStatus): void;
  /** A command of the palette or a menu that acts on the active view. */
  command(argument: { name: ViewCommand }): void;
  /** Another view asks for the page of a tensor, by its name. */
  showTensor(argument: { tensor: string }): void;
}

export type ViewCommand = "focusFilter" | "analyse" | "exportReport" | "back" | "forward";

/** A value cell's number for sorting and plotting. */
export type Cell = Numeric | null;
