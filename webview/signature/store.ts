/** The state of the view of signatures, connected to its host. */
import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { AnalysisProgress, EngineStatus } from "../../src/protocol/inspect";
import { connect, type Port, type Remote } from "../../src/protocol/rpc";
import type { SignatureHost, SignatureSnapshot, SignatureView } from "../../src/protocol/signature";
import { PageStates } from "../frame/page-states";
import { createRemarks } from "../frame/remarks";
import type { PageView } from "../frame/view";
import { plotHost } from "../plots/host";

export interface KeptState {
  pages: Record<string, unknown>;
}

export interface SignatureStore extends PageView {
  readonly host: Remote<SignatureHost>;
  /** Null until the host has answered. */
  readonly snapshot: ReadonlySignal<SignatureSnapshot | null>;
  /** How many layers the bracket holds. */
  readonly layers: Signal<number>;
  /** Says what comes of an action. */
  attempt(action: Promise<string | null>): void;
}

/** As the authors' code. */
const DEFAULT_LAYERS = 7;

export function createStore({ port, restored, keep }: { port: Port; restored: KeptState | undefined; keep: (state: KeptState) => void }): SignatureStore {
  const snapshot = signal<SignatureSnapshot | null>(null);
  const progress = signal<AnalysisProgress | null>(null);
  const engine = signal<EngineStatus>({ state: "stopped" });
  const no = signal(false);
  const pages = new PageStates();
  if (restored !== undefined) pages.restore(restored.pages);
  const show = (next: SignatureSnapshot): void => {
    snapshot.value = next;
    engine.value = next.engine;
  };
  const host = connect<SignatureHost, SignatureView>(port, {
    changed: show,
    progress: (told) => { progress.value = told; },
    engine: (status) => { engine.value = status; },
  });
  const files = plotHost(host);
  const remarks = createRemarks(files);
  effect(() => keep({ pages: pages.values() }));
  remarks.attempt(host.call("ready", {}).then((first) => {
    show(first);
    return null;
  }));
  return {
    host, snapshot, files, progress, engine,
    layers: pages.of("layers", DEFAULT_LAYERS),
    canGoBack: no,
    canGoForward: no,
    back: () => undefined,
    forward: () => undefined,
    stopAnalysis: () => host.notify("stop", {}),
    restartEngine: () => host.notify("restartEngine", {}),
    showLog: () => host.notify("showLog", {}),
    remark: remarks.remark,
    say: remarks.say,
    copy: remarks.copy,
    save: remarks.save,
    attempt: remarks.attempt,
    pageState: (key, initial) => pages.of(key, initial),
  };
}
