/** The state of one comparison's view, connected to its host. */
import { batch, effect, signal } from "@preact/signals";
import type { CompareHost, CompareSnapshot, CompareTab, CompareView, CompareViewState, PairUpdate } from "../../src/protocol/compare";
import type { AnalysisProgress, EngineStatus } from "../../src/protocol/inspect";
import type { CompareTotals, Finding } from "../../src/protocol/results";
import { connect, toWireError, type Port, type WireError } from "../../src/protocol/rpc";
import { History } from "../frame/history";
import { Jobs } from "../frame/jobs";
import { PageStates } from "../frame/page-states";
import { createRemarks } from "../frame/remarks";
import { ResultMap } from "../frame/result-map";
import { plotHost } from "../plots/host";
import { buildModules, type Modules } from "../tree/modules";
import { tensorsAt } from "../tree/tree";
import { entriesOf, NO_ENTRIES, type Entries } from "./entries";
import { MeasureValues } from "./measure-values";
import { createSettled } from "./settled";
import type { CompareStore, Opened, Selection } from "./store";
import { worstFirst } from "../frame/worst-first";

export interface StoreOptions {
  /** URIs of A and B, as the page was made for them. */
  models: { a: string; b: string };
  port: Port;
  /** State kept by the webview over being hidden; undefined when it opens for the first time. */
  restored: CompareViewState | undefined;
  /** Keeps the state; called at most every 300 ms. */
  keep(state: CompareViewState): void;
  /** Calls back once what the store has now is drawn. */
  afterDrawing(then: () => void): void;
  /** A command of the palette or a menu. */
  onCommand(name: Parameters<CompareView["command"]>[0]["name"]): void;
}

interface Place {
  tab: CompareTab;
  selection: Selection;
}

const KEEP_MS = 300;
/** Open rows kept over a reload of the window. */
const MOST_EXPANDED = 500;
const MODELS: Selection = { kind: "models" };

/** Says ready to the host, shows what it answers, and follows what it tells. */
export function createStore(options: StoreOptions): CompareStore & { dispose(): void } {
  const loading = signal(true);
  const error = signal<{ wire: WireError; a: string; b: string } | null>(null);
  const opened = signal<Opened | null>(null);
  const entries = signal<Entries>(NO_ENTRIES);
  const modules = signal<Modules>(buildModules([]));
  const results = signal(new ResultMap<number, PairUpdate>());
  const values = signal(new MeasureValues([], results.peek()));
  const totals = signal<CompareTotals | null>(null);
  const summary = signal<readonly string[]>([]);
  const findings = signal<readonly Finding[]>([]);
  const progress = signal<AnalysisProgress | null>(null);
  const engine = signal<EngineStatus>({ state: "stopped" });
  const tab = signal<CompareTab>("overview");
  const hovered = signal(-1);
  const status = signal("");
  const selection = signal<Selection>(MODELS);
  const canGoBack = signal(false);
  const canGoForward = signal(false);
  const history = new History<Place>({ tab: "overview", selection: MODELS }, samePlace);
  const models = signal(options.restored?.models ?? options.models);
  const pages = new PageStates();
  const jobs = new Jobs();
  const settled = createSettled(results, progress);
  let byName: Map<string, number> | undefined;
  let revision = -1;
  let restored = false;

  const host = connect<CompareHost, CompareView>(options.port, {
    changed: (snapshot) => show(snapshot),
    results: (argument) => batch(() => {
      addResults(argument.results);
      totals.value = argument.totals;
      summary.value = argument.summary;
    }),
    findings: (argument) => { findings.value = worstFirst(argument.findings); },
    progress: (argument) => { progress.value = argument; },
    engine: (argument) => { engine.value = argument; },
    command: ({ name }) => options.onCommand(name),
  });
  const files = plotHost(host);
  const remarks = createRemarks(files);
  const { say, attempt } = remarks;

  function show(snapshot: CompareSnapshot): void {
    if (snapshot.revision < revision) return;
    revision = snapshot.revision;
    batch(() => {
      loading.value = false;
      if (snapshot.status === "failed") {
        error.value = { wire: snapshot.error, a: snapshot.a, b: snapshot.b };
        return;
      }
      const before = entries.peek();
      const next = entriesOf(snapshot);
      const map = new ResultMap<number, PairUpdate>().with(snapshot.results.map((result) => [result.pair, result]));
      byName = undefined;
      jobs.clear();
      error.value = null;
      opened.value = snapshot;
      entries.value = next;
      modules.value = buildModules(next.list.map(({ name }) => name));
      results.value = map;
      values.value = new MeasureValues(next.list, map);
      totals.value = snapshot.totals;
      summary.value = snapshot.summary;
      findings.value = worstFirst(snapshot.findings);
      engine.value = snapshot.engine;
      hovered.value = -1;
      settled.now();
      if (restored) followNames(before);
    });
  }

  /** The selection keeps its entry by name. */
  function followNames(before: Entries): void {
    const lost = selection.peek();
    const follow = (place: Selection): Selection | null => {
      if (place.kind === "group") return groupAt(place.path);
      if (place.kind === "models") return place;
      const entry = indexOf(before.list[place.entry]?.name ?? "");
      return entry < 0 ? null : { kind: "entry", entry };
    };
    history.translate((place) => {
      const followed = follow(place.selection);
      return followed === null ? null : { ...place, selection: followed };
    }, { tab: tab.peek(), selection: MODELS });
    arrive();
    if (lost.kind !== "models" && selection.peek().kind === "models") {
      say(`${lost.kind === "entry" ? before.list[lost.entry]?.name ?? "The tensor" : lost.path} is no longer there.`);
    }
  }

  /** By the entry's own name, or by a tensor's on either side. */
  function indexOf(name: string): number {
    if (byName === undefined) {
      byName = new Map();
      const { list } = entries.peek();
      for (let i = 0; i < list.length; i++) {
        const { name: own, a, b } = list[i]!;
        for (const key of [own, a?.name, b?.name]) if (key !== undefined && !byName.has(key)) byName.set(key, i);
      }
    }
    return byName.get(name) ?? -1;
  }

  function groupAt(path: string): Selection | null {
    const at = tensorsAt(modules.peek(), path);
    return at.length === 0 ? null : { kind: "group", path, entries: at };
  }

  function arrive(): void {
    batch(() => {
      tab.value = history.current.tab;
      selection.value = history.current.selection;
      canGoBack.value = history.canGoBack;
      canGoForward.value = history.canGoForward;
    });
  }

  function select(place: Selection, on: CompareTab = "overview"): void {
    batch(() => {
      selection.value = place;
      // The first tab shows the details of whatever is selected.
      tab.value = on;
    });
  }

  function addResults(added: readonly PairUpdate[]): void {
    // Numbers, structure and spectrum of a pair arrive apart, often in one message.
    const merged = new Map<number, PairUpdate>();
    for (const result of added) merged.set(result.pair, { ...(merged.get(result.pair) ?? results.peek().get(result.pair)), ...result });
    const next = results.peek().with(merged);
    values.peek().update(merged.keys());
    results.value = next;
  }

  function state(): CompareViewState {
    const place = selection.value;
    const { filter, sort, expanded, treeWidth, ...others } = pages.values();
    return {
      models: models.value,
      tab: tab.value,
      ...(typeof filter === "string" ? { filter } : {}),
      ...(isSort(sort) ? { sort } : {}),
      ...(Array.isArray(expanded) ? { expanded: expanded.slice(0, MOST_EXPANDED) as string[] } : {}),
      ...(typeof treeWidth === "number" ? { treeWidth } : {}),
      ...(place.kind === "entry" ? { selection: entries.value.list[place.entry]?.name ?? "" } : {}),
      ...(place.kind === "group" ? { selection: `group:${place.path}` } : {}),
      pages: others,
    };
  }

  function restore(from: CompareViewState): void {
    batch(() => {
      const { filter, sort, expanded, treeWidth } = from;
      pages.restore({ ...from.pages, filter, sort, expanded, treeWidth });
      const wanted = from.selection;
      if (typeof wanted === "string") {
        const entry = indexOf(wanted);
        const place = entry >= 0 ? { kind: "entry" as const, entry } : wanted.startsWith("group:") ? groupAt(wanted.slice("group:".length)) : null;
        if (place !== null) selection.value = place;
      }
      if (isTab(from.tab)) tab.value = from.tab;
      restored = true;
    });
  }

  async function begin(): Promise<void> {
    // A view that was hidden and shown again has its own state; a window that was reloaded asks the host.
    const [snapshot, recalled] = await Promise.all([host.call("ready", {}), options.restored ?? host.call("recall", {}).catch(() => ({}))]);
    batch(() => {
      show(snapshot);
      restore(recalled);
    });
    options.afterDrawing(() => host.notify("drawn", {}));
  }

  const stopVisiting = effect(() => {
    history.visit({ tab: tab.value, selection: selection.value });
    // The new page says how its own numbers were made.
    status.value = "";
    canGoBack.value = history.canGoBack;
    canGoForward.value = history.canGoForward;
  });

  let keepTimer: ReturnType<typeof setTimeout> | undefined;
  const stopKeeping = effect(() => {
    const now = state();
    if (!restored) return;
    clearTimeout(keepTimer);
    keepTimer = setTimeout(() => {
      options.keep(now);
      host.notify("remember", now);
    }, KEEP_MS);
  });

  // A window that is reloaded before anything was read still knows what this page is about.
  if (options.restored === undefined) options.keep({ models: options.models });
  begin().catch((failure: unknown) => {
    batch(() => {
      loading.value = false;
      error.value = { wire: toWireError(failure), a: "", b: "" };
    });
  });

  return {
    host, loading, error, opened, entries, modules, results, values, totals, summary, findings, progress, engine,
    selection, canGoBack, canGoForward, tab, hovered, status, jobs, files,
    settled: settled.results, held: settled.held, settleNow: () => settled.now(),
    remark: remarks.remark, say, attempt, copy: remarks.copy, save: remarks.save,
    select, addResults, state,
    pageState: (key, initial) => pages.of(key, initial),
    selectByName(name) {
      const entry = indexOf(name);
      if (entry >= 0) select({ kind: "entry", entry });
      return entry >= 0;
    },
    back() { history.back(); arrive(); },
    forward() { history.forward(); arrive(); },
    analyse(parts, pairs) {
      attempt(host.call("analyse", { parts, ...(pairs === undefined ? {} : { pairs }) }).then(({ done, failed, cancelled }) => {
        const failures = failed === 0 ? "" : ` ${failed} of ${done} computations failed; the table says why.`;
        return (cancelled ? "The comparison was stopped; what was computed is kept." : "The comparison is done.") + failures;
      }));
    },
    swap() {
      attempt(host.call("swap", {}).then(() => {
        models.value = { a: models.peek().b, b: models.peek().a };
        return null;
      }));
    },
    stopAnalysis() { attempt(host.call("stopAnalysis", {}).then(() => null)); },
    restartEngine: () => host.notify("restartEngine", {}),
    showLog: () => host.notify("showLog", {}),
    dispose() {
      stopVisiting();
      stopKeeping();
      clearTimeout(keepTimer);
      settled.dispose();
      remarks.dispose();
      host.dispose();
    },
  };
}

function samePlace(a: Place, b: Place): boolean {
  return a.tab === b.tab && sameSelection(a.selection, b.selection);
}
function sameSelection(a: Selection, b: Selection): boolean {
  if (a.kind === "entry") return b.kind === "entry" && a.entry === b.entry;
  if (a.kind === "group") return b.kind === "group" && a.path === b.path;
  return b.kind === "models";
}

const TABS: readonly CompareTab[] = ["overview", "pairs", "mapping", "findings"];
function isTab(value: unknown): value is CompareTab {
  return (TABS as readonly unknown[]).includes(value);
}
function isSort(value: unknown): value is NonNullable<CompareViewState["sort"]> {
  return typeof value === "object" && value !== null && "column" in value && "descending" in value;
}
