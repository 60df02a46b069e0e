/** safetensors: one file, all its structure in the header. */
import type { Checkpoint, CheckpointFormat, SourceOpener } from "./checkpoint";
import { readArchitecture } from "./architecture";
import { indexListing } from "./index-file";
import { readSafetensors } from "./safetensors-file";
import { layerCount } from "./structure";

export const safetensors: CheckpointFormat = {
  id: "safetensors",
  matches: (path) => /\.safetensors$/i.test(path),
  async open(path: string, sources: SourceOpener): Promise<Checkpoint> {
    const source = await sources.open(path);
    try {
      const file = await readSafetensors(source, 0);
      const { tensors } = file;
      const [architecture, wholeModel] = await Promise.all([readArchitecture(path, sources, tensors), indexListing(path, sources)]);
      return {
        path,
        format: "safetensors",
        files: [{ path, bytes: file.bytes, ...(file.modified === undefined ? {} : { modified: file.modified }) }],
        tensors,
        metadata: file.metadata,
        architecture,
        layers: layerCount(tensors),
        findings: [],
        ...(wholeModel === null ? {} : { wholeModel }),
      };
    } finally {
      await source.close();
    }
  },
};
