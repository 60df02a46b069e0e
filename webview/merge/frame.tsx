/** A merge in the frame of all views. */
import { useMemo } from "preact/hooks";
import type { MergeOverview, MergeSnapshot, MergeTab } from "../../src/protocol/merge";
import { PLOT_KEYS, type KeyList } from "../frame/help";
import { writeReport } from "../frame/report";
import { PANEL, Shell } from "../frame/shell";
import { Banner, EngineBanner, LoadingState } from "../frame/states";
import { TitleLine } from "../frame/title-line";
import { Button, IconButton } from "../ui/button";
import { formatBytes, plural, visibleText } from "../ui/format";
import { OverviewPage } from "./overview-page";
import { PreviewPage } from "./preview-page";
import { RunBar } from "./run-bar";
import type { MergeStore } from "./store";
import { TensorsPage } from "./tensors-page";

const KEYS: KeyList = [
  ["Anywhere", [
    ["g o · g p · g t", "Overview · Preview · Tensors"],
    ["m", "measure"],
    ["F6", "next region: strip, page, status line"],
    ["Esc", "stop measuring"],
    ["?", "this list"],
  ]],
  PLOT_KEYS,
];

export function Frame({ store }: { store: MergeStore }) {
  const snapshot = store.snapshot.value;
  const shortcuts = useMemo(() => {
    const show = (to: MergeTab) => (): void => { store.tab.value = to; };
    return {
      "g o": show("overview"), "g p": show("preview"), "g t": show("tensors"),
      m: () => { store.tab.value = "preview"; store.measure(); },
      Escape: () => {
        if (!store.measuring.peek()) return false;
        store.stopAnalysis();
        return true;
      },
    };
  }, [store]);
  if (snapshot === null) return <LoadingState>Reading the recipe and the headers of its models …</LoadingState>;
  const overview = snapshot.status === "ready" ? snapshot.overview : null;
  const name = overview?.name ?? (snapshot.status === "failed" ? snapshot.name : "");
  const errors = overview?.problems.filter(({ severity }) => severity === "error").length ?? 0;
  const preview = store.preview.value;
  return (
    <Shell
      view={store}
      doing="measuring"
      title={(showHelp) => (
        <TitleLine
          icon="git-merge"
          heading={<h1>{visibleText(name)}</h1>}
          summary={summary(overview)}
          actions={<><IconButton icon="refresh" label="Read the recipe and the models again" onClick={() => store.host.notify("reload", {})} /><IconButton icon="export" label="Export this page as a report" onClick={() => overview !== null && report(store, overview)} /></>}
          menu={[
            { label: "Show the recipe", run: () => store.host.notify("reveal", { line: overview?.documents[overview.document]?.line ?? 1, column: 1 }) },
            { label: "Show log", separated: true, run: () => store.showLog() },
            { label: "Restart engine", run: () => store.restartEngine() },
            { label: "Keyboard shortcuts", key: "?", separated: true, run: showHelp },
          ]}
        />
      )}
      tabs={[
        { id: "overview", label: <>Overview{errors > 0 && <span class="tab-count"> {errors}</span>}</> },
        { id: "preview", label: <>Preview{preview !== null && preview.tensors.length > 0 && <span class="tab-count"> {preview.tensors.length}</span>}</> },
        { id: "tensors", label: "Tensors" },
      ]}
      tab={store.tab.value}
      onTab={(next) => { store.tab.value = next; }}
      banners={<Banners store={store} snapshot={snapshot} overview={overview} />}
      status={{ how: preview !== null && store.tab.value === "preview" ? preview.how : "from headers alone; nothing is written", selection: { text: overview === null ? "" : plural(overview.tensors.name.length, "tensor"), exact: "" } }}
      shortcuts={shortcuts}
      keys={KEYS}
    >
      <section class={`detail${store.planning.value ? " merge-stale" : ""}`} id={PANEL} role="tabpanel" data-region="detail" tabIndex={-1} aria-busy={store.planning.value}>
        {overview === null ? <Unreadable store={store} snapshot={snapshot} />
          : store.tab.value === "overview" ? <OverviewPage store={store} snapshot={snapshot} overview={overview} />
          : store.tab.value === "preview" ? <PreviewPage store={store} overview={overview} />
          : <TensorsPage store={store} overview={overview} />}
      </section>
    </Shell>
  );
}

function summary(overview: MergeOverview | null): { text: string; title: string }[] {
  if (overview === null) return [];
  const { method, inputs, plan, profile } = overview;
  return [
    { text: method?.name ?? "", title: "Method" },
    { text: inputs.length === 0 ? "" : plural(inputs.length, "model"), title: "Models, the base among them" },
    { text: plan === null ? "" : formatBytes(plan.outputBytes), title: "Size of the output" },
    { text: profile ?? "", title: "Profile: whose arithmetic" },
  ];
}

function Banners({ store, snapshot, overview }: { store: MergeStore; snapshot: MergeSnapshot; overview: MergeOverview | null }) {
  return (
    <>
      <EngineBanner view={store} />
      {!snapshot.trusted && <Banner icon="info"><span>Restricted Mode: recipes are checked and previewed with models inside the workspace, and nothing is written. Trust the workspace to run merges.</span></Banner>}
      {overview !== null && overview.documents.length > 1 && (
        <div class="banner merge-documents" role="group" aria-label="Documents of the recipe">
          {overview.documents.map(({ name, method }, i) => (
            <button key={i} type="button" class="merge-document" aria-pressed={i === overview.document} onClick={() => store.host.notify("choose", { document: i })}>{visibleText(name ?? (method ?? `document ${i + 1}`))}</button>
          ))}
        </div>
      )}
    </>
  );
}

/** The recipe could not even be planned. */
function Unreadable({ store, snapshot }: { store: MergeStore; snapshot: MergeSnapshot }) {
  return (
    <article class="page">
      {snapshot.run.state !== "idle" && <RunBar store={store} snapshot={snapshot} />}
      <p class="finding finding-error" role="alert"><span class="codicon codicon-error" aria-hidden="true" /><span>{snapshot.status === "failed" ? visibleText(snapshot.message) : ""}</span></p>
      <p class="page-actions"><Button secondary onClick={() => store.host.notify("reload", {})}>Retry</Button><Button secondary onClick={() => store.showLog()}>Show Log</Button></p>
    </article>
  );
}

/** Asks where to save the page as one HTML file, and says what came of it. */
function report(store: MergeStore, { name, method, inputs, plan, problems }: MergeOverview): void {
  writeReport(store.files, {
    name: `merge ${name}`,
    subject: store.tab.peek(),
    paths: inputs.map(({ label, path, base }) => `${base ? "base: " : ""}${label} (${path})`),
    facts: [["method", method?.name ?? ""], ...(plan === null ? [] : [["output", formatBytes(plan.outputBytes)] as const])],
    sentences: problems.map(({ severity, line, message }) => `${severity}, line ${line}: ${message}`),
  }).then(
    (path) => { if (path !== null) store.say(`Saved ${path}.`); },
    (failure: unknown) => store.say(failure instanceof Error ? failure.message : String(failure), true),
  );
}
