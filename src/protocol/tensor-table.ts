/**
 * The tensors of a checkpoint as columns, compact enough that 500,000 of them cross to a webview in one message:
 * names are front-coded, shapes and dtypes are indices into dictionaries.
 */

export interface TensorTable {
  length: number;
  /** UTF-8; per name: shared-prefix length in bytes and suffix length in bytes as LEB128, then the suffix. */
  names: Uint8Array;
  dtypes: string[];
  dtype: Uint16Array;
  shapes: number[][];
  shape: Uint32Array;
  /** Index into the overview's files. */
  file: Uint16Array;
  bytes: Float64Array;
  /** −1 where there is none. */
  offset: Float64Array;
  /** Sparse: index → reason. */
  unreadable: [number, string][];
  /** Sparse: groups of indices that are the same bytes. */
  shared: [number, string[]][];
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
  const dtypes = new Map<string, number>();
  const shapes = new Map<string, number>();
  const shapeList: number[][] = [];
  const table: TensorTable = {
    length: rows.length,
    names: new Uint8Array(0),
    dtypes: [],
    dtype: new Uint16Array(rows.length),
    shapes: shapeList,
    shape: new Uint32Array(rows.length),
    file: new Uint16Array(rows.length),
    bytes: new Float64Array(rows.length),
    offset: new Float64Array(rows.length),
    unreadable: [],
    shared: [],
  };
  let out = new Uint8Array(Math.max(1024, rows.length * 16));
  let at = 0;
  // The name at hand and the one before, encoded in place: half a million small arrays would cost more than all the rest.
  let name = new Uint8Array(256);
  let previous = new Uint8Array(256);
  let previousLength = 0;
  rows.forEach((row, i) => {
    if (name.length < 3 * row.name.length) name = new Uint8Array(3 * row.name.length);
    const length = encoder.encodeInto(row.name, name).written;
    const most = Math.min(length, previousLength);
    let shared = 0;
    while (shared < most && previous[shared] === name[shared]) shared++;
    if (at + length - shared + 16 > out.length) {
      const larger = new Uint8Array(2 * out.length + length + 16);
      larger.set(out);
      out = larger;
    }
    at = putVarint(out, at, shared);
    at = putVarint(out, at, length - shared);
    out.set(name.subarray(shared, length), at);
    at += length - shared;
    [name, previous] = [previous, name];
    previousLength = length;

    let dtype = dtypes.get(row.dtype);
    if (dtype === undefined) dtypes.set(row.dtype, (dtype = dtypes.size));
    table.dtype[i] = dtype;
    const key = row.shape.join();
    let shape = shapes.get(key);
    if (shape === undefined) {
      shapes.set(key, (shape = shapes.size));
      shapeList.push(row.shape);
    }
    table.shape[i] = shape;
    table.file[i] = row.file;
    table.bytes[i] = row.bytes;
    table.offset[i] = row.offset ?? -1;
    if (row.unreadable !== undefined) table.unreadable.push([i, row.unreadable]);
    if (row.sharedWith !== undefined) table.shared.push([i, row.sharedWith]);
  });
  table.names = out.slice(0, at);
  table.dtypes = [...dtypes.keys()];
  return table;
}

export function decodeTable(table: TensorTable): TableRow[] {
  const decoder = new TextDecoder();
  const rows = new Array<TableRow>(table.length);
  let at = 0;
  let scratch = new Uint8Array(256);
  const next = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = table.names[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  for (let i = 0; i < table.length; i++) {
    const shared = next();
    const suffix = next();
    if (shared + suffix > scratch.length) {
      const larger = new Uint8Array(2 * (shared + suffix));
      larger.set(scratch);
      scratch = larger;
    }
    scratch.set(table.names.subarray(at, at + suffix), shared);
    at += suffix;
    const offset = table.offset[i]!;
    rows[i] = {
      name: decoder.decode(scratch.subarray(0, shared + suffix)),
      dtype: table.dtypes[table.dtype[i]!]!,
      shape: table.shapes[table.shape[i]!]!,
      file: table.file[i]!,
      bytes: table.bytes[i]!,
      offset: offset < 0 ? null : offset,
    };
  }
  for (const [i, reason] of table.unreadable) rows[i]!.unreadable = reason;
  for (const [i, names] of table.shared) rows[i]!.sharedWith = names;
  return rows;
}

function putVarint(out: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    out[at++] = (value % 128) | 0x80;
    value = Math.floor(value / 128);
  }
  out[at++] = value;
  return at;
}
