/** NumPy arrays: one tensor per file, named as the file. */
import { CheckpointError, type Checkpoint, type CheckpointFormat, type SourceOpener, type Tensor } from "./checkpoint";
import { MOST_HEADER_BYTES, parseNpyHeader, type NpyHeader } from "./npy-header";
import { checkpointOf, fileOf, stemOf, withSource } from "./one-file";
import { grouped, quote } from "./quote";
import { tensorAt } from "./tensor-at";

/** Most headers have 128 bytes. */
const FIRST_READ = 4096;

export const npy: CheckpointFormat = {
  id: "npy",
  matches: (path) => /\.npy$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    withSource(path, sources, async (source) => {
      const file = await fileOf(source);
      let first = await source.read(0, Math.min(file.bytes, FIRST_READ));
      if (needsMore(first) && file.bytes > FIRST_READ) first = await source.read(0, Math.min(file.bytes, MOST_HEADER_BYTES));
      const header = parseNpyHeader(first, path);
      if (header.objects === true) throw new CheckpointError("unsupported", "this is an object array: its elements are pickled Python objects, which are not read", path, { key: "descr" });
      const tensor = npyTensor(header, { name: stemOf(path), file: 0, path, start: 0, bytes: file.bytes });
      return checkpointOf(path, sources, { format: "npy", files: [file], tensors: [tensor], metadata: {} });
    }),
};

/** Whether the header is longer than `bytes`: its length stands at byte 8. */
function needsMore(bytes: Uint8Array): boolean {
  return bytes.length >= 12 && bytes[8]! + 256 * bytes[9]! + 12 > bytes.length;
}

/** Where an array lies: `bytes` from byte `start` of `path`. */
export interface NpyPlace {
  name: string;
  /** Index into `Checkpoint.files`. */
  file: number;
  path: string;
  start: number;
  bytes: number;
}

/**
 * The tensor that a header describes, its elements in place.
 * @throws CheckpointError `"truncated"` when they do not fit.
 */
export function npyTensor(header: NpyHeader, { name, file, path, start, bytes }: NpyPlace): Tensor {
  const { dtype, shape, parameters, dataStart, unreadable, order, fortran } = header;
  const size = elementBytes(header, bytes, path, name);
  const offset = start + dataStart;
  if (unreadable !== undefined) return { name, dtype, shape, parameters, bytes: size, file, offset, expression: null, unreadable };
  return tensorAt({ name, dtype, shape, parameters, bytes: size, file, path, offset, fortran, ...(order === undefined ? {} : { order }) });
}

/**
 * How many bytes of an array of `bytes` are its elements.
 * @throws CheckpointError `"truncated"` when there are fewer than the header says.
 */
export function elementBytes(header: NpyHeader, bytes: number, path: string, name: string): number {
  const has = bytes - header.dataStart;
  const needed = header.bytes ?? has;
  if (needed > has) {
    throw new CheckpointError("truncated", `the elements of ${quote(name)} need ${grouped(needed)} bytes but only ${grouped(Math.max(0, has))} follow the header; the array is incomplete`, path, { tensor: name, offset: header.dataStart });
  }
  return needed;
}
