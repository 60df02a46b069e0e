/** Pickles one after another in a file that goes on after them: reads as much as they turn out to need. */
import { CheckpointError, type ByteSource } from "./checkpoint";
import type { Unpickled } from "./pickle";
import { grouped } from "./quote";

const FIRST_READ = 1 << 12;
const GROWTH = 8;

export class PickleStream {
  private bytes: Uint8Array = new Uint8Array(0);
  private start = 0;

  /**
   * @param position of the next pickle in the file.
   * @param end where the stream ends at the latest.
   * @param maxBytes of one pickle.
   */
  constructor(private readonly source: ByteSource, public position: number, private readonly end: number, private readonly maxBytes: number) {}

  /** Reads the next pickle and moves behind it. `read` may be called again with more bytes. */
  async next(read: (bytes: Uint8Array, base: number) => Unpickled): Promise<Unpickled> {
    for (let wanted = FIRST_READ; ; wanted *= GROWTH) {
      const bytes = await this.at(this.position, Math.min(wanted, this.end - this.position));
      try {
        const unpickled = read(bytes, this.position);
        this.position += unpickled.length;
        return unpickled;
      } catch (error) {
        if (!(error instanceof CheckpointError) || error.code !== "truncated" || this.position + bytes.length >= this.end) throw error;
        if (bytes.length >= this.maxBytes) {
          throw new CheckpointError("malformed", `the pickle at byte ${grouped(this.position)} has more than ${grouped(this.maxBytes)} bytes`, this.source.path, { offset: this.position });
        }
      }
    }
  }

  /** Bytes from `offset` on, at least `length` of them. */
  private async at(offset: number, length: number): Promise<Uint8Array> {
    const from = offset - this.start;
    if (from < 0 || from + length > this.bytes.length) {
      this.bytes = await this.source.read(offset, length);
      this.start = offset;
      return this.bytes;
    }
    return this.bytes.subarray(from);
  }
}
