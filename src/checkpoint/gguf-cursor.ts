/** A position in the header of a GGUF file: reads ahead in growing pieces and never past what is needed by more than one. */
import { CheckpointError, type ByteSource } from "./checkpoint";
import { grouped } from "./quote";

const FIRST_READ = 64 * 1024;
const LARGEST_READ = 4 << 20;

/** Most bytes read for one file's structure: safetensors' limit, some ten times the largest published tokenizer. */
const MOST_READ = 100_000_000;

/**
 * Little-endian values one after the other. The value methods need their bytes to be there: ask `has` first and `fill` when
 * they are not, so that a hundred thousand strings cost no hundred thousand promises.
 */
export class GgufCursor {
  private piece: Buffer = Buffer.alloc(0);
  /** Byte of the file at which `piece` starts. */
  private start = 0;
  private at = 0;
  private read = 0;
  private ahead = FIRST_READ;
  private recorded: Buffer[] | null = null;
  private recordedFrom = 0;

  constructor(
    private readonly source: ByteSource,
    /** Of the file. */
    readonly size: number,
  ) {}

  get path(): string {
    return this.source.path;
  }

  /** Next byte of the file. */
  get position(): number {
    return this.start + this.at;
  }

  /** Bytes of the file from here. */
  get remaining(): number {
    return this.size - this.position;
  }

  has(bytes: number): boolean {
    return this.piece.length - this.at >= bytes;
  }

  /**
   * Makes the next `bytes` bytes available.
   * @param what they are, for the message when the file ends earlier.
   * @throws CheckpointError
   */
  async fill(bytes: number, what: string): Promise<void> {
    if (this.has(bytes)) return;
    if (bytes > this.remaining) {
      throw new CheckpointError("truncated", `the file ends at byte ${grouped(this.size)}, inside ${what} at byte ${grouped(this.position)}`, this.path, { offset: this.size });
    }
    this.keepRecording();
    const rest = this.piece.subarray(this.at);
    const from = this.start + this.piece.length;
    const length = Math.min(Math.max(bytes - rest.length, this.ahead), this.size - from);
    this.read += length;
    if (this.read > MOST_READ + LARGEST_READ) {
      throw new CheckpointError("malformed", `its metadata and tensor list take more than ${grouped(MOST_READ)} bytes, the most that is read`, this.path, { offset: this.position });
    }
    this.ahead = Math.min(LARGEST_READ, 4 * this.ahead);
    const more = await this.source.read(from, length);
    this.start += this.at;
    this.at = 0;
    this.piece = rest.length === 0 ? Buffer.from(more.buffer, more.byteOffset, more.length) : Buffer.concat([rest, more]);
    this.recordedFrom = 0;
  }

  /** Goes on past `bytes` bytes without reading what is not there yet. They must be in the file. */
  skip(bytes: number): void {
    if (this.has(bytes)) {
      this.at += bytes;
      return;
    }
    this.start = this.position + bytes;
    this.at = 0;
    this.piece = Buffer.alloc(0);
    this.ahead = FIRST_READ;
  }

  /** Keeps all bytes passed from here to `recording`; nothing may be skipped unread meanwhile. */
  record(): void {
    this.recorded = [];
    this.recordedFrom = this.at;
  }

  recording(): Buffer {
    this.keepRecording();
    const bytes = Buffer.concat(this.recorded ?? []);
    this.recorded = null;
    return bytes;
  }

  u8(): number {
    return this.piece.readUInt8(this.advance(1));
  }
  i8(): number {
    return this.piece.readInt8(this.advance(1));
  }
  u16(): number {
    return this.piece.readUInt16LE(this.advance(2));
  }
  i16(): number {
    return this.piece.readInt16LE(this.advance(2));
  }
  u32(): number {
    return this.piece.readUInt32LE(this.advance(4));
  }
  i32(): number {
    return this.piece.readInt32LE(this.advance(4));
  }
  f32(): number {
    return this.piece.readFloatLE(this.advance(4));
  }
  f64(): number {
    return this.piece.readDoubleLE(this.advance(8));
  }
  u64(): bigint {
    return this.piece.readBigUInt64LE(this.advance(8));
  }
  i64(): bigint {
    return this.piece.readBigInt64LE(this.advance(8));
  }

  /** A u64 as a number; beyond 2^53 rounded, which is more than any file has bytes. */
  count(): number {
    const count = this.peekCount();
    this.at += 8;
    return count;
  }

  /** What `count` would answer, without passing it. */
  peekCount(): number {
    return this.piece.readUInt32LE(this.at) + this.piece.readUInt32LE(this.at + 4) * 2 ** 32;
  }

  /** What `bytes` would answer, without passing them. */
  peek(length: number): Buffer {
    return this.piece.subarray(this.at, this.at + length);
  }

  /** The next bytes, borrowed until the next `fill`. */
  bytes(length: number): Buffer {
    const at = this.advance(length);
    return this.piece.subarray(at, at + length);
  }

  private advance(bytes: number): number {
    const { at } = this;
    this.at += bytes;
    return at;
  }

  private keepRecording(): void {
    this.recorded?.push(this.piece.subarray(this.recordedFrom, this.at));
    this.recordedFrom = this.at;
  }
}
