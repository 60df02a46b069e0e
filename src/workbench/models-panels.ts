/** The panels of several models of one base: made, filled, and back again after the window was reloaded. */
import * as vscode from "vscode";
import type { NamedModel } from "../analysis/alignment";
import { Rate } from "../analysis/rate";
import { relations } from "../analysis/relations";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { AnalysisProgress } from "../protocol/inspect";
import type { ModelsHost, ModelsSubject, ModelsView, ModelsViewState } from "../protocol/models";
import type { Relations } from "../protocol/results";
import { connect, RpcError } from "../protocol/rpc";
import { shortName } from "../protocol/short-name";
import type { InspectEditorProvider } from "./inspect-editor";
import type { Services } from "./inspect-session";
import { saveExport } from "./save-export";
import { pageHtml, pageRoots } from "./shell";
import { webviewPort } from "./webview-port";

export const MODELS_VIEW = "weightLoupe.models";
const IDLE: AnalysisProgress = { running: false, done: 0, total: 0, bytesPerSecond: 0, secondsLeft: null, failed: [] };
/** The page hears of progress at most this often. */
const PROGRESS_MS = 100;

export interface ModelsServices extends Pick<Services, "extension" | "log" | "engine"> {
  readonly inspectors: InspectEditorProvider;
  compare(a: vscode.Uri, b: vscode.Uri): void;
}

export class ModelsPanels implements vscode.WebviewPanelSerializer<ModelsViewState>, vscode.Disposable {
  readonly #panels = new Set<vscode.WebviewPanel>();
  readonly #registration: vscode.Disposable;

  constructor(private readonly services: ModelsServices) {
    this.#registration = vscode.window.registerWebviewPanelSerializer(MODELS_VIEW, this);
  }

  open(base: vscode.Uri, models: vscode.Uri[]): void {
    const column = vscode.window.tabGroups.activeTabGroup.activeTab === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    this.#start(vscode.window.createWebviewPanel(MODELS_VIEW, "Models", column, { enableFindWidget: false }), { base: base.toString(), models: models.map(String) });
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: ModelsViewState | undefined): Promise<void> {
    const subject = state?.subject;
    if (typeof subject?.base !== "string" || !Array.isArray(subject.models) || !subject.models.every((each) => typeof each === "string")) panel.dispose();
    else this.#start(panel, subject);
    return Promise.resolve();
  }

  dispose(): void {
    this.#registration.dispose();
    for (const panel of this.#panels) panel.dispose();
  }

  #start(panel: vscode.WebviewPanel, subject: ModelsSubject): void {
    const { extension } = this.services;
    panel.webview.options = { enableScripts: true, localResourceRoots: pageRoots(extension) };
    panel.title = `${subject.models.length} models of ${shortName(vscode.Uri.parse(subject.base).path, vscode.Uri.parse(subject.models[0] ?? "").path)}`;
    panel.iconPath = { light: vscode.Uri.joinPath(extension, "media", "compare-light.svg"), dark: vscode.Uri.joinPath(extension, "media", "compare-dark.svg") };
    this.#panels.add(panel);
    const session = new ModelsSession(panel, subject, this.services);
    panel.onDidDispose(() => {
      this.#panels.delete(panel);
      session.dispose();
    });
    panel.webview.html = pageHtml(panel.webview, extension, "models", panel.title, subject);
  }
}

/** One panel: its page's calls answered. */
class ModelsSession {
  readonly #base: vscode.Uri;
  readonly #models: vscode.Uri[];
  readonly #view: ReturnType<typeof connect<ModelsView, ModelsHost>>;
  readonly #unsubscribe: () => void;
  #alive = true;
  #known: Promise<Relations> | undefined;
  #stop = new AbortController();
  #inputs: vscode.Uri[] = [];

  constructor(panel: vscode.WebviewPanel, subject: ModelsSubject, private readonly services: ModelsServices) {
    this.#base = vscode.Uri.parse(subject.base);
    this.#models = subject.models.map((uri) => vscode.Uri.parse(uri));
    const uriOf = (model: number): vscode.Uri => (model < 0 ? this.#base : this.#models[model]!);
    this.#view = connect<ModelsView, ModelsHost>(webviewPort(panel, () => this.#alive), {
      ready: () => ({ engine: services.engine.status }),
      relate: ({ again }) => this.#relate(again),
      stop: () => this.#stop.abort(),
      inspect: ({ model, tensor }) => services.inspectors.show(uriOf(model), tensor),
      compare: ({ model }) => services.compare(this.#base, uriOf(model)),
      copy: async ({ text }) => { await vscode.env.clipboard.writeText(text); },
      save: (content) => saveExport(content, this.#base, () => Promise.resolve([...this.#models, ...this.#inputs])),
      showLog: () => services.log.show(),
      restartEngine: () => services.engine.restart(),
    });
    this.#unsubscribe = services.engine.onStatus((status) => this.#view.notify("engine", status));
  }

  dispose(): void {
    this.#alive = false;
    this.#stop.abort();
    this.#unsubscribe();
    this.#view.dispose();
  }

  /** Not ended with the page: hiding it must not lose the work. */
  #relate(again: boolean): Promise<Relations> {
    if (again || this.#known === undefined) {
      this.#stop.abort();
      this.#stop = new AbortController();
      const work = this.#compute(this.#stop.signal);
      this.#known = work;
      // A failure, or a stop, is not an answer to keep.
      work.catch(() => { if (this.#known === work) this.#known = undefined; });
    }
    return this.#known;
  }

  async #compute(signal: AbortSignal): Promise<Relations> {
    if ([this.#base, ...this.#models].some(({ scheme }) => scheme !== "file")) throw new RpcError({ code: "unsupported", message: "Models are related where they lie on disk; these are in a virtual file system." });
    const sources = new LocalFiles();
    const named = async ({ fsPath }: vscode.Uri): Promise<NamedModel> => ({ name: fsPath, checkpoint: await openCheckpoint(fsPath, sources) });
    const rate = new Rate();
    let told = 0;
    try {
      const [base, ...models] = await Promise.all([this.#base, ...this.#models].map(named));
      this.#inputs = [base!, ...models].flatMap(({ checkpoint }) => checkpoint.files.map(({ path }) => vscode.Uri.file(path)));
      return await relations({
        base: base!, models, sources, engine: this.services.engine, signal,
        onProgress: (done, total, current) => {
          rate.add(0, 1);
          if (Date.now() - told < PROGRESS_MS && done < total) return;
          told = Date.now();
          const { work } = rate.perSecond();
          this.#view.notify("progress", { ...IDLE, running: done < total, done, total, secondsLeft: work > 0 ? (total - done) / work : null, current });
        },
      });
    } finally {
      this.#view.notify("progress", IDLE);
    }
  }
}
