/** The headers before each member of a zip archive: they say where its data starts, and must agree with the directory. */
import { CheckpointError, type ByteSource } from "./checkpoint";
import { grouped, quote } from "./quote";
import { asBuffer, DESCRIPTOR_FOLLOWS, widened, type DirectoryEntry } from "./zip-directory";

const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;

/** Headers this close are read together, in reads of at most `LONGEST_READ`. */
const NEAR = 2048;
const LONGEST_READ = 1 << 18;

/**
 * Where each member's data starts, in the order of `entries`.
 * @param directoryStart no member may reach beyond it.
 * @throws CheckpointError when a header contradicts the directory, or members overlap.
 */
export async function checkLocalHeaders(source: ByteSource, entries: readonly DirectoryEntry[], directoryStart: number): Promise<number[]> {
  const order = entries.map((_, i) => i).sort((a, b) => entries[a]!.headerOffset - entries[b]!.headerOffset);
  const dataOffsets = new Array<number>(entries.length).fill(0);
  let reached = 0;
  let previous: DirectoryEntry | undefined;
  for (let first = 0; first < order.length; ) {
    const last = runEnd(entries, order, first, directoryStart, source.path);
    const start = entries[order[first]!]!.headerOffset;
    const run = asBuffer(await source.read(start, headerEnd(entries[order[last]!]!) - start));
    for (; first <= last; first++) {
      const entry = entries[order[first]!]!;
      if (entry.headerOffset < reached) {
        refuse(`overlaps the member ${quote(previous!.name)}`, entry, source.path);
      }
      const dataOffset = await dataStart(source, run.subarray(entry.headerOffset - start), entry, directoryStart);
      reached = dataOffset + entry.compressedBytes;
      if (reached > directoryStart) refuse(`would end at byte ${grouped(reached)}, inside the archive's directory`, entry, source.path);
      dataOffsets[order[first]!] = dataOffset;
      previous = entry;
    }
  }
  const begin = order.length === 0 ? directoryStart : entries[order[0]!]!.headerOffset;
  if (begin !== 0) throw new CheckpointError("malformed", `the archive begins at byte ${grouped(begin)}, after something else`, source.path, { offset: 0 });
  return dataOffsets;
}

/** Index in `order` of the last member whose header is read together with that of `order[first]`. */
function runEnd(entries: readonly DirectoryEntry[], order: readonly number[], first: number, directoryStart: number, path: string): number {
  let last = first;
  for (let i = first; i < order.length; i++) {
    const entry = entries[order[i]!]!;
    if (headerEnd(entry) > directoryStart) refuse(`should begin at byte ${grouped(entry.headerOffset)}, inside the archive's directory or beyond it`, entry, path);
    if (i > first && (entry.headerOffset - headerEnd(entries[order[last]!]!) > NEAR || headerEnd(entry) - entries[order[first]!]!.headerOffset > LONGEST_READ)) break;
    last = i;
  }
  // Headers that overlap would make an earlier one end later; such a run is refused when its members are looked at.
  return last;
}

function headerEnd({ headerOffset, rawName }: DirectoryEntry): number {
  return headerOffset + LOCAL_BYTES + rawName.length;
}

/** @param header from the local header's first byte. */
async function dataStart(source: ByteSource, header: Buffer, entry: DirectoryEntry, directoryStart: number): Promise<number> {
  const { path } = source;
  if (header.length < LOCAL_BYTES + entry.rawName.length || header.readUInt32LE(0) !== LOCAL) refuse(`has no local header at byte ${grouped(entry.headerOffset)}`, entry, path);
  const nameLength = header.readUInt16LE(26);
  if (nameLength !== entry.rawName.length || !header.subarray(LOCAL_BYTES, LOCAL_BYTES + nameLength).equals(entry.rawName)) refuse("has another name in its local header", entry, path);
  if (header.readUInt16LE(8) !== entry.method) refuse("has another compression method in its local header", entry, path);
  const extraAt = headerEnd(entry);
  const extraBytes = header.readUInt16LE(28);
  const dataOffset = extraAt + extraBytes;
  if (dataOffset > directoryStart) refuse(`would begin at byte ${grouped(dataOffset)}, inside the archive's directory`, entry, path);
  const narrow = [header.readUInt32LE(22), header.readUInt32LE(18)] as const;
  const extra = narrow.includes(0xffffffff) ? asBuffer(await source.read(extraAt, extraBytes)) : header.subarray(0, 0);
  const [bytes, compressedBytes] = widened(narrow, extra, () => refuse("has no usable ZIP64 field in its local header", entry, path));
  // Written before the data was: the sizes are in the directory and after the data.
  const streamed = (header.readUInt16LE(6) & DESCRIPTOR_FOLLOWS) !== 0 && bytes === 0 && compressedBytes === 0;
  if (!streamed && (bytes !== entry.bytes || compressedBytes !== entry.compressedBytes)) {
    refuse(`has another size in its local header (${grouped(compressedBytes)} bytes) than in the directory (${grouped(entry.compressedBytes)})`, entry, path);
  }
  return dataOffset;
}

function refuse(message: string, { name, headerOffset }: DirectoryEntry, path: string): never {
  throw new CheckpointError("malformed", `the member ${quote(name)} ${message}`, path, { offset: headerOffset, key: name });
}
