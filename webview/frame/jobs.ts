/**
 * What pages asked of the host. Jobs belong to the view, not to the page: a result that arrives after the selection
 * has moved on is kept, and a page that is opened again finds its job still running or done.
 */
import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { RpcError } from "../../src/protocol/rpc";

export type Job<T> =
  | { state: "idle" }
  /** `since`: `performance.now()` at the start. `manner`: how it was asked to run, where there is a choice. */
  | { state: "running"; since: number; manner?: string }
  | { state: "done"; value: T }
  | { state: "failed"; code: string; message: string };

const IDLE: Job<never> = { state: "idle" };
/** Results kept here; the oldest finished ones go first. Statistics, norms and spectra live in the store. */
const MOST_JOBS = 300;

export class Jobs {
  readonly #jobs = new Map<string, { signal: Signal<Job<unknown>>; controller?: AbortController }>();

  of<T>(key: string): ReadonlySignal<Job<T>> {
    return this.#entry(key).signal as Signal<Job<T>>;
  }

  /** Starts the job unless it is running or done. */
  ensure<T>(key: string, run: (signal: AbortSignal) => Promise<T>): void {
    if (this.#entry(key).signal.peek().state === "idle") this.start(key, run);
  }

  /** Starts the job, also after it failed or was done. */
  start<T>(key: string, run: (signal: AbortSignal) => Promise<T>, manner?: string): void {
    const entry = this.#entry(key);
    entry.controller?.abort();
    const controller = (entry.controller = new AbortController());
    entry.signal.value = { state: "running", since: performance.now(), ...(manner === undefined ? {} : { manner }) };
    run(controller.signal).then(
      (value) => { if (entry.controller === controller) entry.signal.value = { state: "done", value }; },
      (error: unknown) => {
        if (entry.controller !== controller) return;
        const detail = error instanceof RpcError ? error.detail : { code: "internal", message: error instanceof Error ? error.message : String(error) };
        entry.signal.value = detail.code === "cancelled" ? IDLE : { state: "failed", ...detail };
      },
    );
  }

  stop(key: string): void {
    const entry = this.#jobs.get(key);
    if (entry === undefined) return;
    entry.controller?.abort();
    delete entry.controller;
    entry.signal.value = IDLE;
  }

  /** The file was read again: nothing asked of it before counts. */
  clear(): void {
    for (const key of [...this.#jobs.keys()]) this.stop(key);
    this.#jobs.clear();
  }

  #entry(key: string): { signal: Signal<Job<unknown>>; controller?: AbortController } {
    let entry = this.#jobs.get(key);
    if (entry === undefined) {
      for (const [old, { signal: state }] of this.#jobs) {
        if (this.#jobs.size < MOST_JOBS) break;
        if (state.peek().state !== "running") this.#jobs.delete(old);
      }
      this.#jobs.set(key, (entry = { signal: signal<Job<unknown>>(IDLE) }));
    }
    return entry;
  }
}
