/** Sharded PyTorch models: `pytorch_model.bin.index.json`, as transformers wrote it before safetensors. */
import type { Checkpoint, CheckpointFormat, SourceOpener } from "./checkpoint";
import { openSharded } from "./sharded";
import { readTorch } from "./torch";

export const torchIndex: CheckpointFormat = {
  id: "torch-index",
  matches: (path) => /\.(?:bin|pt|pth)\.index\.json$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    openSharded(path, sources, {
      format: "torch",
      read: async (source, file, number) => readTorch({ source, sources, file, number }),
    }),
};
