/** Sharded safetensors: the shards' headers are the structure. */
import type { Checkpoint, CheckpointFormat, SourceOpener } from "./checkpoint";
import { readSafetensors } from "./safetensors-file";
import { openSharded } from "./sharded";

export const safetensorsIndex: CheckpointFormat = {
  id: "safetensors-index",
  matches: (path) => /\.safetensors\.index\.json$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    openSharded(path, sources, {
      format: "safetensors",
      read: async (source, _file, number) => ({ tensors: (await readSafetensors(source, number)).tensors }),
    }),
};
