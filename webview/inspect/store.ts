/** What the pages of the inspector share. `createStore` (in `create-store.ts`) connects it to the host. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { AdapterSummary, AnalysisPart, CachedResult, InspectHost, Overview, Tab, ViewState } from "../../src/protocol/inspect";
import type { Finding } from "../../src/protocol/results";
import type { Remote, WireError } from "../../src/protocol/rpc";
import type { TableRow } from "../../src/protocol/tensor-table";
import type { PageView } from "../frame/view";
import type { Modules } from "../tree/modules";
import type { ColumnValues } from "./column-values";

/** The model, a folded group of the tree (module path, `*` standing for folded layer numbers), or one tensor. */
export type Selection = { kind: "model" } | { kind: "group"; path: string; tensors: number[] } | { kind: "tensor"; tensor: number };

export interface InspectStore extends PageView {
  /** True until the first snapshot is there; then `error` or `overview` is set. */
  readonly loading: ReadonlySignal<boolean>;
  readonly host: Remote<InspectHost>;
  readonly error: ReadonlySignal<WireError | null>;
  readonly overview: ReadonlySignal<Overview | null>;
  /** What the checkpoint says of itself as an adapter; null when it is none, or is not known to be one yet. */
  readonly adapter: ReadonlySignal<AdapterSummary | null>;
  readonly rows: ReadonlySignal<readonly TableRow[]>;
  /** The module tree of all rows, for finding a group by its path. */
  readonly modules: ReadonlySignal<Modules>;
  /** The results as columns of numbers; the same object until the file changes. Read `results` too to follow it. */
  readonly values: ReadonlySignal<ColumnValues>;
  /** What is known per tensor index; a new Map identity whenever something was added. */
  readonly results: ReadonlySignal<ReadonlyMap<number, CachedResult>>;
  /** Structure findings and computed ones, worst first. */
  readonly findings: ReadonlySignal<readonly Finding[]>;
  /** The worst error or warning of each tensor that has one, worst first. */
  readonly alarms: ReadonlySignal<ReadonlyMap<number, Finding>>;
  readonly selection: ReadonlySignal<Selection>;
  readonly tab: Signal<Tab>;
  /** Tensor under the pointer or focus in a plot or the tree, for linked highlighting; −1 for none. */
  readonly hovered: Signal<number>;
  /** Tensors added with Alt-click, drawn beside the selected one. */
  readonly compared: Signal<readonly number[]>;
  /** What the status line says about the numbers on screen. */
  readonly status: Signal<string>;
  /** Selects, and shows the selection's page unless `on` names another tab (the table selects without leaving itself). */
  select(selection: Selection, on?: Tab): void;
  /** Selects the tensor of that name; false when there is none. */
  selectByName(name: string): boolean;
  /** Adds the tensor to the comparison set, or takes it out. */
  toggleCompared(tensor: number): void;
  /** Analyses tensors (all by default); results, findings and progress arrive through the signals above. */
  analyse(parts: AnalysisPart[], tensors?: number[]): void;
  /** Adds results that a page asked for itself, so that tree and charts show them too. */
  addResults(results: CachedResult[]): void;
  state(): ViewState;
}
