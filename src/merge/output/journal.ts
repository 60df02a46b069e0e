/**
 * The journal of a merge under way: what its files will be, what they are made of, and which tensors are on disk. Lines of JSON, the head
 * first; a line is appended when what it says is on disk, so that whatever ends the process, or the machine, leaves only lines that hold.
 */
import { open, readFile, truncate, type FileHandle } from "node:fs/promises";
import type { InputState } from "./input-state";

/** Raised when the form changes. */
const FORMAT = 1;

export interface JournalHead {
  /** A hash of all that is laid out: names, sizes and headers of the weights' files. */
  layout: string;
  /** The engine's version. */
  engine: string;
  /** The files that are read, as they were when the merge was begun. */
  inputs: InputState[];
}

export interface JournalEntry {
  tensor: string;
  /** A hash of how it was computed. */
  expression: string;
  /** Elements that are not finite. */
  nonFinite: number;
}

export class Journal {
  private constructor(private readonly file: FileHandle) {}

  /** Begins a journal; what is at `path` is replaced. */
  static async create(path: string, head: JournalHead): Promise<Journal> {
    const file = await open(path, "w");
    await file.appendFile(`${JSON.stringify({ format: FORMAT, ...head })}\n`);
    await file.sync();
    return new Journal(file);
  }

  /** Goes on with one that `readJournal` has read. @param length of its whole lines: a torn last one is cut off. */
  static async reopen(path: string, length: number): Promise<Journal> {
    await truncate(path, length);
    return new Journal(await open(path, "a"));
  }

  /** Puts entries on disk. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.file.appendFile(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    await this.file.datasync();
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** What a journal says, and the bytes of its whole lines; null where there is none, or none that this version understands. */
export async function readJournal(path: string): Promise<{ head: JournalHead; entries: JournalEntry[]; length: number } | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  try {
    const [head, ...entries] = whole.split("\n").slice(0, -1).map((line) => JSON.parse(line) as unknown);
    if ((head as { format?: unknown } | undefined)?.format !== FORMAT) return null;
    return { head: head as JournalHead, entries: entries as JournalEntry[], length: Buffer.byteLength(whole) };
  } catch {
    return null;
  }
}
