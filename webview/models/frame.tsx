/** Several models of one base in the frame of all views. */
import { useMemo } from "preact/hooks";
import type { ModelsTab } from "../../src/protocol/models";
import { PLOT_KEYS, type KeyList } from "../frame/help";
import { writeReport } from "../frame/report";
import { PANEL, Shell } from "../frame/shell";
import { Banner, EngineBanner, FailedState, LoadingState, sentence } from "../frame/states";
import { TitleLine } from "../frame/title-line";
import { Button, IconButton } from "../ui/button";
import { formatInteger, plural, visibleText } from "../ui/format";
import { FindingsPage } from "./findings-page";
import { namesOf } from "./names";
import { OverviewPage } from "./overview-page";
import type { ModelsStore } from "./store";
import { TensorsPage } from "./tensors-page";

const KEYS: KeyList = [
  ["Anywhere", [
    ["g o · g t · g f", "Overview · Tensors · Findings"],
    ["F6", "next region: strip, page, status line"],
    ["Esc", "stop"],
    ["?", "this list"],
  ]],
  PLOT_KEYS,
];

export function Frame({ store }: { store: ModelsStore }) {
  const { base, models } = namesOf(store.subject);
  const relations = store.relations.value;
  const error = store.error.value;
  const tab = store.tab.value;
  const shortcuts = useMemo(() => {
    const show = (to: ModelsTab) => (): void => { store.tab.value = to; };
    return {
      "g o": show("overview"), "g t": show("tensors"), "g f": show("findings"),
      Escape: () => {
        if (store.progress.peek()?.running !== true) return false;
        store.stopAnalysis();
        return true;
      },
    };
  }, [store]);
  if (relations === null && error !== null) {
    return <FailedState title="These models cannot be related" error={error}><Button onClick={() => store.relate(true)}>Retry</Button><Button secondary onClick={() => store.showLog()}>Show Log</Button></FailedState>;
  }
  if (relations === null && store.progress.value === null) return <LoadingState>Reading the headers of {plural(models.length + 1, "model")} …</LoadingState>;
  const save = (): void => {
    if (relations === null) return;
    writeReport(store.files, { name: `models of ${base}`, subject: tab, paths: [`base: ${relations.base}`, ...relations.models], facts: [["tensors", formatInteger(relations.tensors.length)]], sentences: [relations.sentence] }).then(
      (path) => { if (path !== null) store.say(`Saved ${path}.`); },
      (failure: unknown) => store.say(failure instanceof Error ? failure.message : String(failure), true),
    );
  };
  const findings = relations?.findings.length ?? 0;
  return (
    <Shell
      view={store}
      title={(showHelp) => (
        <TitleLine
          icon="type-hierarchy-sub"
          heading={<h1>{plural(models.length, "model")} of <span title={visibleText(store.subject.base)}>{visibleText(base)}</span></h1>}
          summary={[{ text: models.map(visibleText).join(", "), title: "Models" }, { text: relations === null ? "" : plural(relations.tensors.length, "tensor"), title: "Tensors that all have" }]}
          actions={<><IconButton icon="refresh" label="Read all files again" onClick={() => store.relate(true)} /><IconButton icon="export" label="Export this page as a report" onClick={save} /></>}
          menu={[
            { label: `Inspect ${visibleText(base)}`, run: () => store.host.notify("inspect", { model: -1 }) },
            ...models.map((name, model) => ({ label: `Compare ${visibleText(base)} with ${visibleText(name)}`, run: () => store.host.notify("compare", { model }) })),
            { label: "Show log", separated: true, run: () => store.showLog() },
            { label: "Restart engine", run: () => store.restartEngine() },
            { label: "Keyboard shortcuts", key: "?", separated: true, run: showHelp },
          ]}
        />
      )}
      tabs={[{ id: "overview", label: "Overview" }, { id: "tensors", label: "Tensors" }, { id: "findings", label: <>Findings{findings > 0 && <span class="tab-count"> {findings}</span>}</> }]}
      tab={tab}
      onTab={(next) => { store.tab.value = next; }}
      banners={<>{error !== null && <Banner icon="warning" alert><span>{sentence(error)}</span><Button secondary onClick={() => store.relate(true)}>Retry</Button></Banner>}<EngineBanner view={store} /></>}
      status={{ how: relations === null ? "" : `${relations.how.exact ? "exact" : "approximate"} · ${relations.how.precision} · ${relations.how.backend} · ${plural(relations.how.threads, "thread")}`, selection: { text: relations === null ? "" : plural(relations.tensors.length, "tensor"), exact: "" } }}
      shortcuts={shortcuts}
      keys={KEYS}
      doing="relating"
    >
      <section class="detail" id={PANEL} role="tabpanel" data-region="detail" tabIndex={-1}>
        {relations === null ? <p class="muted models-waiting" role="status">The numbers appear when all tensors are read.</p>
          : tab === "overview" ? <OverviewPage store={store} relations={relations} />
          : tab === "tensors" ? <TensorsPage store={store} relations={relations} />
          : <FindingsPage store={store} relations={relations} />}
      </section>
    </Shell>
  );
}
