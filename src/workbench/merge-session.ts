/** One panel beside a recipe: plans it as it is typed, measures previews, and passes runs on. */
import * as vscode from "vscode";
import { Rate } from "../analysis/rate";
import { CheckpointError } from "../checkpoint/checkpoint";
import { PatternError } from "../checkpoint/pattern";
import { methodNamed } from "../merge/methods/registry";
import type { MergePlan } from "../merge/plan/plan";
import { matching, sampleOf } from "../merge/preview/chosen";
import { measureMerge } from "../merge/preview/measure";
import { mergeOverview } from "../merge/preview/overview";
import { mergeSpectra } from "../merge/preview/spectra";
import type { AnalysisProgress } from "../protocol/inspect";
import type { MergeHost, MergePreview, MergeSnapshot, MergeView, PreviewedTensor, PreviewSpectra } from "../protocol/merge";
import { connect, RpcError, type Handlers, type Remote } from "../protocol/rpc";
import type { InspectEditorProvider } from "./inspect-editor";
import type { Services } from "./inspect-session";
import { sentence } from "./log";
import type { ShowMerge } from "./merge-panels";
import type { MergePlanner, PlannedRecipe } from "./merge-planner";
import { inspectable, type MergeRuns } from "./merge-runs";
import { saveExport } from "./save-export";
import { webviewPort } from "./webview-port";

/** After the last key. */
const TYPING_MS = 250;
/** The page hears of progress, and of tensors measured, at most this often. */
const PROGRESS_MS = 120;
const IDLE: AnalysisProgress = { running: false, done: 0, total: 0, bytesPerSecond: 0, secondsLeft: null, failed: [] };

export interface MergeServices extends Pick<Services, "extension" | "log" | "engine"> {
  readonly planner: MergePlanner;
  readonly runs: MergeRuns;
  readonly inspectors: InspectEditorProvider;
  compare(a: vscode.Uri, b: vscode.Uri): void;
}

export class MergeSession implements vscode.Disposable {
  readonly #view: Remote<MergeView> & { dispose(): void };
  readonly #unsubscribe: () => void;
  #document: number;
  #planned: Promise<PlannedRecipe>;
  #planning = new AbortController();
  #measuring = new AbortController();
  #progress = IDLE;
  /** The last preview, and what it is of. */
  #measured: { preview: MergePreview; of: Promise<PlannedRecipe> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #show: ShowMerge | undefined;
  #ready = false;
  #alive = true;

  constructor(readonly panel: vscode.WebviewPanel, readonly recipe: vscode.Uri, document: number, private readonly services: MergeServices) {
    this.#document = document;
    this.#view = connect<MergeView, MergeHost>(webviewPort(panel, () => this.#alive), this.#handlers());
    this.#unsubscribe = services.engine.onStatus((status) => this.#view.notify("engine", status));
    this.#planned = this.#plan();
  }

  get document(): number {
    return this.#document;
  }

  dispose(): void {
    this.#alive = false;
    clearTimeout(this.#timer);
    this.#planning.abort();
    this.#measuring.abort();
    this.#unsubscribe();
    this.#view.dispose();
  }

  /** The recipe's text changed, or what it may do. */
  edited(): void {
    clearTimeout(this.#timer);
    this.#view.notify("planning", {});
    this.#timer = setTimeout(() => this.#again(), TYPING_MS);
  }

  /** A run of one of its documents got further. */
  ran(document: number): void {
    if (document === this.#document) this.#view.notify("run", this.services.runs.state(this.recipe, document));
  }

  choose(document: number): void {
    if (document === this.#document) return;
    this.#document = document;
    void this.#tell();
  }

  /** Has the page turn to a tab; when it is there. */
  show(show: ShowMerge): void {
    if (this.#ready) this.#view.notify("show", show);
    else this.#show = show;
  }

  /** Tells a page that was just made what its predecessor knew, and what it was made for. */
  #restore(snapshot: MergeSnapshot): void {
    if (this.#measured !== undefined) {
      this.#view.notify("measured", this.#measured.preview);
      // What comes after a preview makes it an old one.
      if (this.#measured.of !== this.#planned) this.#view.notify("changed", snapshot);
    }
    this.#view.notify("progress", this.#progress);
    if (this.#show !== undefined) this.#view.notify("show", this.#show);
    this.#show = undefined;
  }

  #plan(): Promise<PlannedRecipe> {
    this.#planning.abort();
    const { signal } = (this.#planning = new AbortController());
    const planned = this.services.planner.plan(this.recipe, signal);
    // Whoever asks next hears of it.
    planned.catch(() => undefined);
    return planned;
  }

  #again(): void {
    this.#planned = this.#plan();
    void this.#tell();
  }

  async #tell(): Promise<void> {
    const planned = this.#planned;
    const snapshot = await this.#snapshot();
    if (planned === this.#planned && this.#alive) this.#view.notify("changed", snapshot);
  }

  async #snapshot(): Promise<MergeSnapshot> {
    const { runs, engine, log } = this.services;
    const run = await runs.recall(this.recipe, this.#document);
    const common = { run, trusted: vscode.workspace.isTrusted, engine: engine.status };
    try {
      const { recipe, plans, problems, files, freeBytes } = await this.#planned;
      this.#document = Math.min(this.#document, Math.max(0, recipe.documents.length - 1));
      return { status: "ready", overview: mergeOverview({ recipe, document: this.#document, plan: plans[this.#document] ?? null, problems, files: files[this.#document] ?? [], freeBytes }), ...common };
    } catch (error) {
      // A newer text is being planned; its answer follows.
      if (error instanceof Error && error.name === "AbortError" && this.#alive && !this.#planning.signal.aborted) return this.#snapshot();
      log.warn(`Planning ${this.recipe.toString()}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return { status: "failed", name: this.recipe.path.split("/").at(-1) ?? "", message: sentence(error), ...common };
    }
  }

  /** The plan of the document on screen. @throws RpcError when it has errors. */
  async #current(): Promise<MergePlan> {
    const { plans } = await this.#planned;
    const plan = plans[this.#document];
    if (plan == null || plan.tensors.length === 0) throw new RpcError({ code: "usage", message: "The recipe has errors; there is nothing to measure." });
    return plan;
  }

  async #preview(pattern: string | null, methods: string[]): Promise<MergePreview> {
    this.#measuring.abort();
    const { signal } = (this.#measuring = new AbortController());
    const planned = this.#planned;
    const plan = await this.#current();
    const tensors = pattern === null ? sampleOf(plan.tensors) : found(plan, pattern);
    const space = methodNamed(plan.method)?.space ?? "weight";
    const rate = new Rate();
    const bytesOf = new Map(tensors.map(({ name, bytes }) => [name, bytes]));
    let left = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    const measured: PreviewedTensor[] = [];
    let [done, told] = [0, 0];
    this.#tellProgress({ ...IDLE, running: true, total: tensors.length, ...(tensors[0] === undefined ? {} : { current: tensors[0].name }) });
    try {
      const preview = await measureMerge({
        plan, tensors, methods, space, pattern, engine: this.services.engine, signal,
        onMeasured: (tensor, name) => {
          const bytes = bytesOf.get(name) ?? 0;
          left -= bytes;
          done++;
          rate.add(bytes, bytes);
          if (tensor !== null) measured.push(tensor);
          if (Date.now() - told < PROGRESS_MS) return;
          told = Date.now();
          const { work } = rate.perSecond();
          this.#tellProgress({ ...IDLE, running: true, done, total: tensors.length, bytesPerSecond: work, secondsLeft: work > 0 ? left / work : null, current: name });
          this.#view.notify("measured", { methods: [plan.method, ...methods], inputs: plan.inputs.map(({ label }) => label), space, tensors: [...measured], failed: [], pattern, how: "" });
        },
      });
      this.#measured = { preview, of: planned };
      // The page that asked may have been hidden meanwhile: its successor is told.
      this.#view.notify("measured", preview);
      return preview;
    } finally {
      if (this.#measuring.signal === signal) this.#tellProgress(IDLE);
    }
  }

  #tellProgress(progress: AnalysisProgress): void {
    this.#progress = progress;
    this.#view.notify("progress", progress);
  }

  async #spectra(name: string, methods: string[], of: PreviewSpectra["of"], signal: AbortSignal): Promise<PreviewSpectra> {
    const plan = await this.#current();
    const tensor = plan.tensors.find((each) => each.name === name);
    if (tensor === undefined) throw new RpcError({ code: "usage", message: "The output has no such tensor any more." });
    return mergeSpectra(plan, tensor, methods, of, this.services.engine, signal);
  }

  /** The file or folder of an input of the plan on screen. */
  async #input(index: number): Promise<vscode.Uri> {
    const { plans } = await this.#planned;
    const input = plans[this.#document]?.inputs[index];
    if (input === undefined) throw new RpcError({ code: "usage", message: "The recipe does not name this model any more." });
    return vscode.Uri.file(input.path);
  }

  #output(): vscode.Uri {
    const run = this.services.runs.state(this.recipe, this.#document);
    if (run.state !== "done") throw new RpcError({ code: "usage", message: "There is no result yet." });
    return vscode.Uri.file(run.output);
  }

  #handlers(): Handlers<MergeHost> {
    const { services, recipe } = this;
    return {
      ready: async () => {
        const snapshot = await this.#snapshot();
        this.#ready = true;
        // After the answer to this call.
        setTimeout(() => this.#restore(snapshot), 0);
        return snapshot;
      },
      reload: () => this.#again(),
      choose: ({ document }) => this.choose(document),
      reveal: async ({ line, column }) => {
        const editor = vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === recipe.toString());
        const place = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
        const shown = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(recipe), { viewColumn: editor?.viewColumn ?? vscode.ViewColumn.One, selection: new vscode.Range(place, place) });
        shown.revealRange(new vscode.Range(place, place), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      },
      preview: ({ pattern, methods }) => this.#preview(pattern, methods),
      spectra: ({ tensor, methods, of }, signal) => this.#spectra(tensor, methods, of, signal),
      stop: () => this.#measuring.abort(),
      run: ({ resume }) => services.runs.start(recipe, this.#document, resume),
      stopRun: () => services.runs.stop(recipe, this.#document),
      discard: () => services.runs.discard(recipe, this.#document),
      inspectResult: async () => services.inspectors.show(await inspectable(this.#output())),
      compareResult: async ({ input }) => services.compare(await this.#input(input), this.#output()),
      inspectInput: async ({ input, tensor }) => services.inspectors.show(await inspectable(await this.#input(input)), tensor),
      copy: async ({ text }) => { await vscode.env.clipboard.writeText(text); },
      save: (content) => saveExport(content, recipe, async () => (await this.#planned).plans.flatMap((plan) => plan?.files.map(({ path }) => vscode.Uri.file(path)) ?? [])),
      showLog: () => services.log.show(),
      restartEngine: () => services.engine.restart(),
    };
  }
}

/** @throws RpcError when the pattern is not well formed or matches nothing. */
function found(plan: MergePlan, pattern: string): ReturnType<typeof matching> {
  try {
    const tensors = matching(plan.tensors, pattern);
    if (tensors.length === 0) throw new RpcError({ code: "usage", message: `No tensor of the output matches ${pattern}.` });
    return tensors;
  } catch (error) {
    if (error instanceof PatternError || error instanceof CheckpointError) throw new RpcError({ code: "usage", message: `The pattern cannot be used: ${error.message}.` });
    throw error;
  }
}

