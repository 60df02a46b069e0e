/** Writes zip archives byte by byte, sound ones and ones that lie. */
import { crc32, deflateRawSync } from "node:zlib";

export interface Member {
  name: string;
  data: Uint8Array | string;
  deflate?: boolean;
  /** Bytes of extra field before the data, so that it starts at a multiple of this. */
  align?: number;
  /** Sizes in ZIP64 fields, local and central. */
  wide?: boolean;
  /** Sizes after the data, 0 in the local header. */
  streamed?: boolean;
  /** What the headers say instead of the truth. */
  says?: Partial<Fields>;
  localSays?: Partial<Fields>;
}

interface Fields {
  name: string;
  flags: number;
  method: number;
  crc32: number;
  bytes: number;
  compressedBytes: number;
  headerOffset: number;
}

export interface Archive {
  members: Member[];
  /** A ZIP64 end record and locator, sentinels in the end record. */
  wide?: boolean;
  comment?: string;
  end?: { count?: number; bytes?: number; start?: number };
}

const U32 = 0xffffffff;

export function zipBytes({ members, wide = false, comment = "", end = {} }: Archive): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  const push = (piece: Buffer): void => {
    pieces.push(piece);
    at += piece.length;
  };
  const central: Buffer[] = [];
  for (const member of members) {
    const plain = Buffer.from(member.data);
    const stored = member.deflate === true ? deflateRawSync(plain) : plain;
    const truth: Fields = {
      name: member.name,
      flags: member.streamed === true ? 8 : 0,
      method: member.deflate === true ? 8 : 0,
      crc32: crc32(plain),
      bytes: plain.length,
      compressedBytes: stored.length,
      headerOffset: at,
    };
    const said = { ...truth, ...member.says };
    central.push(header(said, member.wide === true, true, 0));
    const zeros = member.streamed === true ? { crc32: 0, bytes: 0, compressedBytes: 0 } : {};
    push(header({ ...said, ...zeros, ...member.localSays }, member.wide === true, false, at, member.align));
    push(stored);
    if (member.streamed === true) push(descriptor(truth));
  }
  const start = end.start ?? at;
  const directory = Buffer.concat(central);
  push(directory);
  const count = end.count ?? members.length;
  const bytes = end.bytes ?? directory.length;
  if (wide) {
    const record = Buffer.alloc(56 + 20);
    record.writeUInt32LE(0x06064b50, 0);
    record.writeBigUInt64LE(44n, 4);
    record.writeBigUInt64LE(BigInt(count), 24);
    record.writeBigUInt64LE(BigInt(count), 32);
    record.writeBigUInt64LE(BigInt(bytes), 40);
    record.writeBigUInt64LE(BigInt(start), 48);
    record.writeUInt32LE(0x07064b50, 56);
    record.writeBigUInt64LE(BigInt(at), 64);
    record.writeUInt32LE(1, 72);
    push(record);
  }
  const last = Buffer.alloc(22);
  last.writeUInt32LE(0x06054b50, 0);
  last.writeUInt16LE(wide ? 0xffff : count, 8);
  last.writeUInt16LE(wide ? 0xffff : count, 10);
  last.writeUInt32LE(wide ? U32 : bytes, 12);
  last.writeUInt32LE(wide ? U32 : start, 16);
  last.writeUInt16LE(comment.length, 20);
  push(last);
  push(Buffer.from(comment, "latin1"));
  return Buffer.concat(pieces);
}

/** A directory entry or a local header, the latter padded so that the data is aligned. */
function header({ name, flags, method, crc32: checksum, bytes, compressedBytes, headerOffset }: Fields, wide: boolean, central: boolean, at: number, align = 1): Buffer {
  const raw = Buffer.from(name);
  let extra = Buffer.alloc(0);
  if (wide) {
    extra = Buffer.alloc(central ? 28 : 20);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(extra.length - 4, 2);
    extra.writeBigUInt64LE(BigInt(bytes), 4);
    extra.writeBigUInt64LE(BigInt(compressedBytes), 12);
    if (central) extra.writeBigUInt64LE(BigInt(headerOffset), 20);
  }
  const fixed = central ? 46 : 30;
  const plain = fixed + raw.length + extra.length;
  if (!central && (at + plain) % align !== 0) {
    const padding = align - ((at + plain + 4) % align);
    const field = Buffer.alloc(4 + padding, "Z");
    field.write("FB", 0, "latin1");
    field.writeUInt16LE(padding, 2);
    extra = Buffer.concat([extra, field]);
  }
  const bytesOf = Buffer.alloc(fixed);
  const from = central ? 6 : 4;
  bytesOf.writeUInt32LE(central ? 0x02014b50 : 0x04034b50, 0);
  bytesOf.writeUInt16LE(20, from);
  bytesOf.writeUInt16LE(flags, from + 2);
  bytesOf.writeUInt16LE(method, from + 4);
  bytesOf.writeUInt32LE(checksum, from + 10);
  bytesOf.writeUInt32LE(wide ? U32 : compressedBytes, from + 14);
  bytesOf.writeUInt32LE(wide ? U32 : bytes, from + 18);
  bytesOf.writeUInt16LE(raw.length, from + 22);
  bytesOf.writeUInt16LE(extra.length, from + 24);
  if (central) bytesOf.writeUInt32LE(wide ? U32 : headerOffset, 42);
  return Buffer.concat([bytesOf, raw, extra]);
}

function descriptor({ crc32: checksum, bytes, compressedBytes }: Fields): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(checksum, 4);
  record.writeUInt32LE(compressedBytes, 8);
  record.writeUInt32LE(bytes, 12);
  return record;
}
