/** One safetensors file: from its bytes to its tensors. */
import { CheckpointError, type ByteSource, type Tensor } from "./checkpoint";
import { bitsOf, isDecodable } from "./dtypes";
import { grouped, quote } from "./quote";
import { MAX_HEADER_BYTES, parseHeader, type Header, type HeaderEntry } from "./safetensors-header";

/** The first read: most headers whole, and never more than this beyond one. */
const FIRST_READ = 64 * 1024;

/** As many as the engine addresses. */
const MAX_ENGINE_AXES = 16;

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
  const { header, dataStart } = await readHeader(source, bytes);
  const tensors = header.entries.map((entry) => tensorOf(entry, source.path, file, dataStart));
  addDroppedNames(tensors, header.metadata);
  return { bytes, modified: await source.modified(), tensors, metadata: header.metadata };
}

async function readHeader(source: ByteSource, size: number): Promise<{ header: Header; dataStart: number }> {
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
  return { header: parseHeader(header, source.path, size - dataStart), dataStart };
}

function tensorOf(entry: HeaderEntry, path: string, file: number, dataStart: number): Tensor {
  const { name, dtype, shape, parameters } = entry;
  const bytes = entry.end - entry.begin;
  const offset = dataStart + entry.begin;
  const tensor: Tensor = { name, dtype, shape, parameters, bytes, file, offset, expression: null };
  if (!isDecodable(dtype)) tensor.unreadable = `values of dtype ${bitsOf(dtype) === undefined ? quote(dtype) : dtype} cannot be decoded`;
  else if (shape.length > MAX_ENGINE_AXES) tensor.unreadable = `it has ${shape.length} axes; values are read for up to ${MAX_ENGINE_AXES}`;
  else tensor.expression = { kind: "range", file: path, offset, bytes, dtype, shape };
  if (tensor.expression === null) tensor.verbatim = true;
  return tensor;
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
