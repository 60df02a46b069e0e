/**
 * Results kept between sessions. A folder per version of a checkpoint file holds segments: JSON files that are written
 * once, to a temporary name and renamed, so that several windows and a crash at any moment leave whole segments only.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import type { CheckpointFile } from "../checkpoint/checkpoint";

/** Raised when the stored form changes. */
const FORMAT = 1;
/** Results wait this long for company before they are written. */
const FLUSH_MS = 2000;
/** More segments than this are rewritten as one when they are read. */
const MOST_SEGMENTS = 24;
/** A temporary file this old was left by a crash. */
const ABANDONED_MS = 3_600_000;
/** Folders of ours; whatever else is in the cache's folder is left alone. */
const OURS = /^[0-9a-f]{32}$/;

export interface CacheOptions {
  folder: string;
  /** What made the results; results of another engine are not used. See `engineIdentity`. */
  engine: string;
  /** Least recently used files' results are removed beyond this. */
  maxBytes?: number;
  /** Told once why results cannot be kept; everything else goes on. */
  onProblem?: (message: string) => void;
}

interface Entry {
  value: unknown;
  seconds: number;
}

interface Segment {
  format: number;
  /** For whoever looks into the folder. */
  file: string;
  entries: Record<string, Entry>;
}

/** Results about one version of one file, or of several together. */
export interface FileResults {
  readonly size: number;
  get(key: string): Entry | undefined;
  /** Keeps a result; it is written soon after. */
  put(key: string, value: unknown, seconds: number): void;
}

/**
 * Identity of the engine's executable, for `CacheOptions.engine`: two builds of one version may differ.
 * @throws when it cannot be read.
 */
export async function engineIdentity(executable: string): Promise<string> {
  const { size, mtimeMs } = await stat(executable);
  return `${executable} ${size} ${mtimeMs}`;
}

export class ResultCache {
  readonly #files = new Map<string, Promise<KeptResults>>();
  readonly #maxBytes: number;
  #reported = false;
  #pruning: Promise<void> | undefined;
  /** Bytes that may be written before the folder's size is looked at again. */
  #unchecked = 0;

  constructor(private readonly options: CacheOptions) {
    this.#maxBytes = options.maxBytes ?? 256 * 2 ** 20;
  }

  /** What is known of `files` together (two that are compared, say) as they are (path, size, mtime); read from disk at the first call. Never rejects. */
  of(...files: CheckpointFile[]): Promise<FileResults> {
    const id = createHash("sha256")
      .update(JSON.stringify([FORMAT, this.options.engine, ...files.flatMap(({ path, bytes, modified }) => [path, bytes, modified])]))
      .digest("hex")
      .slice(0, 32);
    let results = this.#files.get(id);
    if (results === undefined) {
      results = KeptResults.load(path.join(this.options.folder, id), files.map(({ path }) => path), (error) => this.#problem(error), (bytes) => this.#written(bytes));
      this.#files.set(id, results);
    }
    return results;
  }

  /** Forgets what was read of `file`, also together with others, so that memory is free; what is on disk stays. */
  async release(file: CheckpointFile): Promise<void> {
    for (const [id, results] of this.#files) {
      const kept = await results;
      if (!kept.files.includes(file.path)) continue;
      await kept.flush();
      this.#files.delete(id);
    }
  }

  /** Writes what waits to be written. */
  async flush(): Promise<void> {
    await Promise.all([...this.#files.values()].map(async (results) => (await results).flush()));
    await this.#pruning;
  }

  /** Removes everything, in memory and on disk. */
  async clear(): Promise<void> {
    await this.flush();
    this.#files.clear();
    try {
      for (const name of await ourFolders(this.options.folder)) await rm(path.join(this.options.folder, name), { recursive: true, force: true });
    } catch (error) {
      this.#problem(error);
    }
  }

  /** Removes the results of the files used longest ago when the folder may have outgrown its bound. */
  #written(bytes: number): void {
    this.#unchecked -= bytes;
    if (this.#unchecked > 0) return;
    this.#unchecked = this.#maxBytes / 32;
    this.#pruning ??= pruneFolder(this.options.folder, this.#maxBytes)
      .catch((error: unknown) => this.#problem(error))
      .finally(() => (this.#pruning = undefined));
  }

  #problem(error: unknown): void {
    if (this.#reported) return;
    this.#reported = true;
    this.options.onProblem?.(`Results cannot be kept in ${this.options.folder}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

class KeptResults implements FileResults {
  readonly #entries = new Map<string, Entry>();
  #unwritten = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly folder: string,
    readonly files: readonly string[],
    private readonly onProblem: (error: unknown) => void,
    private readonly onWritten: (bytes: number) => void,
  ) {}

  static async load(folder: string, files: readonly string[], onProblem: (error: unknown) => void, onWritten: (bytes: number) => void): Promise<KeptResults> {
    const results = new KeptResults(folder, files, onProblem, onWritten);
    const names = await readdir(folder).catch(() => []);
    const read: string[] = [];
    for (const name of names) {
      if (!name.endsWith(".json")) {
        await removeAbandoned(path.join(folder, name));
        continue;
      }
      const segment = await readSegment(path.join(folder, name));
      // A segment that cannot be understood is of no use to anybody.
      if (segment === null) await rm(path.join(folder, name), { force: true }).catch(() => undefined);
      else read.push(name);
      for (const [key, entry] of Object.entries(segment?.entries ?? {})) results.#entries.set(key, entry);
    }
    if (read.length > 0) {
      const now = new Date();
      await utimes(folder, now, now).catch(() => undefined);
    }
    if (read.length > MOST_SEGMENTS) await results.#merge(read);
    return results;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  put(key: string, value: unknown, seconds: number): void {
    const entry = { value, seconds };
    this.#entries.set(key, entry);
    this.#unwritten.set(key, entry);
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.size > 0) {
      const entries = this.#unwritten;
      this.#unwritten = new Map();
      this.#writing = this.#writing.then(() => this.#write(entries)).then(this.onWritten, this.onProblem);
    }
    return this.#writing;
  }

  /** Answers with the bytes written. */
  async #write(entries: ReadonlyMap<string, Entry>): Promise<number> {
    const segment: Segment = { format: FORMAT, file: this.files.join(" "), entries: Object.fromEntries(entries) };
    const target = path.join(this.folder, `${Date.now().toString(36)}-${randomBytes(6).toString("hex")}.json`);
    const temporary = `${target}.tmp`;
    await mkdir(this.folder, { recursive: true });
    try {
      const text = JSON.stringify(segment);
      await writeFile(temporary, text);
      await rename(temporary, target);
      return text.length;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  async #merge(names: readonly string[]): Promise<void> {
    try {
      await this.#write(this.#entries);
      await Promise.all(names.map((name) => rm(path.join(this.folder, name), { force: true })));
    } catch (error) {
      this.onProblem(error);
    }
  }
}

async function readSegment(file: string): Promise<Segment | null> {
  try {
    const segment = JSON.parse(await readFile(file, "utf8")) as Partial<Segment> | null;
    if (segment?.format !== FORMAT || typeof segment.entries !== "object") return null;
    const whole = Object.values(segment.entries).every((entry) => typeof entry?.seconds === "number" && typeof entry.value === "object");
    return whole ? (segment as Segment) : null;
  } catch {
    return null;
  }
}

async function removeAbandoned(temporary: string): Promise<void> {
  const seen = await stat(temporary).catch(() => undefined);
  if (seen !== undefined && Date.now() - seen.mtimeMs > ABANDONED_MS) await rm(temporary, { force: true }).catch(() => undefined);
}

async function ourFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory() && OURS.test(entry.name)).map((entry) => entry.name);
}

async function pruneFolder(folder: string, maxBytes: number): Promise<void> {
  const kept: { path: string; bytes: number; used: number }[] = [];
  for (const name of await ourFolders(folder)) {
    const directory = path.join(folder, name);
    const names = await readdir(directory);
    const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(directory, name)).catch(() => undefined))?.size ?? 0));
    kept.push({ path: directory, bytes: sizes.reduce((sum, size) => sum + size, 0), used: (await stat(directory)).mtimeMs });
  }
  kept.sort((a, b) => b.used - a.used);
  let total = 0;
  for (const directory of kept) {
    total += directory.bytes;
    if (total > maxBytes) await rm(directory.path, { recursive: true, force: true });
  }
}
