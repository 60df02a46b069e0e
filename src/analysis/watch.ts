/** Following files on disk. */
import { watch, type FSWatcher } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";

/** A writer that pauses for less than this is taken to be still writing. */
const QUIET_MS = 300;
/** Network file systems send no events, or not all. */
const POLL_MS = 3000;

/**
 * Tells when any of some files changed: other size, time or inode, also by being replaced, removed or created. Folders are
 * watched rather than files, since writers rename; and the files are looked at now and then, since events get lost.
 */
export class FileWatcher {
  #paths: readonly string[] = [];
  #seen = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  #quiet: NodeJS.Timeout | undefined;
  readonly #poll: NodeJS.Timeout;
  #disposed = false;

  /** @param onChange called once after a burst of changes has been quiet for a moment. */
  constructor(private readonly onChange: () => void) {
    this.#poll = setInterval(() => void this.#look(), POLL_MS).unref();
  }

  /** Follows these files from their present state on, and no others. */
  async follow(paths: readonly string[]): Promise<void> {
    this.#paths = paths;
    this.#seen = await identities(paths);
    if (this.#disposed) return;
    const wanted = new Set(paths.map((file) => path.dirname(file)));
    for (const [folder, watcher] of this.#folders) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const folder of wanted) if (!this.#folders.has(folder)) this.#watchFolder(folder);
  }

  dispose(): void {
    this.#disposed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#quiet);
    for (const watcher of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || this.#paths.includes(path.join(folder, name))) this.#wait();
      });
      // The folder was removed, or watching it is not possible: polling goes on.
      watcher.on("error", () => {
        watcher.close();
        this.#folders.delete(folder);
      });
      this.#folders.set(folder, watcher);
    } catch {
      // As above.
    }
  }

  /** Looks once nothing has happened for a while. */
  #wait(): void {
    clearTimeout(this.#quiet);
    if (!this.#disposed) this.#quiet = setTimeout(() => void this.#look(true), QUIET_MS);
  }

  async #look(settled = false): Promise<void> {
    const paths = this.#paths;
    const now = await identities(paths);
    if (this.#disposed || paths !== this.#paths) return;
    if (paths.every((file) => now.get(file) === this.#seen.get(file))) return;
    this.#seen = now;
    // A change that polling found may still be going on.
    if (settled) this.onChange();
    else this.#wait();
  }
}

async function identities(paths: readonly string[]): Promise<Map<string, string>> {
  const entries = await Promise.all(
    paths.map(async (file): Promise<[string, string]> => {
      const seen = await stat(file).catch(() => undefined);
      return [file, seen === undefined ? "" : `${seen.ino} ${seen.size} ${seen.mtimeMs}`];
    }),
  );
  return new Map(entries);
}

/**
 * Tries until it works, for files that are still being written.
 * @param patienceMs how long; then the last error is thrown.
 */
export async function patiently<T>(attempt: () => Promise<T>, signal: AbortSignal, patienceMs = 10_000): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let pause = 200; ; pause = Math.min(2 * pause, 2000)) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (performance.now() + pause > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal.throwIfAborted();
  }
}
