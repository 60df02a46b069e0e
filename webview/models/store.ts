/** The state of the view of several models, connected to its host. */
import { batch, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { AnalysisProgress, EngineStatus } from "../../src/protocol/inspect";
import type { ModelsHost, ModelsSubject, ModelsTab, ModelsView, ModelsViewState } from "../../src/protocol/models";
import type { Relations } from "../../src/protocol/results";
import { connect, toWireError, type Port, type Remote, type WireError } from "../../src/protocol/rpc";
import { PageStates } from "../frame/page-states";
import { createRemarks } from "../frame/remarks";
import type { PageView } from "../frame/view";
import { plotHost } from "../plots/host";

export interface ModelsStore extends PageView {
  readonly host: Remote<ModelsHost>;
  readonly subject: ModelsSubject;
  /** Null until they are related. */
  readonly relations: ReadonlySignal<Relations | null>;
  readonly error: ReadonlySignal<WireError | null>;
  readonly tab: Signal<ModelsTab>;
  relate(again: boolean): void;
}

export interface StoreOptions {
  subject: ModelsSubject;
  port: Port;
  restored: ModelsViewState | undefined;
  keep(state: ModelsViewState): void;
}

const never = signal(false);

export function createStore({ subject, port, restored, keep }: StoreOptions): ModelsStore {
  const relations = signal<Relations | null>(null);
  const error = signal<WireError | null>(null);
  const progress = signal<AnalysisProgress | null>(null);
  const engine = signal<EngineStatus>({ state: "stopped" });
  const tab = signal<ModelsTab>(restored?.tab ?? "overview");
  const pages = new PageStates();
  pages.restore(restored?.pages ?? {});
  const host = connect<ModelsHost, ModelsView>(port, {
    progress: (argument) => { progress.value = argument; },
    engine: (argument) => { engine.value = argument; },
  });
  const files = plotHost(host);
  const remarks = createRemarks(files);

  function relate(again: boolean): void {
    error.value = null;
    host.call("relate", { again }).then(
      (found) => batch(() => { relations.value = found; error.value = null; }),
      (failure: unknown) => {
        const wire = toWireError(failure);
        error.value = wire.code === "cancelled" ? { ...wire, message: "Stopped before all tensors were read." } : wire;
      },
    );
  }

  effect(() => keep({ subject, tab: tab.value, pages: pages.values() }));
  host.call("ready", {}).then(({ engine: status }) => { engine.value = status; }, () => undefined);
  relate(false);
  return {
    host, subject, relations, error, tab, relate, files, progress, engine, canGoBack: never, canGoForward: never,
    back: () => undefined, forward: () => undefined,
    stopAnalysis: () => host.notify("stop", {}),
    restartEngine: () => host.notify("restartEngine", {}),
    showLog: () => host.notify("showLog", {}),
    copy: remarks.copy, save: remarks.save, say: remarks.say, remark: remarks.remark,
    pageState: (key, initial) => pages.of(key, initial),
  };
}
