/**
 * Zip archives, from their central directory: where each member's bytes lie. Specification: PKWARE's APPNOTE 6.3.10.
 * Stricter than the libraries that will open the same file: whatever two of them could read differently (a name twice,
 * a local header that contradicts the directory, members that overlap, bytes before or after the archive) is refused.
 */
import { createInflateRaw, inflateRaw, type InflateRaw } from "node:zlib";
import { CheckpointError, type ByteSource } from "./checkpoint";
import { grouped, quote } from "./quote";
import { readDirectory } from "./zip-directory";
import { checkLocalHeaders } from "./zip-local";

/** Stored as they are. */
export const STORED = 0;
export const DEFLATED = 8;

/** Compressed bytes given to the decompressor at a time. */
const STEP = 1 << 20;

export interface ZipEntry {
  /** As stored, with forward slashes; hostile text. */
  name: string;
  /** 0 stored, 8 deflated; others can be listed but not read. */
  method: number;
  /** Bytes in the archive. */
  compressedBytes: number;
  /** Bytes once decompressed, as the archive says. */
  bytes: number;
  /** CRC-32 of the decompressed bytes, as the archive says. */
  crc32: number;
  /** First of the `compressedBytes`, counted from the file's start. */
  dataOffset: number;
}

export interface ZipArchive {
  /** In the order of the central directory. */
  entries: ZipEntry[];
  byName: ReadonlyMap<string, ZipEntry>;
  /**
   * The decompressed bytes of one member. Their CRC-32 is not checked.
   * @param maxBytes refuses a member that is, or says it is, larger.
   * @throws CheckpointError when it cannot be decompressed or has another size than the archive says.
   */
  readEntry(entry: ZipEntry, maxBytes: number): Promise<Uint8Array>;
  /** Hands the decompressed bytes of one member of any size to `write`, piece by piece. */
  extract(entry: ZipEntry, write: (piece: Uint8Array) => Promise<void>, signal?: AbortSignal): Promise<void>;
}

/**
 * Reads the directory and every local header of an archive; no member's data.
 * @throws CheckpointError that names the member and the byte.
 */
export async function readZip(source: ByteSource): Promise<ZipArchive> {
  const { entries: listed, start } = await readDirectory(source);
  const byName = new Map<string, ZipEntry>();
  const entries = (await checkLocalHeaders(source, listed, start)).map((dataOffset, i): ZipEntry => {
    const { name, method, compressedBytes, bytes, crc32, at } = listed[i]!;
    const entry = { name, method, compressedBytes, bytes, crc32, dataOffset };
    if (byName.has(name)) fail(`the archive has two members named ${quote(name)}`, source.path, at, name);
    byName.set(name, entry);
    return entry;
  });
  return {
    entries,
    byName,
    readEntry: (entry, maxBytes) => readEntry(source, entry, maxBytes),
    extract: (entry, write, signal) => extract(source, entry, write, signal),
  };
}

async function readEntry(source: ByteSource, entry: ZipEntry, maxBytes: number): Promise<Uint8Array> {
  const { name, method, bytes, compressedBytes, dataOffset } = entry;
  if (bytes > maxBytes || compressedBytes > 2 * maxBytes) {
    fail(`the member ${quote(name)} has ${grouped(Math.max(bytes, compressedBytes))} bytes, more than the limit of ${grouped(maxBytes)}`, source.path, dataOffset, name);
  }
  checkMethod(entry, source.path);
  const stored = await source.read(dataOffset, compressedBytes);
  if (method === STORED) return stored;
  return new Promise((resolve, reject) => {
    inflateRaw(stored, { maxOutputLength: Math.max(1, bytes), info: true }, (error, result) => {
      if (error !== null) reject(undecodable(entry, source.path, error));
      else {
        // With `info` the result is the output and the engine that made it, which the type declarations leave out.
        const { buffer, engine } = result as unknown as { buffer: Buffer; engine: InflateRaw };
        if (buffer.length === bytes && engine.bytesWritten === compressedBytes) resolve(buffer);
        else reject(otherSize(entry, source.path));
      }
    });
  });
}

async function extract(source: ByteSource, entry: ZipEntry, write: (piece: Uint8Array) => Promise<void>, signal?: AbortSignal): Promise<void> {
  checkMethod(entry, source.path);
  const { method, compressedBytes, dataOffset, bytes } = entry;
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < compressedBytes; at += STEP) {
      signal?.throwIfAborted();
      yield await source.read(dataOffset + at, Math.min(STEP, compressedBytes - at));
    }
  };
  if (method === STORED) {
    for await (const piece of pieces()) await write(piece);
    return;
  }
  const inflater = createInflateRaw({ chunkSize: 1 << 16 });
  const feeding = feed(inflater, pieces());
  // The loop below sees the same failure first; this keeps it from being unhandled meanwhile.
  feeding.catch(() => undefined);
  let done = 0;
  try {
    for await (const piece of inflater as AsyncIterable<Uint8Array>) {
      signal?.throwIfAborted();
      done += piece.length;
      if (done > bytes) throw otherSize(entry, source.path);
      await write(piece);
    }
    await feeding;
  } catch (error) {
    if (error instanceof CheckpointError || signal?.aborted === true) throw error;
    throw (error as NodeJS.ErrnoException).code?.startsWith("Z_") === true ? undecodable(entry, source.path, error as Error) : error;
  } finally {
    inflater.destroy();
  }
  if (done !== bytes || inflater.bytesWritten !== compressedBytes) throw otherSize(entry, source.path);
}

async function feed(inflater: InflateRaw, pieces: AsyncGenerator<Uint8Array>): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (inflater.destroyed) return;
      if (!inflater.write(piece)) {
        await new Promise<void>((resolve) => {
          inflater.once("drain", resolve);
          inflater.once("close", resolve);
        });
      }
    }
    inflater.end();
  } catch (error) {
    inflater.destroy(error as Error);
    throw error;
  }
}

function checkMethod({ name, method, dataOffset }: ZipEntry, path: string): void {
  if (method !== STORED && method !== DEFLATED) {
    throw new CheckpointError("unsupported", `the member ${quote(name)} is compressed by method ${method}; only stored and deflated members can be read`, path, { offset: dataOffset, key: name });
  }
}

function undecodable({ name, dataOffset }: ZipEntry, path: string, { message }: Error): CheckpointError {
  return new CheckpointError("malformed", `the member ${quote(name)} cannot be decompressed (${message})`, path, { offset: dataOffset, key: name });
}

function otherSize({ name, dataOffset, bytes }: ZipEntry, path: string): CheckpointError {
  return new CheckpointError("malformed", `the member ${quote(name)} does not decompress to the ${grouped(bytes)} bytes that the archive says`, path, { offset: dataOffset, key: name });
}

function fail(message: string, path: string, offset: number, key: string): never {
  throw new CheckpointError("malformed", message, path, { offset, key });
}
