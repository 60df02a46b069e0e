/** What the pages of a comparison share. `createStore` (in `create-store.ts`) connects it to the host. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { CompareHost, ComparePart, CompareSnapshot, CompareTab, CompareViewState, PairUpdate } from "../../src/protocol/compare";
import type { CompareTotals, Finding } from "../../src/protocol/results";
import type { Remote, WireError } from "../../src/protocol/rpc";
import type { Jobs } from "../frame/jobs";
import type { PageView } from "../frame/view";
import type { Modules } from "../tree/modules";
import type { Entries } from "./entries";
import type { MeasureValues } from "./measure-values";

/** Both models, a group of the tree (module path, `*` standing for folded layer numbers), or one entry. */
export type Selection = { kind: "models" } | { kind: "group"; path: string; entries: number[] } | { kind: "entry"; entry: number };

/** All of a comparison that was opened, but its numbers. */
export type Opened = Extract<CompareSnapshot, { status: "ready" }>;

export interface CompareStore extends PageView {
  /** True until the first snapshot is there; then `error` or `opened` is set. */
  readonly loading: ReadonlySignal<boolean>;
  readonly host: Remote<CompareHost>;
  /** Why the models cannot be read (now), and their paths. */
  readonly error: ReadonlySignal<{ wire: WireError; a: string; b: string } | null>;
  readonly opened: ReadonlySignal<Opened | null>;
  readonly entries: ReadonlySignal<Entries>;
  /** The module tree of all entries' names. */
  readonly modules: ReadonlySignal<Modules>;
  /** The results as columns of numbers; the same object until the structure changes. Read `results` too to follow it. */
  readonly values: ReadonlySignal<MeasureValues>;
  /** What is known per pair; a new identity whenever something was added. */
  readonly results: ReadonlySignal<ReadonlyMap<number, PairUpdate>>;
  /** `results` as order and folding of the tree follow them: taken up in steps, so that rows do not move under the pointer. */
  readonly settled: ReadonlySignal<ReadonlyMap<number, PairUpdate>>;
  readonly totals: ReadonlySignal<CompareTotals | null>;
  readonly summary: ReadonlySignal<readonly string[]>;
  readonly findings: ReadonlySignal<readonly Finding[]>;
  readonly selection: ReadonlySignal<Selection>;
  readonly tab: Signal<CompareTab>;
  /** Entry under the pointer or focus in a plot or the tree; −1 for none. */
  readonly hovered: Signal<number>;
  /** What the page says about how its numbers were made. */
  readonly status: Signal<string>;
  readonly jobs: Jobs;
  /** Rows hold still while this is true: the pointer or the focus is on them. */
  readonly held: Signal<boolean>;
  /** Brings `settled` up to date at once: the user asks for an order. */
  settleNow(): void;
  /** Selects, and shows the selection's page unless `on` names another tab. */
  select(selection: Selection, on?: CompareTab): void;
  /** Selects the entry of that name, or of that tensor on either side; false when there is none. */
  selectByName(name: string): boolean;
  /** Exchanges A and B. */
  swap(): void;
  analyse(parts: ComparePart[], pairs?: number[]): void;
  /** Adds results that a page asked for itself, so that tree and charts show them too. */
  addResults(results: readonly PairUpdate[]): void;
  /** Waits for an action of the host and says what comes of it: its text, or why it failed. */
  attempt(action: Promise<string | null>): void;
  state(): CompareViewState;
}
