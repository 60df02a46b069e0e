/** The end record and the central directory of a zip archive, with their ZIP64 forms. */
import { isUtf8 } from "node:buffer";
import { CheckpointError, type ByteSource } from "./checkpoint";
import { grouped, quote } from "./quote";

const END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50, ENTRY = 0x02014b50;
const END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, ENTRY_BYTES = 46;
const SENTINEL16 = 0xffff, SENTINEL32 = 0xffffffff;

/** The end record with the longest comment. */
const TAIL = END_BYTES + 0xffff;

/** The directory of half a million members with names of 80 bytes. */
const MAX_DIRECTORY_BYTES = 1 << 26;
const MAX_ENTRIES = 500_000;

/** Deflate's limit is 1032:1 (a symbol of 258 bytes in two bits, zlib's technical notes). */
const MAX_RATIO = 1032;

const ENCRYPTED = 1 | 0x40;
/** Sizes follow the data; the local header may leave them 0. */
export const DESCRIPTOR_FOLLOWS = 8;

export interface DirectoryEntry {
  name: string;
  /** As in the archive, for comparing with the local header. */
  rawName: Uint8Array;
  flags: number;
  method: number;
  crc32: number;
  compressedBytes: number;
  bytes: number;
  /** Of the local header. */
  headerOffset: number;
  /** Where in the file the directory lists it. */
  at: number;
}

interface Directory {
  entries: DirectoryEntry[];
  /** First byte of the directory: no member reaches beyond it. */
  start: number;
}

interface Extent {
  start: number;
  bytes: number;
  count: number;
}

/**
 * Reads the end of an archive and its directory.
 * @throws CheckpointError for everything that would make readers disagree about what is in it.
 */
export async function readDirectory(source: ByteSource): Promise<Directory> {
  const size = await source.size();
  const tailStart = Math.max(0, size - TAIL - LOCATOR_BYTES - END64_BYTES);
  const tail = asBuffer(await source.read(tailStart, size - tailStart));
  const extent = await findDirectory(source, tail, tailStart);
  const { start, bytes: length, count } = extent;
  if (length > MAX_DIRECTORY_BYTES || count > MAX_ENTRIES) {
    malformed(`the archive's directory has ${grouped(count)} members in ${grouped(length)} bytes, more than the limit of ${grouped(MAX_ENTRIES)} in ${grouped(MAX_DIRECTORY_BYTES)}`, source.path, start);
  }
  const directory = start >= tailStart ? tail.subarray(start - tailStart, start - tailStart + length) : asBuffer(await source.read(start, length));
  return { entries: parseEntries(directory, extent, source.path), start };
}

/** Where the directory lies; refuses whatever is not exactly one archive from the first byte to the last. */
async function findDirectory(source: ByteSource, tail: Buffer, tailStart: number): Promise<Extent> {
  const { path } = source;
  const end = endRecord(tail);
  if (end < 0) {
    throw new CheckpointError("truncated", "the zip archive has no end record; the file is incomplete, has something after the archive, or is no zip archive", path, { offset: tailStart + tail.length });
  }
  const disks = [tail.readUInt16LE(end + 4), tail.readUInt16LE(end + 6)];
  let extent = { start: tail.readUInt32LE(end + 16), bytes: tail.readUInt32LE(end + 12), count: tail.readUInt16LE(end + 10) };
  const countHere = tail.readUInt16LE(end + 8);
  let directoryEnd = tailStart + end;
  const locator = end - LOCATOR_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === LOCATOR64) {
    const at = unsigned64(tail, locator + 8, path, tailStart + locator);
    const record = await read64(source, tail, tailStart, at, tailStart + locator);
    const wide = {
      start: unsigned64(record, 48, path, at),
      bytes: unsigned64(record, 40, path, at),
      count: unsigned64(record, 32, path, at),
    };
    if ((extent.start !== SENTINEL32 && extent.start !== wide.start) || (extent.bytes !== SENTINEL32 && extent.bytes !== wide.bytes) || (extent.count !== SENTINEL16 && extent.count !== wide.count)) {
      malformed("the archive's end record and its ZIP64 end record contradict each other", path, at);
    }
    if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0 || unsigned64(record, 24, path, at) !== wide.count) spanned(path, at);
    extent = wide;
    directoryEnd = at;
  } else if (countHere !== extent.count || disks.some((disk) => disk !== 0)) spanned(path, directoryEnd);
  const is = extent.start + extent.bytes;
  if (is > directoryEnd) {
    malformed(`the archive's directory (${grouped(extent.bytes)} bytes from byte ${grouped(extent.start)}) reaches beyond byte ${grouped(directoryEnd)}, where its end record is`, path, directoryEnd);
  }
  if (is < directoryEnd) {
    malformed(`the archive is not where it says: its directory should end at byte ${grouped(is)} but its end record is at byte ${grouped(directoryEnd)}; something was put before or into it`, path, directoryEnd);
  }
  return extent;
}

/** Index in `tail` of the last end record whose comment reaches the file's end; −1 when there is none. */
function endRecord(tail: Buffer): number {
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail[at] === 0x50 && tail.readUInt32LE(at) === END && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return -1;
}

async function read64(source: ByteSource, tail: Buffer, tailStart: number, at: number, limit: number): Promise<Buffer> {
  if (at + END64_BYTES > limit) malformed(`the archive's ZIP64 end record should be at byte ${grouped(at)}, beyond its locator`, source.path, limit);
  const record = at >= tailStart ? tail.subarray(at - tailStart, at - tailStart + END64_BYTES) : asBuffer(await source.read(at, END64_BYTES));
  if (record.readUInt32LE(0) !== END64) malformed(`the archive has no ZIP64 end record at byte ${grouped(at)}, where its locator says`, source.path, at);
  if (at + 12 + unsigned64(record, 4, source.path, at) !== limit) malformed(`the archive's ZIP64 end record at byte ${grouped(at)} does not end where its locator begins`, source.path, at);
  return record;
}

function parseEntries(directory: Buffer, { start, count, bytes: length }: Extent, path: string): DirectoryEntry[] {
  if (count * ENTRY_BYTES > length) malformed(`the archive's directory says ${grouped(count)} members but has only ${grouped(length)} bytes`, path, start);
  const entries: DirectoryEntry[] = [];
  let at = 0;
  while (entries.length < count) {
    const where = start + at;
    if (at + ENTRY_BYTES > length || directory.readUInt32LE(at) !== ENTRY) malformed(`the archive's directory has no entry at byte ${grouped(where)}, after ${grouped(entries.length)} of ${grouped(count)}`, path, where);
    const nameEnd = at + ENTRY_BYTES + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    const end = extraEnd + directory.readUInt16LE(at + 32);
    if (end > length) malformed(`the archive's directory entry at byte ${grouped(where)} reaches beyond the directory`, path, where);
    entries.push(entryOf(directory, at, nameEnd, extraEnd, where, path));
    at = end;
  }
  if (at !== length) malformed(`the archive's directory has ${grouped(length - at)} bytes after its ${grouped(count)} entries`, path, start + at);
  return entries;
}

function entryOf(directory: Buffer, at: number, nameEnd: number, extraEnd: number, where: number, path: string): DirectoryEntry {
  // Copied: the directory itself need not stay.
  const rawName = Uint8Array.prototype.slice.call(directory, at + ENTRY_BYTES, nameEnd);
  const name = nameOf(rawName);
  const refuse = (message: string): never => malformed(`the member ${quote(name)} ${message} (directory entry at byte ${grouped(where)})`, path, where, name);
  const flags = directory.readUInt16LE(at + 8);
  if ((flags & ENCRYPTED) !== 0) throw new CheckpointError("unsupported", `the member ${quote(name)} is encrypted`, path, { offset: where, key: name });
  if (name === "" || name.includes("\0")) refuse("has an empty name, or a NUL character in it");
  const narrow = [directory.readUInt32LE(at + 24), directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 42)] as const;
  const [bytes, compressedBytes, headerOffset] = widened(narrow, directory.subarray(nameEnd, extraEnd), () => refuse("has no usable ZIP64 field for its sizes"));
  if (directory.readUInt16LE(at + 34) !== 0) spanned(path, where);
  const method = directory.readUInt16LE(at + 10);
  if (method === 0 && bytes !== compressedBytes) refuse(`is stored as ${grouped(compressedBytes)} bytes but says it has ${grouped(bytes)}`);
  if (method === 8 && bytes > MAX_RATIO * compressedBytes) refuse(`says it inflates from ${grouped(compressedBytes)} to ${grouped(bytes)} bytes, more than deflate can`);
  return { name, rawName, flags, method, crc32: directory.readUInt32LE(at + 16), compressedBytes, bytes, headerOffset, at: where };
}

/**
 * 32-bit fields with those that are 0xffffffff taken from the ZIP64 extra field, in the order in which it has them.
 * @param narrow uncompressed size, compressed size and, in the directory, header offset.
 */
export function widened<T extends readonly number[]>(narrow: T, extra: Buffer, refuse: () => never): T {
  if (!narrow.includes(SENTINEL32)) return narrow;
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (end > extra.length) break;
    if (extra.readUInt16LE(at) === 1) {
      let from = at + 4;
      return narrow.map((value) => {
        if (value !== SENTINEL32) return value;
        if (from + 8 > end) refuse();
        const wide = extra.readBigUInt64LE(from);
        from += 8;
        return wide > BigInt(Number.MAX_SAFE_INTEGER) ? refuse() : Number(wide);
      }) as unknown as T;
    }
    at = end;
  }
  return refuse();
}

/** UTF-8 where it is, whatever the flag says (torch sets none); else one character for each byte. */
function nameOf(raw: Uint8Array): string {
  return Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString(isUtf8(raw) ? "utf8" : "latin1");
}

function unsigned64(bytes: Buffer, at: number, path: string, where: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) malformed(`the archive's end record says ${grouped(value)}, more than any file holds`, path, where);
  return Number(value);
}

/** The same memory as a `Buffer`. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function spanned(path: string, offset: number): never {
  throw new CheckpointError("unsupported", "the archive is one part of an archive that spans several files", path, { offset });
}

function malformed(message: string, path: string, offset: number, key?: string): never {
  throw new CheckpointError("malformed", message, path, { offset, ...(key === undefined ? {} : { key }) });
}
