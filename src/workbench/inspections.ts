/** How files become inspections and comparisons: on disk with engine, cache and watching; elsewhere their structure alone. */
import path from "node:path";
import * as vscode from "vscode";
import { ResultCache } from "../analysis/cache";
import { Comparison } from "../analysis/compare/comparison";
import type { Engine } from "../analysis/engine";
import { Inspection } from "../analysis/inspection";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import { RpcError } from "../protocol/rpc";
import type { EngineService } from "./engine-service";
import { type Log, sentence } from "./log";
import { virtualFiles } from "./virtual-files";

export class Inspections implements vscode.Disposable {
  #cache: { identity: string; results: ResultCache } | undefined;

  constructor(
    private readonly storage: vscode.Uri,
    private readonly engine: EngineService,
    private readonly log: Log,
  ) {}

  async open(uri: vscode.Uri): Promise<Inspection> {
    return uri.scheme === "file" ? this.#onDisk(uri) : this.#virtual(uri);
  }

  /** @throws RpcError for two versions of one path, which only a virtual file system has. */
  async compare(a: vscode.Uri, b: vscode.Uri): Promise<Comparison> {
    if (a.scheme === "file" && b.scheme === "file") {
      const cache = await this.#results();
      const comparison = new Comparison({
        a: a.fsPath,
        b: b.fsPath,
        open: (file) => this.#read(file, openCheckpoint(file)),
        engine: this.engine,
        engineStatus: () => this.engine.status,
        trusted: () => vscode.workspace.isTrusted,
        ...(cache === undefined ? {} : { cache }),
      });
      comparison.watch();
      return comparison;
    }
    if (a.path === b.path) throw new RpcError({ code: "unsupported", message: "Two versions of one path cannot be compared: save one of them under another name first.", file: a.path });
    const { engine, message } = withoutEngine(a.scheme === "file" ? b.scheme : a.scheme);
    const sources = new Map([a, b].map((uri) => [uri.path, uri.scheme === "file" ? new LocalFiles() : virtualFiles(uri)]));
    return new Comparison({
      a: a.path,
      b: b.path,
      open: (file) => this.#read(file, openCheckpoint(file, sources.get(file))),
      sources: sources.get(a.path)!,
      engine,
      engineStatus: () => ({ state: "missing", message }),
      trusted: () => vscode.workspace.isTrusted,
    });
  }

  /** Forgets all results that were kept. */
  async clear(): Promise<void> {
    const cache = await this.#results();
    await cache?.clear();
  }

  dispose(): void {
    void this.#cache?.results.flush();
  }

  async #onDisk(uri: vscode.Uri): Promise<Inspection> {
    const cache = await this.#results();
    const inspection = new Inspection({
      path: uri.fsPath,
      open: (file) => this.#read(file, openCheckpoint(file)),
      engine: this.engine,
      engineStatus: () => this.engine.status,
      trusted: () => vscode.workspace.isTrusted,
      ...(cache === undefined ? {} : { cache }),
    });
    inspection.watch();
    return inspection;
  }

  #virtual(uri: vscode.Uri): Inspection {
    const { engine, message } = withoutEngine(uri.scheme);
    const sources = virtualFiles(uri);
    return new Inspection({
      path: uri.path,
      open: (file) => this.#read(file, openCheckpoint(file, sources)),
      sources,
      engine,
      engineStatus: () => ({ state: "missing", message }),
      trusted: () => vscode.workspace.isTrusted,
    });
  }

  /** What the log says of each reading. */
  async #read(file: string, opening: Promise<Checkpoint>): Promise<Checkpoint> {
    const begun = performance.now();
    try {
      const checkpoint = await opening;
      this.log.info(`${file}: ${checkpoint.tensors.length} tensors in ${checkpoint.files.length} files, read in ${Math.round(performance.now() - begun)} ms.`);
      return checkpoint;
    } catch (error) {
      this.log.error(`${file}: ${sentence(error)}`);
      throw error;
    }
  }

  /** The cache of the engine in use; none without an engine. */
  async #results(): Promise<ResultCache | undefined> {
    const identity = await this.engine.identity;
    if (identity === null) return undefined;
    if (this.#cache?.identity !== identity) {
      void this.#cache?.results.flush();
      const results = new ResultCache({
        folder: path.join(this.storage.fsPath, "results"),
        engine: identity,
        onProblem: (message) => this.log.warn(message),
      });
      this.#cache = { identity, results };
    }
    return this.#cache.results;
  }
}

function withoutEngine(scheme: string): { engine: Engine; message: string } {
  const message = `Values cannot be read: ${scheme} files have no path on disk for the engine.`;
  return { engine: { request: () => Promise.reject(new RpcError({ code: "unsupported", message })) }, message };
}
