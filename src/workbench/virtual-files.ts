/** Checkpoints that have no path on disk (a virtual workspace): read whole through VS Code, so only small ones. */
import * as vscode from "vscode";
import { type ByteSource, CheckpointError, type SourceOpener } from "../checkpoint/checkpoint";

/** VS Code reads such files only as a whole; larger ones are refused. Bytes. */
export const VIRTUAL_FILE_LIMIT = 64 * 1024 * 1024;

/** Opens files of one virtual file system; paths are the URIs' path parts. */
export function virtualFiles(origin: vscode.Uri): SourceOpener {
  return {
    async open(path) {
      const uri = origin.with({ path });
      let stat: vscode.FileStat;
      try {
        stat = await vscode.workspace.fs.stat(uri);
      } catch (error) {
        throw new CheckpointError("io", `cannot be opened: ${error instanceof Error ? error.message : String(error)}`, path);
      }
      if (stat.size > VIRTUAL_FILE_LIMIT) {
        const size = `${Math.ceil(stat.size / (1024 * 1024)).toLocaleString("en")} MB`;
        throw new CheckpointError(
          "unsupported",
          `is ${size} and its file system (${uri.scheme}) can only be read whole, which is done up to ${VIRTUAL_FILE_LIMIT / (1024 * 1024)} MB; open the folder where the file is on disk, for example over SSH`,
          path,
        );
      }
      return new WholeFile(path, await vscode.workspace.fs.readFile(uri));
    },
    async exists(path) {
      try {
        await vscode.workspace.fs.stat(origin.with({ path }));
        return true;
      } catch {
        return false;
      }
    },
  };
}

class WholeFile implements ByteSource {
  constructor(
    readonly path: string,
    private readonly content: Uint8Array,
  ) {}

  size(): Promise<number> {
    return Promise.resolve(this.content.length);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.content.length) {
      return Promise.reject(new CheckpointError("truncated", `ends at byte ${this.content.length}, but ${offset + length} bytes are needed`, this.path, { offset: this.content.length }));
    }
    return Promise.resolve(this.content.subarray(offset, offset + length));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
