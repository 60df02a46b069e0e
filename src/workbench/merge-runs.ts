/** Merges being written: started from a recipe, followed in the status bar, stopped, and gone on with after a stop, a crash or a reload. */
import path from "node:path";
import * as vscode from "vscode";
import { Rate } from "../analysis/rate";
import { CheckpointError } from "../checkpoint/checkpoint";
import { modelCard } from "../merge/output/card";
import { discardMerge } from "../merge/output/working-folder";
import { unfinishedMerge, writeMerge, type MergeProgress } from "../merge/output/write-merge";
import type { MergePlan } from "../merge/plan/plan";
import { provenance } from "../merge/preview/provenance";
import type { RunState } from "../protocol/merge";
import { RpcError } from "../protocol/rpc";
import type { EngineService } from "./engine-service";
import { type Log, sentence } from "./log";
import { chooseOutput } from "./merge-output";
import { SHARD_BYTES, type MergePlanner, type PlannedRecipe } from "./merge-planner";
import type { MergeRates } from "./merge-rates";
import { MergeStatusItem } from "./merge-status";

/** Listeners hear of progress at most this often. */
const PROGRESS_MS = 150;
/** Recipes whose outputs are remembered. */
const MOST_KEPT = 50;
const KEY = "weightLoupe.merges";

/** What outlasts a reload of the window. */
interface Kept {
  /** URI. */
  recipe: string;
  document: number;
  output: string;
  /** Tensors of the output. */
  tensors: number;
  /** Whether it was begun and did not come to its end. */
  open: boolean;
}

export type EndedRun = { recipe: vscode.Uri; document: number; state: Extract<RunState, { state: "done" | "failed" }> };

export interface MergeRunsServices {
  readonly engine: EngineService;
  readonly planner: MergePlanner;
  readonly rates: MergeRates;
  readonly log: Log;
  readonly memento: vscode.Memento;
}

export class MergeRuns implements vscode.Disposable {
  readonly #runs = new Map<string, { recipe: vscode.Uri; document: number; state: RunState; controller?: AbortController }>();
  readonly #changed = new vscode.EventEmitter<{ recipe: string; document: number }>();
  readonly onChanged = this.#changed.event;
  readonly #ended = new vscode.EventEmitter<EndedRun>();
  /** Fires when one is done or failed; not when it was stopped. */
  readonly onEnded = this.#ended.event;
  readonly #status = new MergeStatusItem();

  constructor(private readonly services: MergeRunsServices) {}

  /** How many are under way. */
  get running(): number {
    return [...this.#runs.values()].filter(({ state }) => state.state === "running").length;
  }

  state(recipe: vscode.Uri, document: number): RunState {
    return this.#runs.get(keyOf(recipe, document))?.state ?? { state: "idle" };
  }

  /** The state, for which a journal of an earlier window is looked for. */
  async recall(recipe: vscode.Uri, document: number): Promise<RunState> {
    const key = keyOf(recipe, document);
    if (!this.#runs.has(key)) {
      const kept = this.#kept().find((each) => each.open && each.recipe === recipe.toString() && each.document === document);
      const unfinished = kept === undefined ? null : await unfinishedMerge(kept.output).catch(() => null);
      if (kept !== undefined && !this.#runs.has(key)) {
        if (unfinished === null) await this.#remember({ ...kept, open: false });
        else this.#set(recipe, document, { state: "unfinished", output: kept.output, done: unfinished.tensors, total: kept.tensors });
      }
    }
    return this.state(recipe, document);
  }

  /** Of runs that an earlier window left unfinished: tells of them once. */
  async offerUnfinished(show: (recipe: vscode.Uri, document: number) => void): Promise<void> {
    for (const { recipe: text, document, open } of this.#kept()) {
      if (!open) continue;
      const recipe = vscode.Uri.parse(text);
      const state = await this.recall(recipe, document);
      if (state.state !== "unfinished") continue;
      void vscode.window.showInformationMessage(`The merge of ${nameOf(recipe)} was interrupted: ${state.done} of ${state.total} tensors are written.`, "Resume", "Show").then(async (answer) => {
        if (answer === undefined) return;
        show(recipe, document);
        if (answer === "Resume") await this.start(recipe, document, true);
      });
    }
  }

  /**
   * Writes a document's output into a folder that is asked for, or goes on with an unfinished one. Returns when it is under way, or the user
   * changed their mind.
   * @throws RpcError in Restricted Mode, when it is under way already, or the recipe has errors.
   */
  async start(recipe: vscode.Uri, document: number, resume: boolean): Promise<void> {
    if (!vscode.workspace.isTrusted) throw new RpcError({ code: "untrusted", message: "Writing files is off in Restricted Mode; trust this workspace to run merges." });
    const before = await this.recall(recipe, document);
    if (before.state === "running") throw new RpcError({ code: "usage", message: "This merge is being written already." });
    // What is run is what lies on the disk beside its output.
    const open = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === recipe.toString());
    if (open?.isDirty === true && !(await open.save())) return;
    const unfinished = "output" in before && before.state !== "done" ? before.output : undefined;
    const last = this.#kept().find((each) => each.recipe === recipe.toString() && each.document === document)?.output;
    const output = resume && unfinished !== undefined ? unfinished : await chooseOutput(recipe, last);
    if (output === undefined) return;
    const planned = await this.services.planner.plan(recipe, undefined, output);
    const plan = planned.plans[document];
    const errors = planned.problems.filter(({ severity }) => severity === "error");
    if (plan == null || errors.length > 0) throw new RpcError({ code: "usage", message: `The recipe has ${errors.length === 1 ? "an error" : `${errors.length} errors`}: line ${errors[0]?.at.line ?? 1}: ${errors[0]?.message ?? "it cannot be planned"}` });
    await this.#remember({ recipe: recipe.toString(), document, output, tensors: plan.tensors.length, open: true });
    void this.#write(recipe, document, planned, plan, output, resume);
  }

  stop(recipe: vscode.Uri, document: number): void {
    this.#runs.get(keyOf(recipe, document))?.controller?.abort();
  }

  /** Ends all that are under way. What they have done stays. */
  stopAll(): void {
    for (const { controller, state } of this.#runs.values()) if (state.state === "running") controller?.abort();
  }

  /** Throws an unfinished output away. @throws RpcError in Restricted Mode. */
  async discard(recipe: vscode.Uri, document: number): Promise<void> {
    if (!vscode.workspace.isTrusted) throw new RpcError({ code: "untrusted", message: "Removing files is off in Restricted Mode; trust this workspace first." });
    const state = this.state(recipe, document);
    if (!("output" in state) || state.state === "running" || state.state === "done") return;
    await discardMerge(state.output);
    await this.#remember({ recipe: recipe.toString(), document, output: state.output, tensors: state.state === "failed" ? 0 : state.total, open: false });
    this.#set(recipe, document, { state: "idle" });
  }

  dispose(): void {
    this.stopAll();
    this.#status.dispose();
    this.#changed.dispose();
    this.#ended.dispose();
  }

  async #write(recipe: vscode.Uri, document: number, { recipe: { text } }: PlannedRecipe, plan: MergePlan, output: string, resume: boolean): Promise<void> {
    const { engine, rates, log } = this.services;
    const key = { recipe: recipe.toString(), document, output, tensors: plan.tensors.length };
    const controller = new AbortController();
    const follow = follower(plan, output);
    let told = Date.now();
    try {
      this.#set(recipe, document, follow(null), controller);
      await engine.warm();
      const written = await writeMerge({
        plan, engine, engineVersion: engine.status.version ?? "", recipe: text, card: modelCard({ plan, title: path.basename(output), recipe: text }), shardBytes: SHARD_BYTES, output, resume,
        signal: controller.signal,
        onProgress: (progress) => {
          const state = follow(progress);
          if (Date.now() - told < PROGRESS_MS) return;
          told = Date.now();
          this.#set(recipe, document, state, controller);
        },
      });
      await this.#remember({ ...key, open: false });
      if (plan.estimate !== null && written.resumed === 0) await rates.add(plan.method, plan.estimate.inputBytes + plan.estimate.outputBytes, written.seconds);
      const state: EndedRun["state"] = {
        state: "done", output, files: written.files.length, bytes: written.files.reduce((sum, { bytes }) => sum + bytes, 0), seconds: written.seconds,
        command: `weight-loupe merge ${quoted(recipe.fsPath)} -o ${quoted(output)}`, notes: written.problems.map(({ message }) => message),
      };
      log.info(`Merged ${recipe.fsPath} into ${output} in ${written.seconds.toFixed(1)} s.`);
      this.#set(recipe, document, state);
      this.#ended.fire({ recipe, document, state });
    } catch (error) {
      const left = await unfinishedMerge(output).catch(() => null);
      await this.#remember({ ...key, open: left !== null });
      if (controller.signal.aborted) {
        this.#set(recipe, document, left === null ? { state: "idle" } : { state: "stopped", output, done: left.tensors, total: key.tensors });
        return;
      }
      log.error(`Merging ${recipe.fsPath}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      const state: EndedRun["state"] = { state: "failed", output, message: whatFailed(error), resumable: left !== null };
      this.#set(recipe, document, state);
      this.#ended.fire({ recipe, document, state });
    }
  }

  #set(recipe: vscode.Uri, document: number, state: RunState, controller?: AbortController): void {
    this.#runs.set(keyOf(recipe, document), { recipe, document, state, ...(controller === undefined ? {} : { controller }) });
    const running = [...this.#runs.values()].filter((run) => run.state.state === "running");
    this.#status.show(running.map((run) => ({ name: nameOf(run.recipe), recipe: run.recipe.toString(), document: run.document, state: run.state as Extract<RunState, { state: "running" }> })));
    void vscode.commands.executeCommand("setContext", "weightLoupe.merging", running.length > 0);
    this.#changed.fire({ recipe: recipe.toString(), document });
  }

  #kept(): Kept[] {
    const stored = this.services.memento.get<unknown>(KEY);
    return Array.isArray(stored) ? (stored as Kept[]) : [];
  }

  async #remember(kept: Kept): Promise<void> {
    await this.services.memento.update(KEY, [kept, ...this.#kept().filter((each) => each.recipe !== kept.recipe || each.document !== kept.document)].slice(0, MOST_KEPT));
  }
}

/** Turns the runner's progress into the state that is shown. */
function follower(plan: MergePlan, output: string): (progress: MergeProgress | null) => RunState {
  const { layers } = provenance(plan);
  const column = new Map(layers.map((layer, i) => [layer, i]));
  const bytes = layers.map(() => 0);
  const total = plan.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  for (const tensor of plan.tensors) bytes[column.get(tensor.layer)!]! += tensor.bytes;
  const done = layers.map(() => 0);
  const shares = new Map<string, number>();
  const rate = new Rate();
  let before = 0;
  return (progress) => {
    if (progress === null) return { state: "running", output, done: 0, total: plan.tensors.length, bytes: 0, totalBytes: total, bytesPerSecond: 0, secondsLeft: null, layers: done };
    const { tensor, share } = progress;
    done[column.get(tensor.layer)!]! += (share - (shares.get(tensor.name) ?? 0)) * tensor.bytes;
    shares.set(tensor.name, share);
    rate.add(progress.done - before, 1);
    before = progress.done;
    const speed = rate.perSecond().bytes;
    return {
      state: "running", output, done: progress.tensorsDone, total: progress.tensors, bytes: progress.done, totalBytes: progress.total,
      bytesPerSecond: speed, secondsLeft: speed > 0 ? (progress.total - progress.done) / speed : null, current: tensor.name,
      layers: done.map((part, i) => (bytes[i] === 0 ? 1 : Math.min(1, part / bytes[i]!))),
    };
  };
}

/** What went wrong, with the file it is about. */
function whatFailed(error: unknown): string {
  return error instanceof CheckpointError && error.file !== "" ? `${error.file}: ${error.message}.` : sentence(error);
}

/** The file that the inspector opens for a model: an index, its only file of weights, or what it is. */
export async function inspectable(model: vscode.Uri): Promise<vscode.Uri> {
  const { type } = await vscode.workspace.fs.stat(model);
  if ((type & vscode.FileType.Directory) === 0) return model;
  const names = (await vscode.workspace.fs.readDirectory(model)).map(([name]) => name);
  const best = [/^model\.safetensors\.index\.json$/, /^model\.safetensors$/, /\.safetensors\.index\.json$/, /^adapter_model\.safetensors$/, /\.safetensors$/, /\.bin\.index\.json$/, /\.(?:bin|gguf|pth?|npz)$/];
  const found = best.flatMap((pattern) => names.filter((name) => pattern.test(name)).sort())[0];
  if (found === undefined) throw new RpcError({ code: "usage", message: "There is no file of weights in this folder.", file: model.fsPath });
  return vscode.Uri.joinPath(model, found);
}

function nameOf({ path }: vscode.Uri): string {
  return path.split("/").at(-1) ?? path;
}

function keyOf(recipe: vscode.Uri, document: number): string {
  return `${document} ${recipe.toString()}`;
}

/** As a shell reads it. */
function quoted(text: string): string {
  return /^[\w./~@:+,=\\-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
