/** Following files on disk. */
import { watch, type FSWatcher } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";

/** A writer that pauses for less than this is taken to be still writing. */
const QUIET_MS = 300;
/** Network file systems send no events, or not all. */
const POLL_MS = 3000;

/** A file to follow, and its size and time when it was read. */
export interface FollowedFile {
  path: string;
  bytes?: number | undefined;
  modified?: number | undefined;
}

/**
 * Tells when any of some files changed: other size, time or inode, also by being replaced, removed or created. Folders are
 * watched rather than files, since writers rename; and the files are looked at now and then, since events get lost.
 */
export class FileWatcher {
  #paths: readonly string[] = [];
  #seen = new Map<string, string>();
  /** A change was seen and not yet told. */
  #changed = false;
  readonly #folders = new Map<string, FSWatcher>();
  #quiet: NodeJS.Timeout | undefined;
  readonly #poll: NodeJS.Timeout;
  #disposed = false;

  /** @param onChange called once after a burst of changes has been quiet for a moment. */
  constructor(private readonly onChange: () => void) {
    this.#poll = setInterval(() => void this.#look(), POLL_MS).unref();
  }

  /** Follows these files and no others: from the state in which they were read where that is given, else from the present one. */
  async follow(files: readonly FollowedFile[]): Promise<void> {
    const paths = files.map((file) => file.path);
    this.#paths = paths;
    const seen = await identities(paths);
    if (this.#disposed || paths !== this.#paths) return;
    this.#seen = new Map([...seen].map(([file, { identity }]) => [file, identity]));
    this.#changed = false;
    const wanted = new Set(paths.map((file) => path.dirname(file)));
    for (const [folder, watcher] of this.#folders) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const folder of wanted) if (!this.#folders.has(folder)) this.#watchFolder(folder);
    // Between the reading and now nobody watched.
    const since = ({ path: file, bytes, modified }: FollowedFile): boolean => {
      const now = seen.get(file)!;
      return modified !== undefined && (now.size !== bytes || now.modified !== modified);
    };
    if (!files.some(since)) return;
    this.#changed = true;
    this.#wait();
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
    for (const file of paths) {
      const { identity } = now.get(file)!;
      if (identity === this.#seen.get(file)) continue;
      this.#seen.set(file, identity);
      this.#changed = true;
    }
    if (!this.#changed) return;
    if (settled) {
      this.#changed = false;
      this.onChange();
    } else {
      // A change that polling found may still be going on.
      this.#wait();
    }
  }
}

interface FileState {
  /** Empty when there is no such file. */
  identity: string;
  size?: number;
  modified?: number;
}

async function identities(paths: readonly string[]): Promise<Map<string, FileState>> {
  const entries = await Promise.all(
    paths.map(async (file): Promise<[string, FileState]> => {
      const seen = await stat(file).catch(() => undefined);
      return [file, seen === undefined ? { identity: "" } : { identity: `${seen.ino} ${seen.size} ${seen.mtimeMs}`, size: seen.size, modified: seen.mtimeMs }];
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
