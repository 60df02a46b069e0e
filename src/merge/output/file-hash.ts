/** SHA-256 of files that are being written, read while their bytes are still in memory. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

const CHUNK = 4 << 20;

/** The hash of a file whose bytes become final from the start on. */
export class FileHash {
  private readonly hash = createHash("sha256");
  private readonly buffer = Buffer.alloc(CHUNK);
  private taken = 0;
  private final = 0;
  private work: Promise<void> | undefined;

  /** @param file which can be read, and stays open until the digest is there. */
  constructor(private readonly file: FileHandle, private readonly path: string) {}

  /** All bytes before `end` are as they will be. */
  advance(end: number): void {
    this.final = Math.max(this.final, end);
    this.work ??= this.take().finally(() => (this.work = undefined));
    // Said by `digest`.
    this.work.catch(() => undefined);
  }

  /** Of the first `bytes` bytes, all of them final. @throws when the file cannot be read. */
  async digest(bytes: number): Promise<string> {
    while (this.taken < bytes) {
      this.advance(bytes);
      await this.work;
    }
    return this.hash.digest("hex");
  }

  private async take(): Promise<void> {
    while (this.taken < this.final) {
      const { bytesRead } = await this.file.read(this.buffer, 0, Math.min(CHUNK, this.final - this.taken), this.taken);
      if (bytesRead === 0) throw new Error(`${this.path} has become shorter`);
      this.hash.update(this.buffer.subarray(0, bytesRead));
      this.taken += bytesRead;
    }
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
