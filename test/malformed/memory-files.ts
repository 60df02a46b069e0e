/** Files that exist only in memory, for running a reader on very many of them. */
import { CheckpointError, type ByteSource, type SourceOpener } from "../../src/checkpoint/checkpoint";

export class MemoryFiles implements SourceOpener {
  /** Bytes read since the last `reset`, and the largest single read. */
  counts = { bytes: 0, largest: 0 };

  constructor(readonly files: Map<string, Uint8Array>) {}

  open(path: string): Promise<ByteSource> {
    const bytes = this.files.get(path);
    if (bytes === undefined) return Promise.reject(new CheckpointError("io", "there is no such file", path));
    return Promise.resolve({
      path,
      size: () => Promise.resolve(bytes.length),
      modified: () => Promise.resolve(undefined),
      read: (offset, length) => {
        if (offset + length > bytes.length) return Promise.reject(new CheckpointError("truncated", "the file ends too early", path));
        this.counts.bytes += length;
        this.counts.largest = Math.max(this.counts.largest, length);
        return Promise.resolve(bytes.slice(offset, offset + length));
      },
      close: () => Promise.resolve(),
    });
  }

  exists(path: string): Promise<boolean> {
    return Promise.resolve(this.files.has(path));
  }

  list(): Promise<null> {
    return Promise.resolve(null);
  }

  realPath(path: string): Promise<string> {
    return Promise.resolve(path);
  }
}
