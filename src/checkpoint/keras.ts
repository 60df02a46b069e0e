/** Keras 3 archives: a zip of the configuration and the weights, which are an HDF5 file. */
import { CheckpointError, type Checkpoint, type CheckpointFile, type CheckpointFormat, type SourceOpener } from "./checkpoint";
import { FileSource } from "./file-source";
import { readHdf5, type Hdf5Content } from "./hdf5";
import { JsonReader } from "./json-reader";
import { checkpointOf, fileOf, withSource } from "./one-file";
import { spoolFile, versionKey } from "./spool";
import { readZip, STORED, type ZipArchive, type ZipEntry } from "./zip";
import { extractChecked } from "./zip-checked";

const WEIGHTS = "model.weights.h5";
/** Members of the archive, and what is shown of each. */
const DESCRIPTIONS = [["metadata.json", "keras_version"], ["config.json", "class_name"]] as const;
const MAX_DESCRIPTION_BYTES = 16 << 20;

export const keras: CheckpointFormat = {
  id: "keras",
  matches: (path) => /\.keras$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    withSource(path, sources, async (source) => {
      const file = await fileOf(source);
      const archive = await readZip(source);
      const entry = archive.byName.get(WEIGHTS);
      if (entry === undefined) throw new CheckpointError("malformed", `the archive has no member "${WEIGHTS}"`, path, { key: WEIGHTS });
      const { tensors, metadata } =
        entry.method === STORED ? await readHdf5(source, file, { offset: entry.dataOffset, bytes: entry.bytes }) : await readDeflated(archive, entry, file);
      for (const [member, key] of DESCRIPTIONS) await describe(member, key, archive, path, metadata);
      return checkpointOf(path, sources, { format: "keras", files: [file], tensors, metadata });
    }),
};

/** HDF5 is read from here and there: the member has to be decompressed first. */
async function readDeflated(archive: ZipArchive, entry: ZipEntry, file: CheckpointFile): Promise<Hdf5Content> {
  const path = await spoolFile(`${versionKey(file)} ${entry.name}`, (to, signal) => extractChecked(archive, entry, file.path, (piece) => to.writeFile(piece), signal));
  const source = new FileSource(path);
  try {
    const spooled = { path, bytes: await source.size(), modified: await source.modified() };
    return await readHdf5(source, spooled, { offset: 0, bytes: spooled.bytes });
  } finally {
    await source.close();
  }
}

/** Adds a text at the top of a JSON member, as `member:key`. */
async function describe(member: string, wanted: string, archive: ZipArchive, path: string, metadata: Record<string, unknown>): Promise<void> {
  const entry = archive.byName.get(member);
  if (entry === undefined) return;
  const reader = new JsonReader(await archive.readEntry(entry, MAX_DESCRIPTION_BYTES), { file: path, what: `the member "${member}"`, pythonNumbers: true });
  reader.object((key) => {
    if (key === wanted && reader.next() === "string") metadata[`${member}:${key}`] = reader.string();
    else reader.skip();
  });
  reader.end();
}
