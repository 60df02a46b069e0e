/** What every written file needs: room, inputs that stay as they were, a name that is durable, and failures said in one clause. */
import { open, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { CheckpointError, type CheckpointFile } from "../checkpoint/checkpoint";
import { grouped } from "../checkpoint/quote";
import { EngineError } from "../engine/error";

/** @throws CheckpointError when a file of `bytes` finds no room beside `target`, or the folder is missing. */
export async function checkRoom(target: string, bytes: number): Promise<void> {
  const disk = await statfs(path.dirname(target)).catch((error: unknown) => {
    throw notWritten(error, target);
  });
  const free = disk.bavail * disk.bsize;
  // Some network file systems say nothing of their room.
  if (disk.blocks > 0 && bytes > free) throw new CheckpointError("io", `the file needs ${grouped(bytes)} bytes, and there is room for ${grouped(free)}`, target);
}

/** @throws CheckpointError when a file is not what it was when its header was read. */
export async function checkUnchanged(inputs: readonly CheckpointFile[]): Promise<void> {
  for (const { path: name, bytes, modified, missing } of inputs) {
    if (missing === true || modified === undefined) continue;
    const now = await stat(name).catch(() => undefined);
    if (now?.size !== bytes || now.mtimeMs !== modified) throw new CheckpointError("io", "the file changed while it was being read", name);
  }
}

/**
 * What the system has against writing, about the output and in one clause; any other error as it is.
 * @param temporary the file that the engine writes to in its place.
 */
export function notWritten(error: unknown, target: string, temporary?: string): unknown {
  if (error instanceof EngineError && error.file !== undefined && error.file === temporary) {
    const full = /No space left|quota|not enough space/i.test(error.message);
    return new CheckpointError("io", full ? "there is no room left to write it" : `it cannot be written (${lowered(error.message)})`, target);
  }
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  if (code === "ENOENT") return new CheckpointError("io", `it cannot be written: there is no folder ${path.dirname(target)}`, target);
  if (code === "ENOSPC" || code === "EDQUOT") return new CheckpointError("io", "there is no room left to write it", target);
  return new CheckpointError("io", `it cannot be written (${code})`, target);
}

/** Makes the new name durable, where folders can be synced. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // The file itself is on disk; some systems do not open folders.
  }
}

/** A sentence as a clause. */
export function lowered(sentence: string): string {
  return sentence.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()).replace(/\.$/, "");
}
