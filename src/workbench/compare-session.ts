/** One view of a comparison: the page's calls answered, what happens to the models told to the page. */
import * as vscode from "vscode";
import type { Comparison } from "../analysis/compare/comparison";
import type { CompareHost, CompareSnapshot, CompareView, CompareViewState } from "../protocol/compare";
import type { AnalysisProgress, ViewCommand } from "../protocol/inspect";
import { connect, type Handlers, type Remote } from "../protocol/rpc";
import type { InspectEditorProvider } from "./inspect-editor";
import type { Services } from "./inspect-session";
import { sentence } from "./log";
import { chooseMapping, saveMapping } from "./mapping-files";
import { saveExport } from "./save-export";
import type { ViewStates } from "./view-states";
import { webviewPort } from "./webview-port";

/** What every session needs. */
export interface CompareServices extends Pick<Services, "extension" | "log" | "engine"> {
  readonly states: ViewStates<CompareViewState>;
  readonly inspectors: InspectEditorProvider;
  open(a: vscode.Uri, b: vscode.Uri): Promise<Comparison>;
}

export interface SessionEvents {
  /** A comparison began or ended. */
  analysing(): void;
  /** A and B were exchanged. */
  swapped(): void;
}

export class CompareSession implements vscode.Disposable {
  readonly #view: Remote<CompareView> & { dispose(): void };
  readonly #subscriptions: (() => void)[] = [];
  #comparison: Promise<Comparison>;
  /** Added to the comparison's revisions, so that they rise also when it is replaced. */
  #earlier = 0;
  #latest = 0;
  #alive = true;
  /** Whether both models are read, and whether the page shows that; then comparing begins by itself, once. */
  #readable = false;
  #drawn = false;
  #begun = false;
  #stopped = false;
  #progress: AnalysisProgress | null = null;

  constructor(
    private models: { a: vscode.Uri; b: vscode.Uri },
    readonly panel: vscode.WebviewPanel,
    private readonly services: CompareServices,
    private readonly events: SessionEvents,
  ) {
    this.#comparison = this.#open();
    this.#view = connect<CompareView, CompareHost>(webviewPort(panel, () => this.#alive), this.#handlers());
    this.#subscriptions.push(services.engine.onStatus((status) => this.#view.notify("engine", status)));
  }

  get analysing(): boolean {
    return this.#progress?.running ?? false;
  }

  get uris(): { a: vscode.Uri; b: vscode.Uri } {
    return this.models;
  }

  command(name: ViewCommand): void {
    this.#view.notify("command", { name });
  }

  stopAnalysis(): void {
    this.#stopped = true;
    void this.#comparison.then((comparison) => comparison.stopAnalysis(), () => undefined);
  }

  async reload(): Promise<void> {
    await (await this.#comparison).reload();
  }

  /** Starts afresh, with another engine or in a workspace now trusted. */
  async renew(): Promise<void> {
    const old = this.#comparison;
    this.#earlier = this.#latest;
    this.#progress = null;
    this.#comparison = this.#open();
    await old.then((comparison) => comparison.dispose(), () => undefined);
    this.#view.notify("changed", await this.#snapshot());
    this.#begin();
  }

  dispose(): void {
    this.#alive = false;
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#view.dispose();
    const { log } = this.services;
    this.#comparison.then((comparison) => comparison.dispose()).catch((error: unknown) => log.warn(`Closing a comparison: ${sentence(error)}`));
  }

  #open(): Promise<Comparison> {
    const earlier = this.#earlier;
    const opening = this.services.open(this.models.a, this.models.b).then((comparison) => {
      comparison.on({
        changed: (snapshot) => {
          this.#view.notify("changed", this.#numbered(snapshot, earlier));
          this.#readable = snapshot.status === "ready";
          this.#beginOnce();
        },
        results: (results) => this.#view.notify("results", results),
        findings: (findings) => this.#view.notify("findings", findings),
        progress: (progress) => {
          const before = this.analysing;
          this.#progress = progress;
          this.#view.notify("progress", progress);
          if (this.analysing !== before) this.events.analysing();
        },
      });
      return comparison;
    });
    // Whoever needs it hears of a failure; nobody may at once.
    opening.catch(() => undefined);
    return opening;
  }

  async #snapshot(): Promise<CompareSnapshot> {
    const earlier = this.#earlier;
    return this.#numbered(await (await this.#comparison).snapshot(), earlier);
  }

  #numbered(snapshot: CompareSnapshot, earlier: number): CompareSnapshot {
    const revision = earlier + snapshot.revision;
    this.#latest = Math.max(this.#latest, revision);
    return { ...snapshot, revision };
  }

  #beginOnce(): void {
    if (this.#begun || !this.#drawn || !this.#readable) return;
    this.#begun = true;
    this.#stopped ||= this.services.states.recall(this.#key).stopped === true;
    this.#begin();
  }

  /** Compares what is not known yet, unless the user once stopped that. Failures are in the results; the view shows them. */
  #begin(): void {
    if (this.#stopped || !this.#onDisk || !this.#alive) return;
    const { log } = this.services;
    this.#comparison
      .then((comparison) => comparison.analyse({ parts: ["difference", "structure"] }))
      .catch((error: unknown) => log.warn(`Comparing: ${sentence(error)}`));
  }

  get #onDisk(): boolean {
    return this.models.a.scheme === "file" && this.models.b.scheme === "file";
  }

  get #key(): string {
    return `${this.models.a.toString()} ${this.models.b.toString()}`;
  }

  /** Does something to the pairing, then compares what that has paired anew. */
  async #repair(change: (comparison: Comparison) => Promise<unknown>): Promise<void> {
    await change(await this.#comparison);
    this.#begin();
  }

  #handlers(): Handlers<CompareHost> {
    const { services } = this;
    const comparison = (): Promise<Comparison> => this.#comparison;
    return {
      ready: async () => {
        const snapshot = await this.#snapshot();
        this.#readable = snapshot.status === "ready";
        setImmediate(() => {
          if (this.analysing) this.#view.notify("progress", this.#progress!);
        });
        return snapshot;
      },
      drawn: () => {
        this.#drawn = true;
        this.#beginOnce();
      },
      // Not ended with the view: hiding it must not lose the work. `stopAnalysis` ends it.
      analyse: async ({ parts, pairs }) => {
        if (pairs === undefined) this.#stopped = false;
        const { done, failed, cancelled } = await (await comparison()).analyse({ parts, ...(pairs === undefined ? {} : { pairs }) });
        return { done, failed: failed.length, cancelled };
      },
      stopAnalysis: () => this.stopAnalysis(),
      difference: async ({ pair, binsPerDecade }, signal) => (await comparison()).difference(pair, binsPerDecade, signal),
      histogram: async ({ pair, of, ...binning }, signal) => (await comparison()).histogram(pair, of, binning, signal),
      picture: async ({ pair, of, view, window, height, width }, signal) => (await comparison()).picture(pair, of, view, window, height, width, signal),
      values: async ({ pair, of, view, window }, signal) => (await comparison()).values(pair, of, view, window, signal),
      spectrum: async ({ pair, of, mode }, signal) => (await comparison()).spectrum(pair, of, mode, signal),
      modeSpectrum: async ({ pair, of, axis }, signal) => (await comparison()).modeSpectrum(pair, of, axis, signal),
      subspaces: async ({ pair, k }, signal) => (await comparison()).subspaces(pair, k, signal),
      structure: async ({ pair }, signal) => (await comparison()).structure(pair, signal),
      switchRule: ({ rule, on }) => this.#repair((open) => open.switchRule(rule, on)),
      pairUp: ({ a, b }) => this.#repair((open) => open.pairUp(a, b)),
      chooseMap: async () => {
        const path = await chooseMapping(this.models.a);
        if (path !== null) await this.#repair((open) => open.useMap(path));
        return { path };
      },
      dropMap: () => this.#repair((open) => open.useMap(null)),
      saveMap: async () => saveMapping(this.models.a, await (await comparison()).mapText(), () => this.#inputs()),
      swap: async () => {
        await (await comparison()).swap();
        this.models = { a: this.models.b, b: this.models.a };
        this.events.swapped();
        this.#begin();
      },
      inspect: async ({ side, tensor }) => {
        const uri = this.models[side];
        const { checkpoint } = (await (await comparison()).opened().catch(() => null))?.[side] ?? { checkpoint: null };
        // A folder is a model by the file in it.
        const file = checkpoint === null ? uri : uri.with({ path: vscode.Uri.file(checkpoint.path).path });
        await services.inspectors.show(file, tensor);
      },
      copy: async ({ text }) => {
        await vscode.env.clipboard.writeText(text);
      },
      save: (content) => saveExport(content, this.models.a, () => this.#inputs()),
      remember: (state) => services.states.remember(this.#key, { ...state, ...(this.#stopped ? { stopped: true } : {}) }),
      recall: () => services.states.recall(this.#key),
      reload: () => this.reload(),
      showLog: () => services.log.show(),
      restartEngine: () => services.engine.restart(),
    };
  }

  /** Every file of both models. */
  async #inputs(): Promise<vscode.Uri[]> {
    const { a, b } = this.models;
    try {
      const opened = await (await this.#comparison).opened();
      return [a, b, ...(["a", "b"] as const).flatMap((side) => opened[side].checkpoint.files.map((file) => this.models[side].with({ path: vscode.Uri.file(file.path).path })))];
    } catch {
      // Models that cannot be read have no other files.
      return [a, b];
    }
  }
}
