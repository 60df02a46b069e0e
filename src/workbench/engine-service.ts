/** The engine's life in the editor: which executable, when it starts again, and what the user can do when it does not run. */
import path from "node:path";
import * as vscode from "vscode";
import { engineIdentity } from "../analysis/cache";
import type { Engine } from "../analysis/engine";
import type { Params, RequestOptions } from "../engine/client";
import { bundledEngine, locateEngine } from "../engine/locate";
import type { EngineMethod, EngineRequests } from "../engine/protocol";
import { EngineSupervisor } from "../engine/supervisor";
import type { EngineStatus } from "../protocol/inspect";
import { type Log, sentence } from "./log";

const SETTING = "weightLoupe.engine.path";

export class EngineService implements Engine, vscode.Disposable {
  readonly #supervisor: EngineSupervisor;
  readonly #dist: string;
  readonly #subscriptions: vscode.Disposable[];
  readonly #replaced = new vscode.EventEmitter<void>();
  /** Fires when another executable took the engine's place: what was computed before is not its work. */
  readonly onReplaced = this.#replaced.event;
  /** Identity of the executable in use; null when there is none. */
  #identity: Promise<string | null>;
  /** The problem last reported, so that it is reported once. */
  #reported: string | undefined;
  /** Changes of the setting come in bursts; one is handled after the other. */
  #changing: Promise<void> = Promise.resolve();

  constructor(extension: vscode.Uri, private readonly log: Log) {
    this.#dist = path.join(extension.fsPath, "dist");
    this.#identity = this.#identify();
    this.#supervisor = new EngineSupervisor({
      locate: () => locateEngine(this.#dist, this.#explicit()),
      log: (line) => log.info(`engine: ${line}`),
    });
    this.#supervisor.onStatus((status) => this.#report(status));
    this.#subscriptions = [
      this.#replaced,
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(SETTING)) this.#reconsider();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#reconsider()),
    ];
  }

  get status(): EngineStatus {
    return this.#supervisor.status;
  }

  /** The executable that is or would be used. */
  get executable(): string {
    return this.#explicit() ?? bundledEngine(this.#dist);
  }

  /** What names the engine in the cache of results; null when there is no executable. */
  get identity(): Promise<string | null> {
    return this.#identity;
  }

  /** Calls `listener` at each change; returns its removal. */
  onStatus(listener: (status: EngineStatus) => void): () => void {
    return this.#supervisor.onStatus(listener);
  }

  request<M extends EngineMethod>(method: M, params: Params<M>, options?: RequestOptions): Promise<EngineRequests[M]["result"]> {
    return this.#supervisor.request(method, params, options);
  }

  /** Starts the engine ahead of the first request; when it cannot, the status says why. */
  async warm(): Promise<void> {
    await this.#supervisor.start().catch((error: unknown) => this.log.debug(`The engine was not started: ${sentence(error)}`));
  }

  /** Stops the engine and starts it again, whatever its state. */
  async restart(): Promise<void> {
    this.#reported = undefined;
    const before = await this.#identity;
    this.#identity = this.#identify();
    if ((await this.#identity) !== before) this.#replaced.fire();
    await this.#supervisor.restart().catch((error: unknown) => this.log.error(`The engine was not restarted: ${sentence(error)}`));
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    void this.#supervisor.dispose();
  }

  /** The user's own engine, in a trusted workspace. `~` stands for the home folder, relative paths for the workspace's. */
  #explicit(): string | undefined {
    // VS Code leaves restricted settings out in Restricted Mode; asked again here because an executable is at stake.
    if (!vscode.workspace.isTrusted) return undefined;
    const set = vscode.workspace.getConfiguration().get<string>(SETTING, "").trim();
    if (set === "") return undefined;
    const home = process.env["HOME"] ?? process.env["USERPROFILE"];
    if (/^~[\\/]/.test(set) && home !== undefined) return path.join(home, set.slice(2));
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    return path.isAbsolute(set) || folder?.scheme !== "file" ? set : path.join(folder.fsPath, set);
  }

  #identify(): Promise<string | null> {
    return engineIdentity(this.executable).catch(() => null);
  }

  /** Restarts when the setting or trust really leads to another executable. */
  #reconsider(): void {
    this.#changing = this.#changing.then(async () => {
      const next = await this.#identify();
      const same = next === (await this.#identity);
      const { state } = this.status;
      // A wrong path corrected to another wrong path has no identity either, but another sentence to say.
      if (same && next !== null) return;
      this.log.info(`The engine is now ${this.executable}.`);
      if (state === "stopped" && same) return;
      await this.restart();
    });
  }

  /** A problem the user can do something about, once. That the package has no engine is said in the views, quietly. */
  #report(status: EngineStatus): void {
    if (status.state === "running") this.#reported = undefined;
    const wrong = status.state === "failed" || (status.state === "missing" && this.#explicit() !== undefined);
    if (!wrong || status.message === undefined || status.message === this.#reported) return;
    this.#reported = status.message;
    void this.#ask(status.message);
  }

  async #ask(message: string): Promise<void> {
    const answer = await vscode.window.showErrorMessage(message, "Retry", "Show Log", "Open Settings");
    if (answer === "Retry") await this.restart();
    else if (answer === "Show Log") this.log.show();
    else if (answer === "Open Settings") await vscode.commands.executeCommand("workbench.action.openSettings", SETTING);
  }
}
