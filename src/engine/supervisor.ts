/** Keeps an engine at hand: started when first needed, started again after a crash, given up on when it keeps crashing. */
import type { EngineStatus } from "../protocol/inspect";
import { unlessAborted } from "./abort";
import { EngineClient, manner, type Params, type RequestOptions } from "./client";
import { cancelled, EngineError } from "./error";
import type { EngineMethod, EngineRequests, InitializeResult } from "./protocol";

/** As language clients do: more than a few crashes in a short time are no accident. */
const MOST_CRASHES = 5;
const CRASH_WINDOW_MS = 3 * 60_000;
/** Wait before the start that follows the second crash in the window; doubles with each further one. */
const BACKOFF_MS = 250;

export interface SupervisorOptions {
  /** Finds the executable; asked at each start, so that a changed setting counts. */
  locate: () => Promise<{ path: string }>;
  log?: (line: string) => void;
}

export class EngineSupervisor {
  private state: EngineStatus = { state: "stopped" };
  private client: Promise<EngineClient> | undefined;
  private process: number | undefined;
  private crashes: number[] = [];
  private disposed = false;
  private readonly listeners = new Set<(status: EngineStatus) => void>();
  private readonly log: (line: string) => void;
  private readonly ending = new AbortController();

  constructor(private readonly options: SupervisorOptions) {
    this.log = options.log ?? (() => undefined);
  }

  /** Of the running process. */
  get pid(): number | undefined {
    return this.process;
  }

  get status(): EngineStatus {
    return this.state;
  }

  /** Calls `listener` at each change; returns its removal. */
  onStatus(listener: (status: EngineStatus) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Starts the engine unless it runs; what it says of itself. */
  async start(): Promise<InitializeResult> {
    return (await this.running()).info;
  }

  /**
   * Asks the engine, starting it when needed.
   * @throws EngineError; after `"crashed"` the next request starts the engine again.
   */
  async request<M extends EngineMethod>(method: M, params: Params<M>, options: RequestOptions = {}): Promise<EngineRequests[M]["result"]> {
    if (options.signal?.aborted === true) throw cancelled();
    const client = await unlessAborted(this.running(), options.signal);
    return client.request(method, params, options);
  }

  /** Stops the engine, forgets its crashes, and starts it afresh (at another path, when `locate` now answers one). */
  async restart(): Promise<InitializeResult> {
    const old = this.client;
    this.client = undefined;
    this.crashes = [];
    this.become({ state: "stopped" });
    await (await old?.catch(() => undefined))?.dispose();
    return this.start();
  }

  /** Ends the engine; further requests are refused. */
  async dispose(): Promise<void> {
    this.disposed = true;
    this.ending.abort();
    const old = this.client;
    this.client = undefined;
    this.become({ state: "stopped" });
    this.listeners.clear();
    await (await old?.catch(() => undefined))?.dispose();
  }

  private running(): Promise<EngineClient> {
    if (this.disposed) return Promise.reject(new EngineError("failed", "The engine was stopped."));
    if (this.client !== undefined) return this.client;
    if (this.state.state === "failed" || this.state.state === "missing") {
      return Promise.reject(new EngineError(this.state.state, this.state.message ?? "The engine is not available."));
    }
    const client = this.launch();
    this.client = client;
    client.then(
      (started) => void started.ended.then((exit) => this.ended(client, `The engine crashed${manner(exit)}`, exit.stderr)),
      (error: unknown) => this.notStarted(client, error),
    );
    return client;
  }

  private async launch(): Promise<EngineClient> {
    this.become({ state: "starting" });
    const wait = this.crashes.length < 2 ? 0 : BACKOFF_MS * 2 ** (this.crashes.length - 2);
    if (wait > 0) await pause(wait, this.ending.signal);
    const { path } = await this.options.locate();
    if (this.disposed) throw new EngineError("failed", "The engine was stopped.");
    this.log(`starting ${path}`);
    const client = await EngineClient.start(path, this.log);
    if (this.disposed) {
      await client.dispose();
      throw new EngineError("failed", "The engine was stopped.");
    }
    this.process = client.pid;
    void client.ended.then(() => {
      if (this.process === client.pid) this.process = undefined;
    });
    this.become({ state: "running", version: client.info.version });
    return client;
  }

  /** The process is gone. Not news when it was replaced or dismissed. */
  private ended(client: Promise<EngineClient>, message: string, stderr: string): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.log(`${message}.${stderr === "" ? "" : ` Its last words:\n${stderr}`}`);
    const now = Date.now();
    this.crashes = [...this.crashes.filter((time) => now - time < CRASH_WINDOW_MS), now];
    if (this.crashes.length < MOST_CRASHES) this.become({ state: "stopped", message: `${message}; it starts again when needed.` });
    else this.become({ state: "failed", message: `The engine crashed ${MOST_CRASHES} times within ${CRASH_WINDOW_MS / 60_000} minutes: see the log, then restart it.` });
  }

  private notStarted(client: Promise<EngineClient>, error: unknown): void {
    if (this.client !== client) return;
    if (error instanceof EngineError && error.code === "crashed") {
      this.ended(client, error.message.replace(/\.$/, ""), "");
      return;
    }
    this.client = undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.log(message);
    this.become({ state: error instanceof EngineError && error.code === "missing" ? "missing" : "failed", message });
  }

  private become(status: EngineStatus): void {
    this.state = status;
    for (const listener of this.listeners) listener(status);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
