/** HDF5 files: their datasets as tensors, decoded when asked for. Keras writes its weights so. */
import { CheckpointError, type ByteSource, type Checkpoint, type CheckpointFile, type CheckpointFormat, type SourceOpener, type Tensor } from "./checkpoint";
import { Hdf5Library } from "./hdf5-library";
import type { Hdf5Dataset } from "./hdf5-protocol";
import { setOwn } from "./json-reader";
import { checkpointOf, fileOf, withSource } from "./one-file";
import { grouped, quote } from "./quote";
import { spoolFile, versionKey } from "./spool";
import { elementCount, tensorAt, tooManyAxes } from "./tensor-at";

const SIGNATURE = Buffer.from("\x89HDF\r\n\x1a\n", "latin1");
/** Before the signature there may be a block of the user's, of 512 bytes or a power of two times that. */
const FIRST_BLOCK = 512;

/** Deflate's limit is 1032:1; what is larger is no stored data, but a fill value. Small datasets may be that. */
const MAX_RATIO = 1032;
const ALWAYS_BYTES = 1 << 26;

export const hdf5: CheckpointFormat = {
  id: "hdf5",
  matches: (path) => /\.(?:h5|hdf5)$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    withSource(path, sources, async (source) => {
      const file = await fileOf(source);
      const content = await readHdf5(source, file, { offset: 0, bytes: file.bytes });
      return checkpointOf(path, sources, { format: "hdf5", files: [file], ...content });
    }),
};

export interface Hdf5Content {
  tensors: Tensor[];
  metadata: Record<string, unknown>;
}

/**
 * Lists the HDF5 file that is `extent` of a file.
 * @throws CheckpointError when it is none, or the library cannot read it.
 */
export async function readHdf5(source: ByteSource, file: CheckpointFile, extent: { offset: number; bytes: number }): Promise<Hdf5Content> {
  await checkSignature(source, extent);
  const library = new Hdf5Library({ path: file.path, ...extent, version: { bytes: file.bytes, modified: file.modified } });
  const listing = await library.list();
  const metadata: Record<string, unknown> = {};
  for (const [key, value] of listing.metadata) setOwn(metadata, key, value);
  const tensors = listing.datasets.map((dataset) => tensorOf(dataset, library, file, extent));
  addSharedNames(tensors, listing.datasets);
  return { tensors, metadata };
}

async function checkSignature(source: ByteSource, { offset, bytes }: { offset: number; bytes: number }): Promise<void> {
  for (let at = 0; at + SIGNATURE.length <= bytes; at = at === 0 ? FIRST_BLOCK : 2 * at) {
    if (SIGNATURE.equals(await source.read(offset + at, SIGNATURE.length))) return;
  }
  throw new CheckpointError("malformed", "it has no HDF5 signature; it is incomplete or no HDF5 file", source.path, { offset });
}

function tensorOf({ name, dtype, shape, itemBytes, unreadable }: Hdf5Dataset, library: Hdf5Library, file: CheckpointFile, extent: { bytes: number }): Tensor {
  const parameters = elementCount(shape);
  const bytes = parameters === undefined ? undefined : parameters * itemBytes;
  if (parameters === undefined || bytes === undefined || bytes > Number.MAX_SAFE_INTEGER || !shape.every(Number.isSafeInteger)) {
    throw new CheckpointError("malformed", `the number of elements of ${quote(name)} overflows`, file.path, { tensor: name });
  }
  const tensor: Tensor = { name, dtype, shape, parameters, bytes, file: 0, offset: null, expression: null };
  const why = unreadable ?? tooManyAxes(shape) ?? (bytes > Math.max(ALWAYS_BYTES, MAX_RATIO * extent.bytes) ? `it says it has ${grouped(bytes)} bytes, more than the file can hold` : undefined);
  if (why !== undefined) return { ...tensor, unreadable: why };
  return {
    ...tensor,
    load: async (signal) => {
      const path = await spoolFile(`${versionKey(file)} ${name}`, (to, shared) => library.read(name, to.fd, shared), signal);
      return tensorAt({ name, dtype, shape, parameters, bytes, file: 0, path, offset: 0 }).expression!;
    },
  };
}

/** Hard and soft links give one dataset several names. */
function addSharedNames(tensors: readonly Tensor[], datasets: readonly Hdf5Dataset[]): void {
  const byObject = new Map<string, Tensor[]>();
  datasets.forEach(({ object }, i) => byObject.set(object, [...(byObject.get(object) ?? []), tensors[i]!]));
  for (const group of byObject.values()) {
    if (group.length > 1) for (const tensor of group) tensor.sharedWith = group.filter((other) => other !== tensor).map(({ name }) => name);
  }
}
