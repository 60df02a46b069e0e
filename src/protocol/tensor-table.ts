/**
 * The tensors of a checkpoint in one run of bytes, compact enough that 500,000 of them cross to a webview in one message:
 * names are front-coded, types and shapes indices into a dictionary, offsets distances from the tensor before.
 */

export interface TensorTable {
  length: number;
  /**
   * Per tensor, numbers as LEB128: length in bytes of what its name shares with the name before, and of what follows;
   * that, in UTF-8; its layout; its file, an index into the overview's files; where it begins, seen from the end of the last
   * tensor with an offset: a `Place`, and how far before or after.
   */
  rows: Uint8Array;
  layouts: Layout[];
  /** Sparse: index → reason. */
  unreadable: [number, string][];
  /** Sparse: groups of indices that are the same bytes. */
  shared: [number, string[]][];
}

enum Place {
  Nowhere,
  AtEnd,
  After,
  Before,
}

/** What tensors of a kind have in common. */
interface Layout {
  dtype: string;
  shape: number[];
  bytes: number;
}

export interface TableRow {
  name: string;
  dtype: string;
  shape: number[];
  file: number;
  bytes: number;
  offset: number | null;
  unreadable?: string;
  sharedWith?: string[];
}

export function encodeTable(rows: readonly TableRow[]): TensorTable {
  const encoder = new TextEncoder();
  const layouts = new LayoutDictionary();
  const table: TensorTable = { length: rows.length, rows: new Uint8Array(0), layouts: layouts.list, unreadable: [], shared: [] };
  let out = new Uint8Array(Math.max(1024, rows.length * 20));
  let at = 0;
  let previous = "";
  let end = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const { name } = row;
    // Only ASCII is shared, so that characters are bytes; half a million small arrays would cost more than all the rest.
    const most = Math.min(name.length, previous.length);
    let shared = 0;
    for (let code = name.charCodeAt(0); shared < most && code < 0x80 && code === previous.charCodeAt(shared); code = name.charCodeAt(++shared));
    previous = name;
    const rest = name.length - shared;
    if (at + 3 * rest + 48 > out.length) {
      const larger = new Uint8Array(2 * out.length + 3 * rest + 48);
      larger.set(out);
      out = larger;
    }
    at = putVarint(out, at, shared);
    const written = putAscii(out, putVarint(out, at, rest), name, shared);
    if (written >= 0) at = written;
    else {
      const bytes = encoder.encode(name.slice(shared));
      at = putVarint(out, at, bytes.length);
      out.set(bytes, at);
      at += bytes.length;
    }
    at = putVarint(out, at, layouts.indexOf(row));
    at = putVarint(out, at, row.file);
    if (row.offset === null) out[at++] = Place.Nowhere;
    else {
      out[at++] = row.offset === end ? Place.AtEnd : row.offset > end ? Place.After : Place.Before;
      if (row.offset !== end) at = putVarint(out, at, Math.abs(row.offset - end));
      end = endOf(row.offset, row.bytes);
    }
    if (row.unreadable !== undefined) table.unreadable.push([i, row.unreadable]);
    if (row.sharedWith !== undefined) table.shared.push([i, row.sharedWith]);
  }
  table.rows = out.slice(0, at);
  return table;
}

export function decodeTable(table: TensorTable): TableRow[] {
  const rows = new Array<TableRow>(table.length);
  const bytes = table.rows;
  const names = new NameDecoder(rows);
  let at = 0;
  let end = 0;
  const next = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  for (let i = 0; i < table.length; i++) {
    const shared = next();
    const length = next();
    names.add(shared, bytes, at, length);
    at += length;
    const layout = table.layouts[next()]!;
    const file = next();
    const place = bytes[at++] as Place;
    let offset: number | null = null;
    if (place !== Place.Nowhere) {
      offset = place === Place.AtEnd ? end : place === Place.After ? end + next() : end - next();
      end = endOf(offset, layout.bytes);
    }
    rows[i] = { name: "", dtype: layout.dtype, shape: layout.shape, file, bytes: layout.bytes, offset };
  }
  names.flush();
  for (const [i, reason] of table.unreadable) rows[i]!.unreadable = reason;
  for (const [i, others] of table.shared) rows[i]!.sharedWith = others;
  return rows;
}

/** Where a tensor ends; 0 beyond the whole numbers that are exact. */
function endOf(offset: number, bytes: number): number {
  const end = offset + bytes;
  return end <= Number.MAX_SAFE_INTEGER ? end : 0;
}


class LayoutDictionary {
  readonly list: Layout[] = [];
  readonly #indices = new Map<string, number>();
  /** Looked up lately, by their bytes: many tensors have one array as their shape. */
  readonly #recent: ({ dtype: string; shape: readonly number[]; bytes: number; index: number } | undefined)[] = new Array<undefined>(256).fill(undefined);

  indexOf({ dtype, shape, bytes }: TableRow): number {
    const slot = (Math.floor(bytes / 256) ^ bytes) & 255;
    const recent = this.#recent[slot];
    if (recent !== undefined && recent.shape === shape && recent.bytes === bytes && recent.dtype === dtype) return recent.index;
    const index = this.#lookUp(dtype, shape, bytes);
    this.#recent[slot] = { dtype, shape, bytes, index };
    return index;
  }

  #lookUp(dtype: string, shape: number[], bytes: number): number {
    const key = `${dtype} ${bytes} ${shape.join()}`;
    let index = this.#indices.get(key);
    if (index === undefined) {
      this.#indices.set(key, (index = this.list.length));
      this.list.push({ dtype, shape, bytes });
    }
    return index;
  }
}

/** Writes `text` from `start` on; −1 when not all of that is ASCII. */
function putAscii(out: Uint8Array, at: number, text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return -1;
    out[at++] = code;
  }
  return at;
}

/** Bytes of names decoded at once: decoding one name by one takes most of the time of half a million. */
const BATCH = 1 << 20;

/** Names the rows, in batches. */
class NameDecoder {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #bytes = new Uint8Array(BATCH);
  /** Where each name of the batch ends. */
  #ends: number[] = [];
  #start = 0;
  #end = 0;
  /** The row of the batch's first name. */
  #row = 0;

  constructor(private readonly rows: TableRow[]) {}

  /** The next row's name: `shared` bytes of the name before, then `length` bytes of `source` from `at`. */
  add(shared: number, source: Uint8Array, at: number, length: number): void {
    if (this.#end + shared + length > this.#bytes.length) {
      const before = this.#bytes.subarray(this.#start, this.#start + shared);
      this.flush();
      if (shared + length > this.#bytes.length) {
        const larger = new Uint8Array(2 * (shared + length));
        larger.set(before);
        this.#bytes = larger;
      } else this.#bytes.set(before);
    } else this.#bytes.copyWithin(this.#end, this.#start, this.#start + shared);
    this.#bytes.set(source.subarray(at, at + length), this.#end + shared);
    this.#start = this.#end;
    this.#end += shared + length;
    this.#ends.push(this.#end);
  }

  /** Names the rows whose names were added. */
  flush(): void {
    const text = this.#decoder.decode(this.#bytes.subarray(0, this.#end));
    // In ASCII bytes and characters are the same.
    const slice = text.length === this.#end ? (from: number, to: number) => text.slice(from, to) : (from: number, to: number) => this.#decoder.decode(this.#bytes.subarray(from, to));
    let from = 0;
    for (const to of this.#ends) {
      this.rows[this.#row++]!.name = slice(from, to);
      from = to;
    }
    this.#ends = [];
    this.#start = this.#end = 0;
  }
}

function putVarint(out: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    out[at++] = (value % 128) | 0x80;
    value = Math.floor(value / 128);
  }
  out[at++] = value;
  return at;
}
