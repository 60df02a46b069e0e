/**
 * The HDF5 library on one file, in a thread of its own: a file that crashes or stalls it costs that thread, which is started
 * again for the next request.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { CheckpointError } from "./checkpoint";
import type { Hdf5Listing, Hdf5Place, Hdf5Reply, Hdf5Request } from "./hdf5-protocol";

/** Longer without a sign of life is taken for a stall. */
const STALL_MS = 4000;
/** The thread is kept for more requests so long. */
const IDLE_MS = 3000;

type Answer = Extract<Hdf5Reply, { kind: "listed" | "written" }>;

export class Hdf5Library {
  private worker: Worker | undefined;
  private idle: NodeJS.Timeout | undefined;
  /** One request at a time. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly place: Hdf5Place) {}

  /** @throws CheckpointError when the library cannot read the file. */
  async list(signal?: AbortSignal): Promise<Hdf5Listing> {
    const answer = await this.request({ kind: "list" }, signal);
    return (answer as Extract<Answer, { kind: "listed" }>).listing;
  }

  /**
   * Writes the elements of the dataset `name`, row-major and little endian.
   * @param file descriptor of a file open for writing.
   */
  async read(name: string, file: number, signal?: AbortSignal): Promise<void> {
    await this.request({ kind: "read", name, file }, signal);
  }

  private request(request: Hdf5Request, signal: AbortSignal | undefined): Promise<Answer> {
    const turn = this.last.then(() => this.ask(request, signal));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async ask(request: Hdf5Request, signal: AbortSignal | undefined): Promise<Answer> {
    signal?.throwIfAborted();
    clearTimeout(this.idle);
    const worker = (this.worker ??= this.start());
    worker.ref();
    try {
      const reply = await answerOf(worker, request, this.place.path, signal);
      if (reply.kind === "failed") throw new CheckpointError(reply.code, reply.message, this.place.path, reply.key === undefined ? {} : { key: reply.key });
      worker.unref();
      this.idle = setTimeout(() => void this.stop(), IDLE_MS).unref();
      return reply;
    } catch (error) {
      // Awaited: nothing is written to the caller's file once this returns.
      await this.stop();
      throw error;
    }
  }

  private start(): Worker {
    const worker = new Worker(workerFile(), { workerData: this.place, stdout: true, stderr: true, env: {}, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 192 } });
    // A thread that fails when nobody waits for it must not end the process.
    worker.on("error", () => undefined);
    return worker;
  }

  private async stop(): Promise<void> {
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }
}

/** Posts `request` and waits for its reply, the thread's end, a stall or the caller. */
function answerOf(worker: Worker, request: Hdf5Request, path: string, signal: AbortSignal | undefined): Promise<Exclude<Hdf5Reply, { kind: "alive" }>> {
  return new Promise((resolve, reject) => {
    const fail = (message: string): void => settle(() => reject(new CheckpointError("malformed", message, path)));
    const stalled = (): void => fail("the HDF5 library does not finish reading it; the file is damaged");
    let watchdog = setTimeout(stalled, STALL_MS);
    const listeners = {
      message: (reply: Hdf5Reply): void => {
        clearTimeout(watchdog);
        if (reply.kind === "alive") watchdog = setTimeout(stalled, STALL_MS);
        else settle(() => resolve(reply));
      },
      error: (error: Error): void => fail(`the HDF5 library failed on it (${error.message.split("\n")[0]!.slice(0, 200).replace(/\.$/, "")})`),
      exit: (): void => fail("the HDF5 library ended while reading it"),
    };
    const abort = (): void => settle(() => reject(signal?.reason instanceof Error ? signal.reason : new DOMException("Cancelled.", "AbortError")));
    const settle = (how: () => void): void => {
      clearTimeout(watchdog);
      signal?.removeEventListener("abort", abort);
      for (const [event, listener] of Object.entries(listeners)) worker.off(event, listener);
      how();
    };
    for (const [event, listener] of Object.entries(listeners)) worker.on(event, listener);
    signal?.addEventListener("abort", abort, { once: true });
    worker.postMessage(request);
  });
}

/** Beside the bundle that runs; in a checkout's tests, in its `dist`. */
function workerFile(): string {
  const name = "hdf5-worker.mjs";
  const beside = join(__dirname, name);
  if (existsSync(beside)) return beside;
  let folder = __dirname;
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, "dist", name);
}
