/** NumPy archives: zip files of arrays. Stored members are read in place, deflated ones are decompressed when asked for. */
import { createInflateRaw } from "node:zlib";
import { CheckpointError, type ByteSource, type Checkpoint, type CheckpointFile, type CheckpointFormat, type SourceOpener, type Tensor } from "./checkpoint";
import { elementBytes, npyTensor } from "./npy";
import { MOST_HEADER_BYTES, parseNpyHeader, type NpyHeader } from "./npy-header";
import { checkpointOf, fileOf, withSource } from "./one-file";
import { quote } from "./quote";
import { spoolFile, versionKey } from "./spool";
import { tensorAt, tooManyAxes, whyUnreadable } from "./tensor-at";
import { extractChecked } from "./zip-checked";
import { DEFLATED, readZip, STORED, type ZipArchive, type ZipEntry } from "./zip";

/** Most headers have 128 bytes; of a deflated member that is in the first few. */
const FIRST_READ = 1024;

export const npz: CheckpointFormat = {
  id: "npz",
  matches: (path) => /\.npz$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    withSource(path, sources, async (source) => {
      const file = await fileOf(source);
      const archive = await readZip(source);
      const tensors: Tensor[] = [];
      for (const entry of archive.entries) if (entry.name.endsWith(".npy")) tensors.push(await memberTensor(entry, archive, source, file));
      return checkpointOf(path, sources, { format: "npz", files: [file], tensors, metadata: {} });
    }),
};

async function memberTensor(entry: ZipEntry, archive: ZipArchive, source: ByteSource, file: CheckpointFile): Promise<Tensor> {
  const name = entry.name.slice(0, -".npy".length);
  const header = await memberHeader(entry, source);
  const bytes = elementBytes(header, entry.bytes, source.path, name);
  if (entry.method === STORED) return npyTensor(header, { name, file: 0, path: source.path, start: entry.dataOffset, bytes: entry.bytes });
  const { dtype, shape, parameters } = header;
  const tensor: Tensor = { name, dtype, shape, parameters, bytes, file: 0, offset: null, expression: null };
  const unreadable = header.unreadable ?? whyUnreadable(dtype, shape) ?? tooManyAxes(shape);
  if (unreadable !== undefined) return { ...tensor, unreadable };
  return {
    ...tensor,
    load: async (signal) => {
      const spooled = await spoolFile(
        `${versionKey(file)} ${entry.name}`,
        async (to, shared) => {
          let skip = header.dataStart;
          await extractChecked(archive, entry, source.path, async (piece) => {
            const from = Math.min(skip, piece.length);
            skip -= from;
            if (from < piece.length) await to.writeFile(piece.subarray(from));
          }, shared);
        },
        signal,
      );
      const { order, fortran } = header;
      return tensorAt({ name, dtype, shape, parameters, bytes, file: 0, path: spooled, offset: 0, fortran, ...(order === undefined ? {} : { order }) }).expression!;
    },
  };
}

async function memberHeader(entry: ZipEntry, source: ByteSource): Promise<NpyHeader> {
  const { name, method, dataOffset, compressedBytes } = entry;
  if (method !== STORED && method !== DEFLATED) {
    throw new CheckpointError("unsupported", `the member ${quote(name)} is compressed by method ${method}; only stored and deflated members can be read`, source.path, { offset: dataOffset, key: name });
  }
  for (let length = Math.min(FIRST_READ, compressedBytes); ; length = Math.min(MOST_HEADER_BYTES, compressedBytes)) {
    const raw = await source.read(dataOffset, length);
    const bytes = method === STORED ? raw : await inflatedStart(raw, MOST_HEADER_BYTES);
    if (length < Math.min(MOST_HEADER_BYTES, compressedBytes) && isCutShort(bytes)) continue;
    return parseNpyHeader(bytes, source.path, { base: dataOffset, key: name });
  }
}

/** Whether the header goes beyond `bytes`: its length stands at byte 8. */
function isCutShort(bytes: Uint8Array): boolean {
  return bytes.length < 12 || bytes[8]! + 256 * bytes[9]! + 12 > bytes.length;
}

/** At most `most` bytes of what `raw`, the start of a deflated stream, holds; what is damaged ends it. */
function inflatedStart(raw: Uint8Array, most: number): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const pieces: Uint8Array[] = [];
    let length = 0;
    const inflater = createInflateRaw({ chunkSize: 1 << 14 });
    const finish = (): void => {
      inflater.destroy();
      resolve(Buffer.concat(pieces).subarray(0, most));
    };
    inflater.on("data", (piece: Uint8Array) => {
      pieces.push(piece);
      length += piece.length;
      if (length >= most) finish();
    });
    inflater.on("error", finish);
    inflater.on("end", finish);
    inflater.end(raw);
  });
}
