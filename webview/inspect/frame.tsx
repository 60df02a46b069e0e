/** The inspector's frame: title strip, tabs, tree, detail, status line, and the keys that work everywhere. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Tab } from "../../src/protocol/inspect";
import { PlotHostContext, plotHost } from "../plots/host";
import { IconButton } from "../ui/button";
import type { GridHandle } from "../ui/grid";
import { listenForShortcuts } from "../ui/shortcuts";
import { Split } from "../ui/split";
import { Tabs } from "../ui/tabs";
import type { Commands } from "./commands";
import { Detail } from "./detail";
import { Help } from "./help";
import { ProgressStrip } from "./progress-strip";
import { exportReport } from "./report";
import { EmptyState, ErrorBanner, ErrorState, EngineBanner, LoadingState, ShardBanner } from "./states";
import { StatusLine } from "./status-line";
import type { InspectStore } from "./store";
import { TitleStrip } from "./title-strip";
import { createTreeModel } from "./tree-model";
import { TreePane } from "./tree-pane";

const TREE_SHARE = 0.34;
const PANEL = "detail-panel";
const REGIONS = ["title", "tree", "detail", "status"];

export function Frame({ store, commands }: { store: InspectStore; commands: Commands }) {
  const model = useMemo(() => createTreeModel(store), [store]);
  const host = useMemo(() => plotHost(store.host), [store]);
  const filter = useRef<HTMLElement>(null);
  const grid = useRef<GridHandle>(null);
  const root = useRef<HTMLDivElement>(null);
  const [helping, setHelping] = useState(false);
  const share = store.pageState("treeWidth", TREE_SHARE);
  const overview = store.overview.value;
  const error = store.error.value;

  useEffect(() => {
    const focusFilter = (): void => filter.current?.focus();
    const show = (tab: Tab) => (): void => { openTab(store, tab); };
    commands.bind({
      focusFilter,
      analyse: () => store.analyse(["statistics", "norms"]),
      exportReport: () => save(store),
      back: () => store.back(),
      forward: () => store.forward(),
    });
    return listenForShortcuts(document, {
      "/": focusFilter,
      "?": () => setHelping((shown) => !shown),
      "Alt+ArrowLeft": () => store.back(),
      "Alt+ArrowRight": () => store.forward(),
      F6: () => moveRegion(root.current!, 1),
      "g o": show("overview"),
      "g t": show("tensors"),
      "g h": show("health"),
      "g s": show("spectra"),
      "g r": () => { if (store.adapter.peek() !== null) openTab(store, "ranks"); },
      "g m": show("metadata"),
      Escape: () => escape(store, () => { model.typed.value = ""; }, model.typed.peek() !== ""),
    });
  }, [store, model, commands]);

  if (store.loading.value) return <LoadingState />;
  if (overview === null) return <ErrorState store={store} error={error ?? { code: "internal", message: "The host sent nothing to show." }} />;
  const errors = store.findings.value.filter((finding) => finding.severity !== "info").length;
  const tabs: { id: Tab; label: preact.ComponentChildren }[] = [
    { id: "overview", label: "Overview" },
    { id: "tensors", label: "Tensors" },
    { id: "health", label: <>Health{errors > 0 && <span class="tab-count"> {errors}</span>}</> },
    { id: "spectra", label: "Spectra" },
    ...(store.adapter.value === null ? [] : [{ id: "ranks" as const, label: "Ranks" }]),
    { id: "metadata", label: "Metadata" },
  ];
  return (
    <PlotHostContext.Provider value={host}>
      <div class="frame" ref={root}>
        <header class="title-strip" data-region="title">
          <TitleStrip store={store} overview={overview} onExport={() => save(store)} onHelp={() => setHelping(true)} />
          <div class="title-tabs">
            <nav class="history" aria-label="History">
              <IconButton icon="arrow-left" label="Back (Alt+←)" disabled={!store.canGoBack.value} onClick={() => store.back()} />
              <IconButton icon="arrow-right" label="Forward (Alt+→)" disabled={!store.canGoForward.value} onClick={() => store.forward()} />
            </nav>
            <Tabs label="Pages" items={tabs} active={store.tab.value} panelId={PANEL} onSelect={(tab) => openTab(store, tab)} />
            <ProgressStrip store={store} />
          </div>
        </header>
        {error !== null && <ErrorBanner store={store} error={error} />}
        <EngineBanner store={store} />
        {overview.wholeModel !== undefined && <ShardBanner store={store} index={overview.wholeModel} />}
        <main class="body">
          {store.rows.value.length === 0 ? (
            store.tab.value === "metadata" ? <Detail id={PANEL} store={store} model={model} /> : <EmptyState store={store} overview={overview} panelId={PANEL} />
          ) : (
            <Split
              label="Width of the tree"
              share={share.value}
              onShare={(value) => { share.value = value; }}
              first={<TreePane store={store} model={model} filterRef={filter} gridRef={grid} />}
              second={<Detail id={PANEL} store={store} model={model} />}
            />
          )}
        </main>
        <StatusLine store={store} />
        {helping && <Help onClose={() => setHelping(false)} />}
      </div>
    </PlotHostContext.Provider>
  );
}

/** The first tab, chosen while it shows a tensor or a module, goes back to the model. */
function openTab(store: InspectStore, tab: Tab): void {
  if (tab === "overview" && store.tab.peek() === "overview") store.select({ kind: "model" });
  else store.tab.value = tab;
}

function save(store: InspectStore): void {
  exportReport(store).then(
    (path) => { if (path !== null) store.say(`Saved ${path}.`); },
    (error: unknown) => store.say(error instanceof Error ? error.message : String(error), true),
  );
}

/** What Escape ends first: the filter, then the comparison, then the analysis. */
function escape(store: InspectStore, clearFilter: () => void, filtering: boolean): boolean {
  if (filtering) clearFilter();
  else if (store.compared.peek().length > 0) for (const tensor of store.compared.peek()) store.toggleCompared(tensor);
  else if (store.progress.peek()?.running === true) store.stopAnalysis();
  else return false;
  return true;
}

/** Moves the focus to the next region of the page. */
function moveRegion(root: HTMLElement, step: number): void {
  const regions = REGIONS.flatMap((name) => root.querySelector<HTMLElement>(`[data-region="${name}"]`) ?? []);
  const now = regions.findIndex((region) => region.contains(document.activeElement));
  for (let i = 1; i <= regions.length; i++) {
    const region = regions[(now + step * i + regions.length) % regions.length]!;
    const target = region.querySelector<HTMLElement>(".grid-rows [tabindex='0'], [role='tab'][tabindex='0'], [tabindex='0'], button:not(:disabled)") ?? region;
    target.focus();
    if (region.contains(document.activeElement)) return;
  }
}
