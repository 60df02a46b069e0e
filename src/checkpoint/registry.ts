/** The formats that can be opened. A new one is a module that exports a `CheckpointFormat` and a line here. */
import { resolve } from "node:path";
import { CheckpointError, type Checkpoint, type CheckpointFormat, type SourceOpener } from "./checkpoint";
import { LocalFiles } from "./file-source";
import { checkpointIn } from "./folder";
import { gguf } from "./gguf";
import { hdf5 } from "./hdf5";
import { keras } from "./keras";
import { msgpack } from "./msgpack";
import { npy } from "./npy";
import { npz } from "./npz";
import { onnx } from "./onnx";
import { safetensors } from "./safetensors";
import { safetensorsIndex } from "./safetensors-index";
import { torch } from "./torch";
import { torchIndex } from "./torch-index";

export const formats: readonly CheckpointFormat[] = [safetensorsIndex, safetensors, gguf, npy, npz, msgpack, onnx, torch, torchIndex, hdf5, keras];

/** The format that reads a file of this name. */
export function formatOf(path: string): CheckpointFormat | undefined {
  return formats.find((format) => format.matches(path));
}

/**
 * Opens a file, an index, or a folder that holds one model. Reads headers only.
 * @throws CheckpointError with one sentence that names place and reason.
 */
export async function openCheckpoint(path: string, sources: SourceOpener = new LocalFiles()): Promise<Checkpoint> {
  const asked = resolve(path);
  const inside = await checkpointIn(asked, formats, sources);
  const format = formatOf(inside ?? asked);
  if (format === undefined) {
    // Opened first: a file that is not there is the better reason.
    await (await sources.open(asked)).close();
    throw new CheckpointError("unsupported", "this is not a checkpoint that can be opened (safetensors, PyTorch, GGUF, NumPy, HDF5, msgpack, ONNX, the index of a sharded model, or a folder with one)", asked);
  }
  const checkpoint = await format.open(inside ?? asked, sources);
  return inside === undefined ? checkpoint : { ...checkpoint, path: asked };
}
