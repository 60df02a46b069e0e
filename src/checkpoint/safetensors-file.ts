/** One safetensors file: from its bytes to its tensors. */
import { CheckpointError, type ByteSource, type Tensor } from "./checkpoint";
import { grouped } from "./quote";
import { MAX_HEADER_BYTES, parseHeader, type Header } from "./safetensors-header";

/** The first read: most headers whole, and never more than this beyond one. */
const FIRST_READ = 64 * 1024;

export interface SafetensorsFile {
  bytes: number;
  modified: number | undefined;
  tensors: Tensor[];
  metadata: Record<string, string>;
}

/**
 * The structure of one file. Reads the header and at most 64 KiB beyond it, in at most two reads.
 * @param file what `Tensor.file` is to be.
 * @throws CheckpointError with the place.
 */
export async function readSafetensors(source: ByteSource, file: number): Promise<SafetensorsFile> {
  const bytes = await source.size();
  const { tensors, metadata } = await readHeader(source, bytes, file);
  addDroppedNames(tensors, metadata);
  return { bytes, modified: await source.modified(), tensors, metadata };
}

async function readHeader(source: ByteSource, size: number, file: number): Promise<Header> {
  if (size < 8) {
    throw new CheckpointError("truncated", `the file has ${size} bytes; a safetensors file starts with an 8-byte header length`, source.path, { offset: size });
  }
  const first = await source.read(0, Math.min(size, FIRST_READ));
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > BigInt(size - 8)) {
    throw new CheckpointError("truncated", `the header says ${grouped(length)} bytes but the file has ${grouped(size)}; it is incomplete or no safetensors file`, source.path, { offset: 0 });
  }
  const headerBytes = Number(length);
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new CheckpointError("malformed", `the header says ${grouped(length)} bytes, more than the format's limit of ${grouped(MAX_HEADER_BYTES)}`, source.path, { offset: 0 });
  }
  const dataStart = 8 + headerBytes;
  const header = dataStart <= first.length ? first.subarray(8, dataStart) : await source.read(8, headerBytes);
  return parseHeader(header, source.path, { dataBytes: size - dataStart, index: file });
}

/**
 * `safetensors.torch.save_model` writes a tensor that several names share once, and records each dropped name in
 * `__metadata__` (dropped → kept).
 */
function addDroppedNames(tensors: readonly Tensor[], metadata: Record<string, string>): void {
  const records = Object.entries(metadata).filter(([key]) => key !== "format");
  if (records.length === 0) return;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const [dropped, kept] of records) {
    const tensor = byName.get(kept);
    if (tensor !== undefined && !byName.has(dropped)) (tensor.sharedWith ??= []).push(dropped);
  }
}
