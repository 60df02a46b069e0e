/** Long lists of strings in a checkpoint's metadata, such as a tokenizer's vocabulary: kept as bytes, searched where they are. */
import { createHash } from "node:crypto";

/** A string of a table and its place. */
export interface TableMatch {
  index: number;
  text: string;
}

export interface MetadataTable {
  /** Number of strings. */
  readonly length: number;
  /**
   * Strings that hold `text`, whatever its case, in order.
   * @param limit how many to answer with.
   * @returns those, and how many there are in all.
   */
  search(text: string, limit: number): { matches: TableMatch[]; total: number };
}

/** Matches are shown to people: longer strings are cut. */
const LONGEST_SHOWN = 1000;

/** Bytes hashed at once. */
const BATCH = 1 << 16;

/** Strings stored as in GGUF: a u64 of their length in bytes before each, little endian. */
export class StringTable implements MetadataTable {
  constructor(
    readonly length: number,
    private readonly bytes: Buffer,
  ) {}

  search(text: string, limit: number): { matches: TableMatch[]; total: number } {
    const wanted = text.toLowerCase();
    const matches: TableMatch[] = [];
    let total = 0;
    let index = 0;
    for (const string of this.strings()) {
      const shown = string.toString("utf8");
      if (shown.toLowerCase().includes(wanted)) {
        if (total++ < limit) matches.push({ index, text: shown.slice(0, LONGEST_SHOWN) });
      }
      index++;
    }
    return { matches, total };
  }

  /** SHA-256, in hexadecimal, of the strings joined by NUL bytes. */
  sha256(): string {
    const hash = createHash("sha256");
    // In batches: most strings are a few bytes long.
    const batch = Buffer.alloc(BATCH);
    let filled = 0;
    let index = 0;
    for (const string of this.strings()) {
      if (filled + string.length + 1 > BATCH) {
        hash.update(batch.subarray(0, filled));
        filled = 0;
      }
      if (index++ > 0) batch[filled++] = 0;
      if (string.length >= BATCH) {
        hash.update(batch.subarray(0, filled)).update(string);
        filled = 0;
      } else filled += string.copy(batch, filled);
    }
    return hash.update(batch.subarray(0, filled)).digest("hex");
  }

  /** The strings' bytes, in order. */
  private *strings(): Generator<Buffer> {
    for (let at = 0; at < this.bytes.length; ) {
      const length = this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * 2 ** 32;
      yield this.bytes.subarray(at + 8, at + 8 + length);
      at += 8 + length;
    }
  }
}
