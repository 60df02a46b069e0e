/**
 * Files of this process for tensors that no file holds as they are (compressed, chunked, converted): written once, read by
 * the engine like any other. They lie in a folder of the system's temporary files that only this user may enter, and go
 * with the process; what a process that was killed left behind goes when the next one starts.
 */
import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { lstat, mkdtemp, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "./checkpoint";

/** Process ids mean something on one machine only, and temporary folders may be shared. */
const MACHINE = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
const PREFIX = `weight-loupe-spool-${MACHINE}-`;

interface Writing {
  path: Promise<string>;
  waiting: number;
  controller: AbortController;
  /** The path, once the file is whole. */
  done?: string;
}

let folder: Promise<string> | undefined;
const written = new Map<string, Writing>();

/**
 * The path of a file that holds what `write` writes. Whoever asks for the same `key` gets the same file, written once;
 * writing is stopped when all who wait for it have aborted. A file is there whole or not at all.
 * @param key says what the content is, down to the version of the file it comes from. See `versionKey`.
 * @throws what `write` throws; CheckpointError `"io"` when there is no room for the file.
 */
export async function spoolFile(key: string, write: (file: FileHandle, signal: AbortSignal) => Promise<void>, signal?: AbortSignal): Promise<string> {
  signal?.throwIfAborted();
  const name = createHash("sha256").update(key).digest("hex");
  const earlier = written.get(name);
  if (earlier?.done !== undefined && !(await isThere(earlier.done)) && written.get(name) === earlier) written.delete(name);
  const current = written.get(name) ?? start(name, write);
  current.waiting++;
  return new Promise<string>((resolve, reject) => {
    const leave = (): void => {
      reject(signal!.reason instanceof Error ? signal!.reason : new DOMException("Cancelled.", "AbortError"));
      if (--current.waiting > 0) return;
      if (written.get(name) === current) written.delete(name);
      current.controller.abort();
    };
    if (signal?.aborted === true) return leave();
    signal?.addEventListener("abort", leave, { once: true });
    current.path.then(resolve, reject).finally(() => signal?.removeEventListener("abort", leave));
  });
}

/** The part of a key that names one version of one file. */
export function versionKey(file: { path: string; bytes: number; modified?: number }): string {
  return JSON.stringify([file.path, file.bytes, file.modified]);
}

/** The name of a spooled file's content, the same in every process; undefined for any other path. */
export function spooledName(path: string): string | undefined {
  return basename(dirname(path)).startsWith("weight-loupe-spool-") ? basename(path) : undefined;
}

function start(name: string, write: (file: FileHandle, signal: AbortSignal) => Promise<void>): Writing {
  const controller = new AbortController();
  const writing: Writing = { path: writeWhole(name, write, controller.signal), waiting: 0, controller };
  written.set(name, writing);
  writing.path.then(
    (path) => (writing.done = path),
    () => {
      if (written.get(name) === writing) written.delete(name);
    },
  );
  return writing;
}

/** Systems clean their temporary folders under a long-running process. */
async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(() => true, () => false);
}

async function writeWhole(name: string, write: (file: FileHandle, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<string> {
  const path = join(await spoolFolder(), name);
  const partial = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(partial, "wx", 0o600);
    try {
      await write(file, signal);
      signal.throwIfAborted();
    } finally {
      await file.close();
    }
    await rename(partial, path);
    return path;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw new CheckpointError("io", code === "ENOSPC" || code === "EDQUOT" ? "there is no room for its decoded values in the folder of temporary files" : `its decoded values cannot be written to the folder of temporary files (${code})`, path);
  }
}

async function spoolFolder(): Promise<string> {
  const known = folder;
  if (known !== undefined) {
    if (await known.then(isThere, () => false)) return known;
    if (folder !== known) return spoolFolder();
  } else void removeStale(tmpdir());
  return (folder = makeFolder());
}

async function makeFolder(): Promise<string> {
  // mkdtemp makes folders of mode 0700 under a name nobody could have taken before.
  const made = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)).catch((error: unknown) => {
    throw new CheckpointError("io", `no folder for decoded values can be made among the temporary files (${(error as NodeJS.ErrnoException).code ?? String(error)})`, tmpdir());
  });
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Removes the folders in `parent` of this user's processes that have ended on this machine. */
export async function removeStale(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const pid = name.startsWith(PREFIX) ? Number(/^(\d{1,10})-/.exec(name.slice(PREFIX.length))?.[1] ?? NaN) : NaN;
    if (!Number.isSafeInteger(pid) || isRunning(pid)) continue;
    const path = join(parent, name);
    const seen = await lstat(path).catch(() => undefined);
    if (seen?.isDirectory() === true && (process.getuid === undefined || seen.uid === process.getuid())) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
