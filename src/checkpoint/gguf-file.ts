/**
 * One GGUF file: from its bytes to its tensors. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 * Refuses what llama.cpp's reader refuses (`gguf_init_from_file`), and tensors without elements besides.
 */
import { isUtf8 } from "node:buffer";
import { CheckpointError, type ByteSource, type Tensor } from "./checkpoint";
import { GgufCursor } from "./gguf-cursor";
import { readMetadata, type GgufMetadata } from "./gguf-metadata";
import { ggufType, removedType, type GgufType } from "./gguf-types";
import { grouped, quote } from "./quote";

const MAGIC = 0x46554747;
/** Magic, version, number of tensors, number of metadata entries. */
const FIXED_HEADER = 24;
const DEFAULT_ALIGNMENT = 32;
/** `GGML_MAX_NAME` counts the closing NUL. */
const LONGEST_NAME = 63;
/** `GGML_MAX_DIMS`. */
const MOST_AXES = 4;
/** A name's length, the number of axes, the type and the offset take no less. */
const SMALLEST_ENTRY = 8 + 4 + 4 + 8;

export interface GgufFile {
  bytes: number;
  modified: number | undefined;
  tensors: Tensor[];
  metadata: GgufMetadata;
}

/**
 * The structure of one file: reads its metadata and tensor list once, in growing pieces, and at most 4 MiB beyond them.
 * @param file what `Tensor.file` is to be.
 * @throws CheckpointError with the place.
 */
export async function readGguf(source: ByteSource, file: number): Promise<GgufFile> {
  const bytes = await source.size();
  const cursor = new GgufCursor(source, bytes);
  const counts = await readHeader(cursor);
  const metadata = await readMetadata(cursor, counts.entries);
  const alignment = alignmentOf(metadata, cursor.path);
  const entries = await readEntries(cursor, counts.tensors);
  checkOffsets(entries, cursor.path, alignment);
  const dataStart = aligned(cursor.position, alignment);
  checkEnd(entries, cursor.path, dataStart, bytes);
  const tensors = entries.map((entry) => tensorOf(entry, cursor.path, file, dataStart));
  return { bytes, modified: await source.modified(), tensors, metadata };
}

async function readHeader(cursor: GgufCursor): Promise<{ tensors: number; entries: number }> {
  const { path, size } = cursor;
  if (size < FIXED_HEADER) throw new CheckpointError("truncated", `the file has ${size} bytes; a GGUF file starts with a header of ${FIXED_HEADER}`, path, { offset: size });
  await cursor.fill(FIXED_HEADER, "the header");
  if (cursor.u32() !== MAGIC) throw new CheckpointError("malformed", "this is no GGUF file: it does not start with GGUF", path, { offset: 0 });
  const version = cursor.u32();
  if (version !== 0 && (version & 0xffff) === 0) throw new CheckpointError("unsupported", "its byte order is big endian; only little-endian GGUF files are read", path, { offset: 4 });
  if (version !== 2 && version !== 3) throw new CheckpointError("unsupported", `it is GGUF version ${grouped(version)}; versions 2 and 3 are read`, path, { offset: 4 });
  const tensors = cursor.count();
  const entries = cursor.count();
  if (tensors * SMALLEST_ENTRY > cursor.remaining) {
    throw new CheckpointError("malformed", `the header announces ${grouped(tensors)} tensors, more than the ${grouped(cursor.remaining)} bytes after it can hold`, path, { offset: 8 });
  }
  return { tensors, entries };
}

function alignmentOf(metadata: GgufMetadata, path: string): number {
  const key = "general.alignment";
  const type = metadata.types.get(key);
  if (type === undefined) return DEFAULT_ALIGNMENT;
  if (type !== "uint32") throw new CheckpointError("malformed", `the metadata value ${quote(key)} is of type ${type}, not uint32`, path, { key });
  const alignment = metadata.values[key] as number;
  if (alignment === 0 || !Number.isInteger(Math.log2(alignment))) throw new CheckpointError("malformed", `the metadata value ${quote(key)} is ${grouped(alignment)}, not a power of two`, path, { key });
  return alignment;
}

function aligned(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}

interface Entry {
  name: string;
  type: GgufType;
  /** Row-major, the reverse of the file's order. */
  shape: number[];
  parameters: number;
  bytes: number;
  /** From the start of the tensors' data. */
  begin: number;
}

async function readEntries(cursor: GgufCursor, count: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const at = cursor.position;
    const entry = await readEntry(cursor, i);
    if (names.has(entry.name)) throw new CheckpointError("malformed", `the tensor ${quote(entry.name)} is listed twice, again at byte ${grouped(at)}`, cursor.path, { offset: at, tensor: entry.name });
    names.add(entry.name);
    entries.push(entry);
  }
  return entries;
}

async function readEntry(cursor: GgufCursor, index: number): Promise<Entry> {
  const { path } = cursor;
  const at = cursor.position;
  const what = `the entry of tensor ${grouped(index + 1)}`;
  if (!cursor.has(8)) await cursor.fill(8, what);
  const length = cursor.count();
  if (length > LONGEST_NAME) throw new CheckpointError("malformed", `the name of tensor ${grouped(index + 1)} at byte ${grouped(at)} has ${grouped(length)} bytes; GGUF allows ${LONGEST_NAME}`, path, { offset: at });
  if (!cursor.has(length + 4)) await cursor.fill(length + 4, what);
  const bytes = cursor.bytes(length);
  const name = bytes.toString("utf8");
  const refused = (message: string): CheckpointError => new CheckpointError("malformed", `the tensor ${quote(name)} at byte ${grouped(at)} ${message}`, path, { offset: at, tensor: name });
  if (!isUtf8(bytes)) throw refused("has a name that is not UTF-8");
  const axes = cursor.u32();
  if (axes > MOST_AXES) throw refused(`has ${grouped(axes)} axes; GGUF allows ${MOST_AXES}`);
  const rest = 8 * axes + 4 + 8;
  if (!cursor.has(rest)) await cursor.fill(rest, what);
  const lengths: bigint[] = [];
  for (let axis = 0; axis < axes; axis++) lengths.push(cursor.i64());
  const number = cursor.u32();
  const begin = cursor.u64();

  const wrong = lengths.find((each) => each <= 0n);
  if (wrong !== undefined) throw refused(wrong === 0n ? "has an axis of length 0" : `has an axis of negative length, ${wrong}`);
  const elements = lengths.reduce((product, each) => product * each, 1n);
  if (elements > MOST_ELEMENTS) throw refused(`has ${lengths.join(" × ")} elements, more than can be addressed`);
  const type = ggufType(number);
  if (type === undefined) {
    const removed = removedType(number);
    throw refused(removed === undefined ? `has type ${grouped(number)}, which GGUF does not have` : `has type ${removed}, which was removed from GGUF`);
  }
  const row = Number(lengths[0] ?? 1n);
  if (row % type.elements !== 0) throw refused(`has rows of ${grouped(row)} elements, not a whole number of ${type.name} blocks of ${type.elements}`);
  const size = (Number(elements) / type.elements) * type.bytes;
  if (!Number.isSafeInteger(size) || begin > MOST_ELEMENTS) throw refused(`would lie beyond what can be addressed`);
  return { name, type, shape: lengths.reverse().map(Number), parameters: Number(elements), bytes: size, begin: Number(begin) };
}

const MOST_ELEMENTS = BigInt(Number.MAX_SAFE_INTEGER);

/** Tensors lie one after the other in the order of the list, each from the next multiple of the alignment. */
function checkOffsets(entries: readonly Entry[], path: string, alignment: number): void {
  let expected = 0;
  let before: Entry | undefined;
  for (const entry of entries) {
    const { name, begin, bytes } = entry;
    if (begin !== expected) {
      const how =
        begin % alignment !== 0
          ? `is not a multiple of the alignment ${alignment}`
          : begin < expected
            ? `overlaps ${before === undefined ? "the header" : `what comes before it in the list, up to ${quote(before.name)}`}`
            : "leaves a gap before it";
      throw new CheckpointError("malformed", `the tensor ${quote(name)} is said to start at byte ${grouped(begin)} of the data, where ${grouped(expected)} is due: that ${how}`, path, { tensor: name });
    }
    expected = aligned(begin + bytes, alignment);
    if (!Number.isSafeInteger(expected)) throw new CheckpointError("malformed", `the tensor ${quote(name)} would lie beyond what can be addressed`, path, { tensor: name });
    before = entry;
  }
}

function checkEnd(entries: readonly Entry[], path: string, dataStart: number, size: number): void {
  const cut = entries.find(({ begin, bytes }) => dataStart + begin + bytes > size);
  if (cut === undefined) return;
  const last = entries.at(-1)!;
  const needed = dataStart + last.begin + last.bytes;
  const message = `the file is incomplete: its tensors reach to byte ${grouped(needed)} but it ends at byte ${grouped(size)}; ${quote(cut.name)} would end at byte ${grouped(dataStart + cut.begin + cut.bytes)}`;
  throw new CheckpointError("truncated", message, path, { tensor: cut.name, offset: size });
}

function tensorOf({ name, type, shape, parameters, bytes, begin }: Entry, path: string, file: number, dataStart: number): Tensor {
  const offset = dataStart + begin;
  const { stored } = type;
  const place = { file: path, offset, bytes, shape };
  return {
    name,
    dtype: type.name,
    shape,
    parameters,
    bytes,
    file,
    offset,
    expression: "dtype" in stored ? { kind: "range", ...place, dtype: stored.dtype } : { kind: "blocks", ...place, type: stored.block },
  };
}
