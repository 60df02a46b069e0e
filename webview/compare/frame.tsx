/** The comparison in the frame of all views: its tabs, tree and detail, and its keys. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { CompareTab } from "../../src/protocol/compare";
import type { Commands } from "../frame/commands";
import { PANEL, Shell } from "../frame/shell";
import { EngineBanner, LoadingState } from "../frame/states";
import type { GridHandle } from "../ui/grid";
import { Split } from "../ui/split";
import type { TabItem } from "../ui/tabs";
import { Detail } from "./detail";
import { KEYS } from "./keys";
import { exportReport } from "./report";
import { ErrorBanner, ErrorState, NothingInCommon, RewrittenBanner } from "./states";
import { howText, selectionText } from "./status-text";
import type { CompareStore } from "./store";
import { TitleStrip } from "./title-strip";
import { createTreeModel } from "./tree-model";
import { TreePane } from "./tree-pane";

const TREE_SHARE = 0.36;

export function Frame({ store, commands }: { store: CompareStore; commands: Commands }) {
  const model = useMemo(() => createTreeModel(store), [store]);
  const filter = useRef<HTMLElement>(null);
  const grid = useRef<GridHandle>(null);
  const share = store.pageState("treeWidth", TREE_SHARE);
  const opened = store.opened.value;
  const error = store.error.value;

  const focusFilter = (): void => filter.current?.focus();
  const shortcuts = useMemo(() => {
    const show = (tab: CompareTab) => (): void => { openTab(store, tab); };
    return {
      "/": focusFilter,
      "g o": show("overview"),
      "g t": show("pairs"),
      "g m": show("mapping"),
      "g f": show("findings"),
      Escape: () => {
        if (model.filter.typed.peek() !== "") model.filter.typed.value = "";
        else if (store.progress.peek()?.running === true) store.stopAnalysis();
        else return false;
        return true;
      },
    };
  }, [store, model]);
  useEffect(() => commands.bind({
    focusFilter,
    analyse: () => store.analyse(["difference", "structure"]),
    exportReport: () => save(store),
    back: () => store.back(),
    forward: () => store.forward(),
  }), [store, commands]);

  if (store.loading.value) return <LoadingState>Reading both headers …</LoadingState>;
  if (opened === null) return <ErrorState store={store} error={error ?? { wire: { code: "internal", message: "The host sent nothing to show." }, a: "", b: "" }} />;
  const { list, pairs } = store.entries.value;
  const tab = store.tab.value;
  const alarms = store.findings.value.filter(({ severity }) => severity !== "info").length;
  const tabs: TabItem<CompareTab>[] = [
    { id: "overview", label: "Overview" },
    { id: "pairs", label: "Pairs" },
    { id: "mapping", label: "Mapping" },
    { id: "findings", label: <>Findings{alarms > 0 && <span class="tab-count"> {alarms}</span>}</> },
  ];
  return (
    <Shell
      view={store}
      title={(showHelp) => <TitleStrip store={store} opened={opened} onExport={() => save(store)} onHelp={showHelp} />}
      tabs={tabs}
      tab={tab}
      onTab={(next) => openTab(store, next)}
      banners={
        <>
          {error !== null && <ErrorBanner store={store} error={error} />}
          <RewrittenBanner store={store} opened={opened} />
          <EngineBanner view={store} />
        </>
      }
      status={{ how: howText(store), selection: selectionText(store) }}
      shortcuts={shortcuts}
      keys={KEYS}
      doing="comparing"
    >
      {pairs === 0 && tab === "overview" && store.selection.value.kind === "models" ? <NothingInCommon store={store} opened={opened} panelId={PANEL} />
        : list.length === 0 ? <Detail id={PANEL} store={store} model={model} />
        : (
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

/** The first tab, chosen while it shows a pair or a module, goes back to the models. */
function openTab(store: CompareStore, tab: CompareTab): void {
  if (tab === "overview" && store.tab.peek() === "overview") store.select({ kind: "models" });
  else store.tab.value = tab;
}

function save(store: CompareStore): void {
  exportReport(store).then(
    (path) => { if (path !== null) store.say(`Saved ${path}.`); },
    (error: unknown) => store.say(error instanceof Error ? error.message : String(error), true),
  );
}
