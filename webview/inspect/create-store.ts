/** The state of one inspector view, connected to its host. */
import { batch, computed, effect, signal } from "@preact/signals";
import type { AdapterSummary, AnalysisProgress, CachedResult, EngineStatus, InspectHost, InspectView, Overview, Snapshot, Tab, ViewState } from "../../src/protocol/inspect";
import type { Finding } from "../../src/protocol/results";
import { connect, toWireError, type Port, type WireError } from "../../src/protocol/rpc";
import { decodeTable, type TableRow } from "../../src/protocol/tensor-table";
import { History } from "../frame/history";
import { PageStates } from "../frame/page-states";
import { createRemarks } from "../frame/remarks";
import { ResultMap } from "../frame/result-map";
import { worstFirst } from "../frame/worst-first";
import { plotHost } from "../plots/host";
import { buildModules, type Modules } from "../tree/modules";
import { tensorsAt } from "../tree/tree";
import { ColumnValues } from "./column-values";
import type { InspectStore, Selection } from "./store";

export interface StoreOptions {
  port: Port;
  /** State kept by the webview over being hidden; undefined when it opens for the first time. */
  restored: ViewState | undefined;
  /** Keeps the state; called at most every 300 ms. */
  keep(state: ViewState): void;
  /** A command of the palette or a menu. */
  onCommand(name: Parameters<InspectView["command"]>[0]["name"]): void;
}

const KEEP_MS = 300;
/** Open rows kept over a reload of the window. */
const MOST_EXPANDED = 500;
/** After the first drawing: to know an adapter takes another file and a look at every name. */
const ADAPTER_MS = 200;
const MODEL: Selection = { kind: "model" };

/** Says ready to the host, shows what it answers, and follows what it tells. */
export function createStore(options: StoreOptions): InspectStore & { dispose(): void } {
  const loading = signal(true);
  const error = signal<WireError | null>(null);
  const overview = signal<Overview | null>(null);
  const adapter = signal<AdapterSummary | null>(null);
  const rows = signal<readonly TableRow[]>([]);
  const modules = signal<Modules>(buildModules([]));
  const results = signal(new ResultMap<number, CachedResult>());
  const values = signal(new ColumnValues([], results.peek()));
  const findings = signal<readonly Finding[]>([]);
  const alarms = computed(() => {
    void rows.value;
    const worst = new Map<number, Finding>();
    for (const finding of findings.value) {
      if (finding.severity === "info" || finding.tensor === undefined) continue;
      const tensor = indexOf(finding.tensor);
      if (tensor >= 0 && !worst.has(tensor)) worst.set(tensor, finding);
    }
    return worst;
  });
  const progress = signal<AnalysisProgress | null>(null);
  const engine = signal<EngineStatus>({ state: "stopped" });
  const tab = signal<Tab>("overview");
  const hovered = signal(-1);
  const compared = signal<readonly number[]>([]);
  const status = signal("");
  const history = new History<Place>({ tab: "overview", selection: MODEL }, samePlace);
  const selection = signal<Selection>(MODEL);
  const canGoBack = signal(false);
  const canGoForward = signal(false);
  const pages = new PageStates();
  let byName: Map<string, number> | undefined;
  let revision = -1;
  let restored = false;
  let adapterTimer: ReturnType<typeof setTimeout> | undefined;

  const host = connect<InspectHost, InspectView>(options.port, {
    changed: (snapshot) => show(snapshot),
    results: (argument) => addResults(argument.results),
    findings: (argument) => { findings.value = worstFirst(argument.findings); },
    progress: (argument) => { progress.value = argument; },
    engine: (argument) => { engine.value = argument; },
    command: ({ name }) => options.onCommand(name),
    showTensor: ({ tensor }) => { if (!selectByName(tensor)) say("That tensor is not listed.", true); },
  });

  const files = plotHost(host);
  const remarks = createRemarks(files);
  const { say, attempt } = remarks;

  function show(snapshot: Snapshot): void {
    if (snapshot.revision < revision) return;
    revision = snapshot.revision;
    batch(() => {
      loading.value = false;
      if (snapshot.status === "failed") {
        error.value = { file: snapshot.path, ...snapshot.error };
        return;
      }
      const before = rows.peek();
      const table = decodeTable(snapshot.table);
      const map = new ResultMap<number, CachedResult>().with(snapshot.results.map((result) => [result.tensor, result]));
      byName = undefined;
      error.value = null;
      overview.value = snapshot.overview;
      rows.value = table;
      modules.value = buildModules(table.map((row) => row.name));
      results.value = map;
      values.value = new ColumnValues(table, map);
      findings.value = worstFirst(snapshot.overview.findings);
      engine.value = snapshot.engine;
      hovered.value = -1;
      if (restored) followNames(before);
    });
    if (snapshot.status === "ready") {
      clearTimeout(adapterTimer);
      const asked = revision;
      adapterTimer = setTimeout(() => askForAdapter(asked), ADAPTER_MS);
    }
  }

  function askForAdapter(asked: number): void {
    host.call("adapter", {}).then(
      (found) => { if (asked === revision) adapter.value = found; },
      // One that cannot be read as an adapter is shown as the tensors it holds.
      () => { if (asked === revision) adapter.value = null; },
    );
  }

  /** Selection and comparison set keep their tensors by name. */
  function followNames(before: readonly TableRow[]): void {
    const moved = (tensor: number): number => indexOf(before[tensor]?.name ?? "");
    compared.value = compared.peek().map(moved).filter((tensor) => tensor >= 0);
    const lost = selection.peek();
    const follow = (place: Selection): Selection | null => {
      if (place.kind === "tensor") return moved(place.tensor) < 0 ? null : { kind: "tensor", tensor: moved(place.tensor) };
      return place.kind === "group" ? groupAt(place.path) : place;
    };
    history.translate((place) => {
      const followed = follow(place.selection);
      return followed === null ? null : { ...place, selection: followed };
    }, { tab: tab.peek(), selection: MODEL });
    arrive();
    if (lost.kind !== "model" && selection.peek().kind === "model") {
      say(`${lost.kind === "tensor" ? before[lost.tensor]?.name ?? "The tensor" : lost.path} is no longer in the file.`);
    }
  }

  function indexOf(name: string): number {
    byName ??= new Map(rows.peek().map((row, tensor) => [row.name, tensor]));
    return byName.get(name) ?? -1;
  }

  function groupAt(path: string): Selection | null {
    const tensors = tensorsAt(modules.peek(), path);
    return tensors.length === 0 ? null : { kind: "group", path, tensors };
  }

  function arrive(): void {
    batch(() => {
      tab.value = history.current.tab;
      selection.value = history.current.selection;
      canGoBack.value = history.canGoBack;
      canGoForward.value = history.canGoForward;
    });
  }

  function select(place: Selection, on?: Tab): void {
    batch(() => {
      selection.value = place;
      // The first tab shows the details of whatever is selected; the spectra follow the selection themselves.
      tab.value = on ?? (tab.peek() === "spectra" ? "spectra" : "overview");
    });
  }

  function selectByName(name: string): boolean {
    const tensor = indexOf(name);
    if (tensor >= 0) select({ kind: "tensor", tensor });
    return tensor >= 0;
  }

  function addResults(added: CachedResult[]): void {
    // Statistics, norms and spectra of a tensor arrive apart, often in one message.
    const merged = new Map<number, CachedResult>();
    for (const result of added) merged.set(result.tensor, { ...(merged.get(result.tensor) ?? results.peek().get(result.tensor)), ...result });
    const next = results.peek().with(merged);
    values.peek().update(merged.keys());
    results.value = next;
  }

  function state(): ViewState {
    const place = selection.value;
    const { filter, sort, expanded, treeWidth, ...others } = pages.values();
    return {
      tab: tab.value,
      ...(typeof filter === "string" ? { filter } : {}),
      ...(isSort(sort) ? { sort } : {}),
      ...(Array.isArray(expanded) ? { expanded: expanded.slice(0, MOST_EXPANDED) as string[] } : {}),
      ...(typeof treeWidth === "number" ? { treeWidth } : {}),
      ...(place.kind === "tensor" ? { selection: rows.value[place.tensor]?.name ?? "" } : {}),
      ...(place.kind === "group" ? { selection: `group:${place.path}` } : {}),
      pages: others,
    };
  }

  function restore(from: ViewState): void {
    batch(() => {
      const { filter, sort, expanded, treeWidth } = from;
      pages.restore({ ...from.pages, filter, sort, expanded, treeWidth });
      const wanted = from.selection;
      if (typeof wanted === "string") {
        const tensor = indexOf(wanted);
        const place = tensor >= 0 ? { kind: "tensor" as const, tensor } : wanted.startsWith("group:") ? groupAt(wanted.slice("group:".length)) : null;
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

  begin().catch((failure: unknown) => {
    batch(() => {
      loading.value = false;
      error.value = toWireError(failure);
    });
  });

  return {
    host, loading, error, overview, adapter, rows, modules, results, values, findings, alarms, progress, engine,
    selection, canGoBack, canGoForward, tab, hovered, compared, status, files, remark: remarks.remark,
    select, selectByName, addResults, state, say, copy: remarks.copy, save: remarks.save,
    pageState: (key, initial) => pages.of(key, initial),
    restartEngine: () => host.notify("restartEngine", {}),
    showLog: () => host.notify("showLog", {}),
    back() { history.back(); arrive(); },
    forward() { history.forward(); arrive(); },
    toggleCompared(tensor) {
      const now = compared.peek();
      compared.value = now.includes(tensor) ? now.filter((other) => other !== tensor) : [...now, tensor];
    },
    analyse(parts, tensors) {
      attempt(host.call("analyse", { parts, ...(tensors === undefined ? {} : { tensors }) }).then(({ done, failed, cancelled }) => {
        const failures = failed === 0 ? "" : ` ${failed} of ${done} computations failed; the table says why.`;
        return (cancelled ? "The analysis was stopped; what was computed is kept." : "The analysis is done.") + failures;
      }));
    },
    stopAnalysis() { attempt(host.call("stopAnalysis", {}).then(() => null)); },
    dispose() {
      stopVisiting();
      stopKeeping();
      clearTimeout(keepTimer);
      clearTimeout(adapterTimer);
      remarks.dispose();
      host.dispose();
    },
  };
}

interface Place {
  tab: Tab;
  selection: Selection;
}
function samePlace(a: Place, b: Place): boolean {
  return a.tab === b.tab && sameSelection(a.selection, b.selection);
}
function sameSelection(a: Selection, b: Selection): boolean {
  if (a.kind === "tensor") return b.kind === "tensor" && a.tensor === b.tensor;
  if (a.kind === "group") return b.kind === "group" && a.path === b.path;
  return b.kind === "model";
}

const TABS: readonly Tab[] = ["overview", "tensors", "health", "spectra", "ranks", "metadata"];
function isTab(value: unknown): value is Tab {
  return (TABS as readonly unknown[]).includes(value);
}
function isSort(value: unknown): value is NonNullable<ViewState["sort"]> {
  return typeof value === "object" && value !== null && "column" in value && "descending" in value;
}
