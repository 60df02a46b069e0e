/** The inspector in the frame of all views: its tabs, tree and detail, and its keys. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Tab } from "../../src/protocol/inspect";
import type { Commands } from "../frame/commands";
import { PANEL, Shell } from "../frame/shell";
import { EngineBanner, LoadingState } from "../frame/states";
import type { GridHandle } from "../ui/grid";
import { Split } from "../ui/split";
import type { TabItem } from "../ui/tabs";
import { Detail } from "./detail";
import { KEYS } from "./keys";
import { exportReport } from "./report";
import { EmptyState, ErrorBanner, ErrorState, ShardBanner } from "./states";
import { howText, selectionText } from "./status-text";
import type { InspectStore } from "./store";
import { TitleStrip } from "./title-strip";
import { createTreeModel } from "./tree-model";
import { TreePane } from "./tree-pane";

const TREE_SHARE = 0.34;

export function Frame({ store, commands }: { store: InspectStore; commands: Commands }) {
  const model = useMemo(() => createTreeModel(store), [store]);
  const filter = useRef<HTMLElement>(null);
  const grid = useRef<GridHandle>(null);
  const share = store.pageState("treeWidth", TREE_SHARE);
  const overview = store.overview.value;
  const error = store.error.value;

  const focusFilter = (): void => filter.current?.focus();
  const shortcuts = useMemo(() => {
    const show = (tab: Tab) => (): void => { openTab(store, tab); };
    return {
      "/": focusFilter,
      "g o": show("overview"),
      "g t": show("tensors"),
      "g h": show("health"),
      "g s": show("spectra"),
      "g r": () => { if (store.adapter.peek() !== null) openTab(store, "ranks"); },
      "g m": show("metadata"),
      Escape: () => escape(store, () => { model.filter.typed.value = ""; }, model.filter.typed.peek() !== ""),
    };
  }, [store, model]);
  useEffect(() => commands.bind({
    focusFilter,
    analyse: () => store.analyse(["statistics", "norms"]),
    exportReport: () => save(store),
    back: () => store.back(),
    forward: () => store.forward(),
  }), [store, commands]);

  if (store.loading.value) return <LoadingState>Reading the header …</LoadingState>;
  if (overview === null) return <ErrorState store={store} error={error ?? { code: "internal", message: "The host sent nothing to show." }} />;
  const errors = store.findings.value.filter((finding) => finding.severity !== "info").length;
  const tabs: TabItem<Tab>[] = [
    { id: "overview", label: "Overview" },
    { id: "tensors", label: "Tensors" },
    { id: "health", label: <>Health{errors > 0 && <span class="tab-count"> {errors}</span>}</> },
    { id: "spectra", label: "Spectra" },
    ...(store.adapter.value === null ? [] : [{ id: "ranks" as const, label: "Ranks" }]),
    { id: "metadata", label: "Metadata" },
  ];
  return (
    <Shell
      view={store}
      title={(showHelp) => <TitleStrip store={store} overview={overview} onExport={() => save(store)} onHelp={showHelp} />}
      tabs={tabs}
      tab={store.tab.value}
      onTab={(tab) => openTab(store, tab)}
      banners={
        <>
          {error !== null && <ErrorBanner store={store} error={error} />}
          <EngineBanner view={store} />
          {overview.wholeModel !== undefined && <ShardBanner store={store} index={overview.wholeModel} />}
        </>
      }
      status={{ how: howText(store), selection: selectionText(store) }}
      shortcuts={shortcuts}
      keys={KEYS}
    >
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
    </Shell>
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
