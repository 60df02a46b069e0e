/** Checkpoints that have no path on disk (a virtual workspace): read whole through VS Code, so only small ones. */
import * as vscode from "vscode";
import { type ByteSource, CheckpointError, type SourceOpener } from "../checkpoint/checkpoint";
import { grouped } from "../checkpoint/quote";

/** VS Code reads such files only as a whole; larger ones are refused. Bytes. */
export const VIRTUAL_FILE_LIMIT = 64 * 1024 * 1024;

/** Opens files of one virtual file system; paths are the URIs' path parts. */
export function virtualFiles(origin: vscode.Uri): SourceOpener {
  const at = (path: string): vscode.Uri => origin.with({ path });
  return {
    async open(path) {
      const { size, type, mtime } = await status(at(path));
      if (type & vscode.FileType.Directory) throw new CheckpointError("io", "this is a folder, not a file", path);
      if (size > VIRTUAL_FILE_LIMIT) {
        throw new CheckpointError(
          "unsupported",
          `the file has ${grouped(size)} bytes and ${origin.scheme} files can only be read whole, which is done up to ${grouped(VIRTUAL_FILE_LIMIT)}; open the folder where the file is on disk, for example over SSH`,
          path,
        );
      }
      return new WholeFile(path, mtime, await vscode.workspace.fs.readFile(at(path)));
    },
    async exists(path) {
      return status(at(path)).then(() => true, () => false);
    },
    async list(path) {
      const { type } = await status(at(path));
      if (!(type & vscode.FileType.Directory)) return null;
      return (await vscode.workspace.fs.readDirectory(at(path))).map(([name]) => name).sort();
    },
    // Links of a virtual file system are its own business: they cannot lead to the machine's files.
    realPath: (path) => Promise.resolve(path),
  };
}

async function status(uri: vscode.Uri): Promise<vscode.FileStat> {
  try {
    return await vscode.workspace.fs.stat(uri);
  } catch (error) {
    const reason = error instanceof vscode.FileSystemError && error.code === "FileNotFound" ? "there is no such file" : `the file cannot be read (${String(error)})`;
    throw new CheckpointError("io", reason, uri.path);
  }
}

class WholeFile implements ByteSource {
  constructor(
    readonly path: string,
    private readonly mtime: number,
    private readonly content: Uint8Array,
  ) {}

  size(): Promise<number> {
    return Promise.resolve(this.content.length);
  }

  modified(): Promise<number> {
    return Promise.resolve(this.mtime);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const { length: size } = this.content;
    if (offset + length <= size) return Promise.resolve(this.content.subarray(offset, offset + length));
    return Promise.reject(new CheckpointError("truncated", `the file ends at byte ${grouped(size)} but ${grouped(offset + length)} bytes are needed`, this.path, { offset: size }));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
