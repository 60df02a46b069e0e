/** The state of a recipe's page, connected to its host. */
import { batch, computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { AnalysisProgress, EngineStatus } from "../../src/protocol/inspect";
import type { MergeHost, MergePreview, MergeSnapshot, MergeSubject, MergeTab, MergeView, MergeViewState, RunState } from "../../src/protocol/merge";
import { connect, toWireError, type Port, type Remote } from "../../src/protocol/rpc";
import { Jobs } from "../frame/jobs";
import { PageStates } from "../frame/page-states";
import { createRemarks } from "../frame/remarks";
import type { PageView } from "../frame/view";
import { plotHost } from "../plots/host";

export interface MergeStore extends PageView {
  readonly host: Remote<MergeHost>;
  /** Null until the host has answered. */
  readonly snapshot: ReadonlySignal<MergeSnapshot | null>;
  /** The recipe changed and what is shown is of its former text. */
  readonly planning: ReadonlySignal<boolean>;
  readonly run: ReadonlySignal<RunState>;
  readonly tab: Signal<MergeTab>;
  /** The pattern of the next preview; empty for a sample. */
  readonly pattern: Signal<string>;
  /** Methods to measure beside the recipe's own. */
  readonly beside: Signal<string[]>;
  /** The tensor whose page is shown under the preview's table. */
  readonly selected: Signal<string | null>;
  readonly preview: ReadonlySignal<MergePreview | null>;
  /** Why there is none, when it was asked for. */
  readonly previewProblem: ReadonlySignal<string | null>;
  /** The recipe changed since the preview was measured. */
  readonly previewOld: ReadonlySignal<boolean>;
  readonly measuring: ReadonlySignal<boolean>;
  readonly jobs: Jobs;
  measure(): void;
}

export interface StoreOptions {
  subject: MergeSubject;
  port: Port;
  restored: MergeViewState | undefined;
  keep(state: MergeViewState): void;
}

const never = signal(false);

export function createStore({ subject, port, restored, keep }: StoreOptions): MergeStore {
  const snapshot = signal<MergeSnapshot | null>(null);
  const planning = signal(false);
  const run = signal<RunState>({ state: "idle" });
  const progress = signal<AnalysisProgress | null>(null);
  const engine = signal<EngineStatus>({ state: "stopped" });
  const preview = signal<MergePreview | null>(null);
  const previewProblem = signal<string | null>(null);
  const previewOld = signal(false);
  const asking = signal(false);
  // A page made anew finds a preview under way that it did not ask for.
  const measuring = computed(() => asking.value || progress.value?.running === true);
  const tab = signal<MergeTab>(restored?.tab ?? "overview");
  const document = signal(subject.document);
  const jobs = new Jobs();
  const pages = new PageStates();
  pages.restore(restored?.pages ?? {});
  const pattern = pages.of("pattern", "");
  const beside = pages.of<string[]>("beside", []);
  const selected = pages.of<string | null>("selected", null);

  const show = (next: MergeSnapshot): void => batch(() => {
    snapshot.value = next;
    run.value = next.run;
    engine.value = next.engine;
    planning.value = false;
    if (next.status === "ready") document.value = next.overview.document;
    if (preview.peek() !== null) previewOld.value = true;
    jobs.clear();
  });
  const host = connect<MergeHost, MergeView>(port, {
    changed: show,
    planning: () => { planning.value = true; },
    run: (state) => { run.value = state; },
    progress: (told) => { progress.value = told; },
    measured: (found) => batch(() => { preview.value = found; previewOld.value = false; }),
    engine: (status) => { engine.value = status; },
    show: ({ tab: next, preview: begin }) => {
      tab.value = next;
      if (begin === true) measure();
    },
  });
  const files = plotHost(host);
  const remarks = createRemarks(files);

  function measure(): void {
    batch(() => { asking.value = true; previewProblem.value = null; });
    const asked = host.call("preview", { pattern: pattern.peek().trim() === "" ? null : pattern.peek().trim(), methods: beside.peek() });
    asked.then(
      (found) => batch(() => { preview.value = found; previewOld.value = false; asking.value = false; }),
      (failure: unknown) => batch(() => {
        const wire = toWireError(failure);
        asking.value = false;
        if (wire.code !== "cancelled") previewProblem.value = wire.message;
      }),
    );
  }

  effect(() => keep({ subject: { ...subject, document: document.value }, tab: tab.value, pages: pages.values() }));
  remarks.attempt(host.call("ready", {}).then((first) => { show(first); return null; }));
  return {
    host, snapshot, planning, run, tab, pattern, beside, selected, preview, previewProblem, previewOld, measuring, jobs, measure,
    files, progress, engine, canGoBack: never, canGoForward: never,
    back: () => undefined, forward: () => undefined,
    stopAnalysis: () => host.notify("stop", {}),
    restartEngine: () => host.notify("restartEngine", {}),
    showLog: () => host.notify("showLog", {}),
    copy: remarks.copy, save: remarks.save, say: remarks.say, remark: remarks.remark,
    pageState: (key, initial) => pages.of(key, initial),
  };
}
