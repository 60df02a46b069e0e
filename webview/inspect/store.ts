/** What the pages of the inspector share. `createStore` (in `create-store.ts`) connects it to the host. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { AnalysisProgress, CachedResult, EngineStatus, InspectHost, Overview, Tab, ViewState } from "../../src/protocol/inspect";
import type { Finding } from "../../src/protocol/results";
import type { Remote, WireError } from "../../src/protocol/rpc";
import type { TableRow } from "../../src/protocol/tensor-table";

/** The model, a folded group of the tree (module path, `*` standing for folded layer numbers), or one tensor. */
export type Selection = { kind: "model" } | { kind: "group"; path: string; tensors: number[] } | { kind: "tensor"; tensor: number };

export interface InspectStore {
  readonly host: Remote<InspectHost>;
  readonly error: ReadonlySignal<WireError | null>;
  readonly overview: ReadonlySignal<Overview | null>;
  readonly rows: ReadonlySignal<readonly TableRow[]>;
  /** What is known per tensor index; a new Map identity whenever something was added. */
  readonly results: ReadonlySignal<ReadonlyMap<number, CachedResult>>;
  /** Structure findings and computed ones, worst first. */
  readonly findings: ReadonlySignal<readonly Finding[]>;
  readonly progress: ReadonlySignal<AnalysisProgress | null>;
  readonly engine: ReadonlySignal<EngineStatus>;
  readonly selection: ReadonlySignal<Selection>;
  readonly tab: Signal<Tab>;
  /** Tensor under the pointer or focus in a plot or the tree, for linked highlighting; −1 for none. */
  readonly hovered: Signal<number>;
  /** Tensors added with Alt-click, drawn beside the selected one. */
  readonly compared: Signal<readonly number[]>;
  /** What the status line says about the numbers on screen. */
  readonly status: Signal<string>;
  select(selection: Selection): void;
  back(): void;
  forward(): void;
  /** Adds results that a page asked for itself, so that tree and charts show them too. */
  addResults(results: CachedResult[]): void;
  /** Small state of a page that survives a reload of the window (axis scales, chosen statistic …). */
  pageState<T>(key: string, initial: T): Signal<T>;
  state(): ViewState;
}
