/** One view of a checkpoint: the page's calls answered, what happens to the checkpoint told to the page. */
import * as vscode from "vscode";
import type { Inspection } from "../analysis/inspection";
import type { AnalysisProgress, InspectHost, InspectView, ViewState } from "../protocol/inspect";
import { connect, type Handlers, type Remote } from "../protocol/rpc";
import { chooseBase } from "./convert-command";
import type { InspectDocument } from "./documents";
import type { EngineService } from "./engine-service";
import { inspectUri } from "./inspect-command";
import type { Log } from "./log";
import { openAsHex, openAsText } from "./reveal-as";
import { inputFiles, saveExport } from "./save-export";
import type { ViewStates } from "./view-states";
import { webviewPort } from "./webview-port";

/** What every session needs. */
export interface Services {
  readonly extension: vscode.Uri;
  readonly log: Log;
  readonly engine: EngineService;
  readonly states: ViewStates<ViewState>;
}

export class InspectSession implements vscode.Disposable {
  readonly #view: Remote<InspectView> & { dispose(): void };
  readonly #subscriptions: (() => void)[] = [];
  #alive = true;
  #progress: AnalysisProgress | null = null;

  constructor(
    readonly document: InspectDocument,
    readonly panel: vscode.WebviewPanel,
    private readonly services: Services,
    /** Called when an analysis begins or ends. */
    onAnalysing: () => void,
  ) {
    const { engine } = services;
    this.#view = connect<InspectView, InspectHost>(webviewPort(panel, () => this.#alive), this.#handlers());
    this.#subscriptions.push(
      document.checkpoint.on({
        changed: (snapshot) => this.#view.notify("changed", snapshot),
        results: (results) => this.#view.notify("results", results),
        findings: (findings) => this.#view.notify("findings", findings),
        progress: (progress) => {
          const before = this.analysing;
          this.#progress = progress;
          this.#view.notify("progress", progress);
          if (this.analysing !== before) onAnalysing();
        },
      }),
      engine.onStatus((status) => this.#view.notify("engine", status)),
    );
  }

  get analysing(): boolean {
    return this.#progress?.running ?? false;
  }

  /** Hands a command of the palette or a key to the page. */
  command(name: Parameters<InspectView["command"]>[0]["name"]): void {
    this.#view.notify("command", { name });
  }

  /** Shows a tensor's page. */
  showTensor(tensor: string): void {
    this.#view.notify("showTensor", { tensor });
  }

  stopAnalysis(): void {
    void this.document.checkpoint.inspection().then((inspection) => inspection.stopAnalysis());
  }

  async reload(): Promise<void> {
    await (await this.document.checkpoint.inspection()).reload();
  }

  /** Opens the model that this file is a shard of; says so when it is none. */
  async openWholeModel(): Promise<void> {
    const { wholeModel } = await (await this.document.checkpoint.inspection()).checkpoint();
    if (wholeModel === undefined) await vscode.window.showInformationMessage("No index beside this file lists it as a shard.");
    else await inspectUri(this.document.uri.with({ path: vscode.Uri.file(wholeModel).path }));
  }

  dispose(): void {
    this.#alive = false;
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#view.dispose();
  }

  #handlers(): Handlers<InspectHost> {
    const { document, services } = this;
    const { checkpoint, uri } = document;
    const inspection = (): Promise<Inspection> => checkpoint.inspection();
    return {
      ready: async () => {
        const snapshot = await checkpoint.snapshot();
        // After the page has something to draw: the first tensor's numbers should not wait for the engine's start.
        setImmediate(() => {
          if (this.#progress?.running) this.#view.notify("progress", this.#progress);
          if (snapshot.status === "ready" && uri.scheme === "file") void services.engine.warm();
        });
        return snapshot;
      },
      statistics: async ({ tensor }, signal) => (await inspection()).statistics(tensor, signal),
      histogram: async ({ tensor, ...shape }, signal) => (await inspection()).histogram(tensor, shape, signal),
      norms: async ({ tensor, points }, signal) => (await inspection()).norms(tensor, points, signal),
      spectrum: async ({ tensor, mode }, signal) => (await inspection()).spectrum(tensor, mode, signal),
      blockScales: async ({ tensor }, signal) => (await inspection()).blockScales(tensor, signal),
      picture: async ({ tensor, view, window, height, width }, signal) => (await inspection()).picture(tensor, view, window, height, width, signal),
      values: async ({ tensor, view, window }, signal) => (await inspection()).values(tensor, view, window, signal),
      searchTable: async ({ key, text, limit }) => (await inspection()).searchTable(key, text, limit),
      // Not ended with the view: moving the tab or hiding it must not lose the work. `stopAnalysis` ends it.
      analyse: async ({ parts, tensors }) => {
        const { done, failed, cancelled } = await (await inspection()).analyse({ parts, ...(tensors === undefined ? {} : { tensors }) });
        return { done, failed: failed.length, cancelled };
      },
      stopAnalysis: () => this.stopAnalysis(),
      duplicates: async (_, signal) => ({ groups: await (await inspection()).duplicates(signal) }),
      adapter: async () => (await inspection()).adapter(),
      rankUsage: async ({ base }, signal) => (await inspection()).rankUsage(base, signal),
      chooseBase: async () => ({ path: (await chooseBase(null, uri.fsPath)) ?? null }),
      copy: async ({ text }) => {
        await vscode.env.clipboard.writeText(text);
      },
      save: (content) => saveExport(content, uri, () => inputFiles(checkpoint)),
      remember: (state) => services.states.remember(uri.toString(), state),
      recall: () => services.states.recall(uri.toString()),
      reload: () => this.reload(),
      showLog: () => services.log.show(),
      restartEngine: () => services.engine.restart(),
      openAsText: () => openAsText(uri),
      openAsHex: () => openAsHex(uri),
      openWholeModel: () => this.openWholeModel(),
    };
  }
}
