/** The view of robust weight signatures: models in wells measured, signatures made, compared, applied and taken off. */
import path from "node:path";
import * as vscode from "vscode";
import type { Engine } from "../analysis/engine";
import { applySignatures } from "../analysis/signature/apply";
import { compareSignatures } from "../analysis/signature/compare";
import { extractSignatures, measureModels } from "../analysis/signature/extract";
import { SCHEMES, type Scheme } from "../analysis/signature/quantisation";
import { removeSignatures } from "../analysis/signature/remove";
import { openSignature, SIGNATURE_ENDING, type Signature } from "../analysis/signature/signature-file";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { AnalysisProgress } from "../protocol/inspect";
import { connect, RpcError, type Handlers, type Remote } from "../protocol/rpc";
import type { SignatureEntry, SignatureHost, SignatureModels, SignatureSnapshot, SignatureView, Well } from "../protocol/signature";
import { pickFile } from "./inspect-command";
import type { Services } from "./inspect-session";
import { sentence } from "./log";
import { saveExport } from "./save-export";
import { webviewPort } from "./webview-port";

export class SignatureSession implements vscode.Disposable {
  readonly #view: Remote<SignatureView> & { dispose(): void };
  readonly #unsubscribe: () => void;
  readonly #models: SignatureModels = { base: null, clean: null, robust: [] };
  #signatures: Signature[] = [];
  #measured: SignatureSnapshot["measured"] = null;
  #comparison: SignatureSnapshot["comparison"] = null;
  #problem: string | null = null;
  #work = new AbortController();
  #alive = true;

  constructor(readonly panel: vscode.WebviewPanel, private readonly services: Pick<Services, "log" | "engine">) {
    this.#view = connect<SignatureView, SignatureHost>(webviewPort(panel, () => this.#alive), this.#handlers());
    this.#unsubscribe = services.engine.onStatus((status) => this.#view.notify("engine", status));
  }

  dispose(): void {
    this.#alive = false;
    this.#work.abort();
    this.#unsubscribe();
    this.#view.dispose();
  }

  /** What may be written changed: the workspace became trusted. */
  trusted(): void {
    this.#tell();
  }

  #snapshot(): SignatureSnapshot {
    return {
      models: this.#models,
      trusted: vscode.workspace.isTrusted,
      measured: this.#measured,
      signatures: this.#signatures.map(entryOf),
      comparison: this.#comparison,
      problem: this.#problem,
      engine: this.services.engine.status,
    };
  }

  #tell(): void {
    this.#view.notify("changed", this.#snapshot());
  }

  /** One piece of work at a time, with progress; a new one ends the one before. */
  async #run<T>(work: (options: { engine: Engine; sources: LocalFiles; signal: AbortSignal; onProgress: (done: number, total: number, tensor: string) => void }) => Promise<T>): Promise<T> {
    this.#work.abort();
    const { signal } = (this.#work = new AbortController());
    let told = 0;
    const progress = (running: boolean, done: number, total: number, current?: string): AnalysisProgress => ({ running, done, total, bytesPerSecond: 0, secondsLeft: null, ...(current === undefined ? {} : { current }), failed: [] });
    try {
      return await work({
        engine: this.services.engine,
        sources: new LocalFiles(),
        signal,
        onProgress: (done, total, tensor) => {
          const now = performance.now();
          if (now - told < 100) return;
          told = now;
          this.#view.notify("progress", progress(true, done, total, tensor));
        },
      });
    } finally {
      if (!signal.aborted) this.#view.notify("progress", progress(false, 1, 1));
    }
  }

  /** Measures the models in the wells once there are enough of them. */
  async #measure(): Promise<void> {
    this.#measured = null;
    this.#problem = null;
    this.#tell();
    const { base, clean, robust } = this.#models;
    if (clean === null || robust.length === 0) return;
    try {
      this.#measured = await this.#run(async ({ sources, ...options }) => {
        const open = (file: string): ReturnType<typeof openCheckpoint> => openCheckpoint(file, sources);
        return measureModels({ base: base === null ? null : await open(base), clean: await open(clean), robust: await Promise.all(robust.map(open)) }, options);
      });
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") return;
      this.#problem = sentence(error);
      this.services.log.warn(`Signatures: ${this.#problem}`);
    }
    this.#tell();
  }

  async #add(files: readonly string[]): Promise<void> {
    const sources = new LocalFiles();
    for (const file of files) {
      const signature = await openSignature(file, sources);
      this.#signatures = [...this.#signatures.filter((one) => one.path !== file), signature];
    }
    await this.#compare();
  }

  async #compare(): Promise<void> {
    this.#comparison = null;
    if (this.#signatures.length > 0) this.#comparison = await this.#run((options) => compareSignatures(this.#signatures, options));
    this.#tell();
  }

  #put(well: Well, file: string): void {
    if (well === "robust") this.#models.robust = [...new Set([...this.#models.robust, file])];
    else this.#models[well] = file;
  }

  #handlers(): Handlers<SignatureHost> {
    const { services } = this;
    return {
      ready: () => this.#snapshot(),
      pick: async ({ well }) => {
        const uri = await pickFile(TITLES[well], { placeHolder: PLACEHOLDERS[well], folders: true });
        if (uri === undefined) return;
        this.#put(well, uri.fsPath);
        void this.#measure();
      },
      drop: ({ well, uris }) => {
        for (const text of uris) {
          const uri = vscode.Uri.parse(text);
          if (uri.scheme === "file") this.#put(well, uri.fsPath);
        }
        void this.#measure();
      },
      clear: ({ well, index }) => {
        if (well === "robust") this.#models.robust = this.#models.robust.filter((_, i) => i !== index);
        else this.#models[well] = null;
        void this.#measure();
      },
      extract: ({ layers, quantise }) => this.#extract(layers, quantise),
      addSignatures: async () => {
        const chosen = await vscode.window.showOpenDialog({ title: "Add Signatures", canSelectMany: true, filters: { "Robust weight signatures": ["safetensors"] } });
        if (chosen !== undefined) await this.#add(chosen.map(({ fsPath }) => fsPath));
      },
      forget: async ({ index }) => {
        this.#signatures = this.#signatures.filter((_, i) => i !== index);
        await this.#compare();
      },
      apply: ({ index, alpha }) => this.#apply(this.#signature(index), alpha),
      remove: ({ index }) => this.#remove(this.#signature(index)),
      stop: () => this.#work.abort(),
      copy: async ({ text }) => {
        await vscode.env.clipboard.writeText(text);
      },
      save: (content) => saveExport(content, vscode.Uri.file(this.#models.clean ?? this.#signatures[0]?.path ?? path.resolve("x")), () => Promise.resolve(this.#inputs().map((file) => vscode.Uri.file(file)))),
      showLog: () => services.log.show(),
      restartEngine: () => services.engine.restart(),
    };
  }

  #signature(index: number): Signature {
    const signature = this.#signatures[index];
    if (signature === undefined) throw new RpcError({ code: "usage", message: "This signature is no longer listed." });
    return signature;
  }

  #inputs(): string[] {
    const { base, clean, robust } = this.#models;
    return [base, clean, ...robust, ...this.#signatures.map((signature) => signature.path)].filter((file) => file !== null);
  }

  async #extract(layers: number, quantise: { scheme: string; levels: number } | null): Promise<string | null> {
    mayWrite();
    const { base, clean, robust } = this.#models;
    if (clean === null || robust.length === 0) throw new RpcError({ code: "usage", message: "A clean model and at least one robust model are needed." });
    const name = SCHEMES.find((scheme) => scheme === quantise?.scheme);
    const scheme: Scheme | null = quantise === null || name === undefined ? null : { name, levels: quantise.levels };
    const [folder] = (await vscode.window.showOpenDialog({ title: "Folder for the Signatures", openLabel: "Write Here", canSelectFiles: false, canSelectFolders: true, defaultUri: vscode.Uri.file(path.dirname(clean)) })) ?? [];
    if (folder === undefined) return null;
    const targets = robust.map((file) => path.join(folder.fsPath, `${path.basename(file).replace(/\.[^.]+$/, "")}${SIGNATURE_ENDING}`));
    if (new Set(targets).size < targets.length) throw new RpcError({ code: "usage", message: "Two robust models have the same name; make their signatures one after the other." });
    await this.#run((options) => extractSignatures({ base, clean, robust, choice: { layers }, scheme, targets }, options));
    await this.#add(targets);
    return `Wrote ${targets.length === 1 ? path.basename(targets[0]!) : `${targets.length} signatures`}.`;
  }

  async #apply(signature: Signature, alpha: number): Promise<string | null> {
    mayWrite();
    const file = this.#models.clean ?? (await pickFile(`Apply ${signature.name}`, { placeHolder: `The model to patch: ${signature.clean.file}`, folders: true }))?.fsPath;
    if (file === undefined) return null;
    const target = await vscode.window.showSaveDialog({ title: `Apply ${signature.name}`, defaultUri: vscode.Uri.file(path.join(path.dirname(file), `${path.basename(file).replace(/\.[^.]+$/, "")}-${signature.name}.safetensors`)), filters: { safetensors: ["safetensors"] } });
    if (target === undefined) return null;
    const model = await openCheckpoint(file, new LocalFiles());
    await this.#run((options) => applySignatures({ model, signatures: [{ signature, alpha, coefficient: alpha }], ontoOther: false, undo: true, target: target.fsPath }, options));
    return `Wrote ${path.basename(target.fsPath)}, and beside it what the original is restored from.`;
  }

  async #remove(signature: Signature): Promise<string | null> {
    mayWrite();
    const patched = await pickFile(`Remove ${signature.name}`, { placeHolder: "The patched model", folders: true });
    if (patched === undefined) return null;
    const target = await vscode.window.showSaveDialog({ title: `Remove ${signature.name}`, defaultUri: vscode.Uri.file(path.join(path.dirname(patched.fsPath), "restored.safetensors")), filters: { safetensors: ["safetensors"] } });
    if (target === undefined) return null;
    const checkpoint = await openCheckpoint(patched.fsPath, new LocalFiles());
    const { remaining } = await this.#run((options) => removeSignatures({ patched: checkpoint, signatures: [signature], keep: this.#signatures.map(({ path: file }) => file), original: null, target: target.fsPath }, options));
    return remaining.length === 0 ? `Wrote ${path.basename(target.fsPath)}: the original, bit by bit.` : `Wrote ${path.basename(target.fsPath)}; ${remaining.map(({ name }) => name).join(", ")} ${remaining.length === 1 ? "stays" : "stay"} applied.`;
  }
}

const TITLES: Record<Well, string> = { base: "Base Model", clean: "Clean Model", robust: "Robust Model" };
const PLACEHOLDERS: Record<Well, string> = { base: "The pre-trained model that the others were fine-tuned from", clean: "The model fine-tuned on clean data", robust: "A model fine-tuned on corrupted data" };

function mayWrite(): void {
  if (!vscode.workspace.isTrusted) throw new RpcError({ code: "untrusted", message: "Writing files is off in Restricted Mode; trust this workspace first." });
}

function entryOf({ path: file, name, bytes, robust, tensors, base, scheme }: Signature): SignatureEntry {
  return { path: file, name, bytes, fullCopyBytes: robust.bytes, tensors: tensors.size, projected: base !== null, quantised: scheme === null ? null : `${scheme.name}, ${scheme.levels} levels` };
}
