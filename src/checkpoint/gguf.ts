/** GGUF: one file, or the parts `NAME-00001-of-0000N.gguf` that `llama-gguf-split` makes of one. */
import { basename, dirname, join } from "node:path";
import type { Checkpoint, CheckpointFormat, SourceOpener, Tensor } from "./checkpoint";
import { readArchitecture } from "./architecture";
import { readGguf, type GgufFile } from "./gguf-file";
import { readParts, splitName } from "./gguf-split";
import { layerCount } from "./structure";

export const gguf: CheckpointFormat = {
  id: "gguf",
  matches: (path) => /\.gguf$/i.test(path),
  async open(path: string, sources: SourceOpener): Promise<Checkpoint> {
    const source = await sources.open(path);
    let file: GgufFile;
    try {
      file = await readGguf(source, 0);
    } finally {
      await source.close();
    }
    const { values, tables } = file.metadata;
    const split = splitName(basename(path));
    const first = split === null || split.number === 1 ? null : join(dirname(path), split.part(1));
    const whole = split?.number === 1 ? await readParts(path, split, file, sources) : { files: [], tensors: file.tensors, findings: [] };
    const { tensors } = whole;
    return {
      path,
      format: "gguf",
      files: [{ path, bytes: file.bytes, ...(file.modified === undefined ? {} : { modified: file.modified }) }, ...whole.files],
      tensors,
      metadata: values,
      architecture: await architectureOf(values["general.architecture"], path, sources, tensors),
      layers: layersOf(values) ?? layerCount(tensors),
      findings: whole.findings,
      ...(tables.size === 0 ? {} : { tables }),
      ...(first !== null && (await sources.exists(first)) ? { wholeModel: first } : {}),
    };
  },
};

async function architectureOf(said: unknown, path: string, sources: SourceOpener, tensors: readonly Tensor[]): Promise<Checkpoint["architecture"]> {
  if (typeof said === "string" && said !== "") return { name: said.slice(0, 200), from: "config" };
  return readArchitecture(path, sources, tensors);
}

/** `block_count` of the architecture that the file names. */
function layersOf(values: Record<string, unknown>): number | null {
  const architecture = values["general.architecture"];
  const count = typeof architecture === "string" ? values[`${architecture}.block_count`] : undefined;
  return typeof count === "number" && Number.isSafeInteger(count) && count >= 0 ? count : null;
}
