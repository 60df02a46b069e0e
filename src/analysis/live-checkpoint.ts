/** A checkpoint on disk as it was last read, and as it changes. */
import type { Checkpoint, CheckpointFile } from "../checkpoint/checkpoint";
import { FileWatcher, patiently } from "./watch";

export interface LiveOptions {
  /** Absolute path of a file, an index or a folder. */
  path: string;
  /** @throws CheckpointError */
  open(path: string): Promise<Checkpoint>;
  /** How long a file that changed may be unreadable, since its writer is at work, before that is reported. Default: 10 s. */
  patienceMs?: number | undefined;
  /** A structure was read; it takes the place of the one before. */
  onRead(checkpoint: Checkpoint): void;
  /** Reading again has ended, well or not. */
  onReread(): Promise<void>;
}

export class LiveCheckpoint {
  #reading: Promise<void>;
  #error: unknown = null;
  #revision = 0;
  readonly #end = new AbortController();
  #rereading = new AbortController();
  #watcher: FileWatcher | undefined;
  #files: CheckpointFile[] = [];

  /** Starts reading the headers. */
  constructor(private readonly options: LiveOptions) {
    this.#reading = this.#read().catch((error: unknown) => this.#failed(error));
  }

  /** Waits until the headers were read, well or not. */
  get settled(): Promise<void> {
    return this.#reading;
  }

  /** Why the last reading failed; null after one that did not. */
  get error(): unknown {
    return this.#error;
  }

  /** Rises with each reading. */
  get revision(): number {
    return this.#revision;
  }

  /** Reads the headers again, once. */
  async reload(): Promise<void> {
    await this.#reading;
    this.#reading = this.#read().catch((error: unknown) => this.#failed(error));
    await this.#reading;
    await this.#told();
  }

  /** Follows the files from now on: reads again when they changed, patient with half-written ones. */
  watch(): void {
    if (this.#watcher !== undefined) return;
    this.#watcher = new FileWatcher(() => void this.#reread());
    void this.#reading.then(() => this.#follow());
  }

  dispose(): void {
    this.#end.abort();
    this.#rereading.abort();
    this.#watcher?.dispose();
  }

  async #read(): Promise<void> {
    const checkpoint = await this.options.open(this.options.path);
    if (this.#end.signal.aborted) return;
    this.#error = null;
    this.#revision++;
    this.#files = checkpoint.files;
    this.options.onRead(checkpoint);
  }

  #failed(error: unknown): void {
    this.#error = error;
    this.#revision++;
  }

  /** After a change on disk. A newer change starts it anew. */
  async #reread(): Promise<void> {
    this.#rereading.abort();
    const { signal } = (this.#rereading = new AbortController());
    try {
      await patiently(() => this.#read(), signal, this.options.patienceMs);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(error);
    }
    await this.#told();
  }

  async #told(): Promise<void> {
    if (this.#end.signal.aborted) return;
    await this.options.onReread();
    await this.#follow();
  }

  async #follow(): Promise<void> {
    const { path } = this.options;
    const known = this.#files.some((file) => file.path === path);
    await this.#watcher?.follow(known ? this.#files : [{ path }, ...this.#files]);
  }
}
