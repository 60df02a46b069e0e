/** Small reads here and there in a file that is far larger: one window of it at a time, wider where reading goes on. */
import type { ByteSource } from "./checkpoint";

const NARROW = 4096;
const WIDE = 1 << 20;

export class WindowedReader {
  private bytes: Uint8Array = new Uint8Array(0);
  private start = 0;
  private width = NARROW;

  /** @param end no window reaches beyond it. */
  constructor(private readonly source: ByteSource, private readonly end: number) {}

  /** The bytes at `offset` when the window holds them: `length` of them, or fewer at the file's end. */
  held(offset: number, length: number): Uint8Array | undefined {
    const from = offset - this.start;
    const to = Math.min(offset + length, this.end) - this.start;
    return from >= 0 && to <= this.bytes.length ? this.bytes.subarray(from, Math.max(from, to)) : undefined;
  }

  /** As `held`, reading what it needs; no more than `length` bytes or a window. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    const held = this.held(offset, length);
    if (held !== undefined) return held;
    const goesOn = offset >= this.start && offset <= this.start + this.bytes.length;
    this.width = goesOn ? Math.min(2 * this.width, WIDE) : NARROW;
    const bytes = await this.source.read(Math.min(offset, this.end), Math.max(0, Math.min(Math.max(length, this.width), this.end - offset)));
    this.start = offset;
    this.bytes = bytes;
    return this.held(offset, length)!;
  }
}
