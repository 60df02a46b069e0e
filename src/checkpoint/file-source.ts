/** Byte sources over local files. */
import { open, readdir, realpath, stat, type FileHandle } from "node:fs/promises";
import { CheckpointError, type ByteSource, type SourceOpener } from "./checkpoint";
import { grouped } from "./quote";

/** An idle handle is closed after this long, so that the file can be replaced or removed on every platform. */
const IDLE_MS = 1000;

interface Identity {
  size: number;
  modified: number;
  inode: number;
}

/**
 * A local file, opened at the first read and closed when idle. It stands for the file as first seen: a read after the
 * file was replaced fails rather than mix two versions.
 */
export class FileSource implements ByteSource {
  /** What was asked of the disk, for tests and the log. */
  readonly counts = { reads: 0, bytes: 0, largest: 0 };
  private identity: Promise<Identity> | undefined;
  private handle: Promise<FileHandle> | undefined;
  private idle: NodeJS.Timeout | undefined;
  private pending = 0;

  constructor(readonly path: string) {}

  async size(): Promise<number> {
    return (await this.identify()).size;
  }

  async modified(): Promise<number> {
    return (await this.identify()).modified;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const { size } = await this.identify();
    // Asked before the buffer is allocated: no read is larger than the file.
    if (offset + length > size) throw this.tooShort(offset + length, size);
    this.pending++;
    clearTimeout(this.idle);
    try {
      const handle = await this.open();
      const bytes = Buffer.allocUnsafeSlow(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) throw this.tooShort(offset + length, offset + done);
        done += bytesRead;
      }
      this.counts.reads++;
      this.counts.bytes += length;
      this.counts.largest = Math.max(this.counts.largest, length);
      return bytes;
    } catch (error) {
      throw error instanceof CheckpointError ? error : unreadable(this.path, error);
    } finally {
      if (--this.pending === 0) this.idle = setTimeout(() => void this.close().catch(() => undefined), IDLE_MS).unref();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.idle);
    const { handle } = this;
    this.handle = undefined;
    await (await handle?.catch(() => undefined))?.close();
  }

  private identify(): Promise<Identity> {
    return (this.identity ??= identityOf(this.path));
  }

  private open(): Promise<FileHandle> {
    return (this.handle ??= this.openUnchanged());
  }

  private async openUnchanged(): Promise<FileHandle> {
    const first = await this.identify();
    const handle = await open(this.path, "r");
    try {
      const now = await handle.stat();
      if (now.size !== first.size || now.mtimeMs !== first.modified || now.ino !== first.inode)
        throw new CheckpointError("io", "the file changed while it was being read; open it again", this.path);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private tooShort(needed: number, has: number): CheckpointError {
    return new CheckpointError("truncated", `the file ends at byte ${grouped(has)} but ${grouped(needed)} bytes are needed`, this.path, { offset: has });
  }
}

/** The local file system; adds up what its sources read. */
export class LocalFiles implements SourceOpener {
  private readonly opened: FileSource[] = [];

  /** Bytes and reads of all sources opened so far, and the largest single read. */
  get counts(): { reads: number; bytes: number; largest: number } {
    const sum = { reads: 0, bytes: 0, largest: 0 };
    for (const { counts } of this.opened) {
      sum.reads += counts.reads;
      sum.bytes += counts.bytes;
      sum.largest = Math.max(sum.largest, counts.largest);
    }
    return sum;
  }

  async open(path: string): Promise<ByteSource> {
    const source = new FileSource(path);
    await source.size();
    this.opened.push(source);
    return source;
  }

  async exists(path: string): Promise<boolean> {
    return stat(path).then(() => true, () => false);
  }

  async list(path: string): Promise<string[] | null> {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOTDIR" || code === "ENOENT") return null;
      throw unreadable(path, error);
    }
  }

  async realPath(path: string): Promise<string> {
    return realpath(path).catch((error: unknown) => {
      throw unreadable(path, error);
    });
  }
}

/** Asked of the path, not of a handle: opening a FIFO would wait for its writer. */
async function identityOf(path: string): Promise<Identity> {
  const seen = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (!seen.isFile()) throw new CheckpointError("io", seen.isDirectory() ? "this is a folder, not a file" : "this is not a regular file", path);
  return { size: seen.size, modified: seen.mtimeMs, inode: seen.ino };
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "you may not read this file",
  EPERM: "you may not read this file",
  EISDIR: "this is a folder, not a file",
  ELOOP: "its symbolic links lead in a circle",
  ENAMETOOLONG: "its path is too long",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
};

function unreadable(path: string, error: unknown): CheckpointError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new CheckpointError("io", (code === undefined ? undefined : REASONS[code]) ?? `the file cannot be read (${code ?? message})`, path);
}
