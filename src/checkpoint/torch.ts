/** PyTorch: what torch.save has written since its beginnings, and TorchScript archives. */
import { CheckpointError, type ByteSource, type Checkpoint, type CheckpointFormat, type SourceOpener } from "./checkpoint";
import { indexListing } from "./index-file";
import { checkpointOf, fileOf, stemOf, withSource } from "./one-file";
import type { TorchFile, TorchSource } from "./torch-container";
import { readTorchLegacy } from "./torch-legacy";
import { isTar, readTorchTar } from "./torch-tar";
import { readTorchZip } from "./torch-zip";

export const torch: CheckpointFormat = {
  id: "torch",
  matches: (path) => /\.(?:pt|pth|bin|ckpt|tar)$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    withSource(path, sources, async (source) => {
      const file = await fileOf(source);
      const content = await readTorch({ source, sources, file, number: 0 });
      const checkpoint = await checkpointOf(path, sources, { format: "torch", files: [file], ...content });
      const wholeModel = await indexListing(path, sources);
      return wholeModel === null ? checkpoint : { ...checkpoint, wholeModel };
    }),
};

const ZIP = [0x50, 0x4b];

/** What is met under these names and is no file of torch's. */
const OTHERS: readonly (readonly [string, string])[] = [
  ["7z\xbc\xaf", "a 7z archive"],
  ["\x1f\x8b", "compressed by gzip"],
  ["BZh", "compressed by bzip2"],
  ["\xfd7zXZ", "compressed by xz"],
  ["Rar!", "a RAR archive"],
  ["GGUF", "a GGUF file"],
  ["\x89HDF", "an HDF5 file"],
  ["version https://git-lfs", "a Git LFS pointer: the file itself has not been downloaded"],
];

/**
 * The structure of one file, in whichever of torch's forms it is.
 * @throws CheckpointError with the place.
 */
export async function readTorch(context: TorchSource): Promise<TorchFile> {
  const { source } = context;
  const { bytes } = context.file;
  if (bytes < 2) throw new CheckpointError("truncated", `the file has ${bytes} ${bytes === 1 ? "byte" : "bytes"}, fewer than any that torch.save writes`, source.path, { offset: bytes });
  const start = await source.read(0, Math.min(512, bytes));
  const rootName = stemOf(source.path);
  if (startsWith(start, ZIP)) return readTorchZip(context, rootName);
  if (isTar(start)) return readTorchTar(context, rootName);
  refuseOthers(start, source);
  return readTorchLegacy(context, rootName);
}

function refuseOthers(start: Uint8Array, { path }: ByteSource): void {
  const other = OTHERS.find(([magic]) => startsWith(start, [...magic].map((character) => character.charCodeAt(0))));
  if (other !== undefined) throw new CheckpointError("unsupported", `this is no file of PyTorch's: it is ${other[1]}`, path, { offset: 0 });
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}
