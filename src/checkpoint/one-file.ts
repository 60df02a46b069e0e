/** A checkpoint that is one file. */
import { readArchitecture } from "./architecture";
import type { ByteSource, Checkpoint, CheckpointFile, SourceOpener, Tensor } from "./checkpoint";
import { layerCount } from "./structure";
import type { Finding } from "../protocol/results";

/** What the file system says of an open file. */
export async function fileOf(source: ByteSource): Promise<CheckpointFile> {
  const modified = await source.modified();
  return { path: source.path, bytes: await source.size(), ...(modified === undefined ? {} : { modified }) };
}

/** Opens `path`, reads it with `read`, and closes it. */
export async function withSource<T>(path: string, sources: SourceOpener, read: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = await sources.open(path);
  try {
    return await read(source);
  } finally {
    await source.close();
  }
}

export interface Content {
  format: string;
  /** The file that was opened first, then those it refers to. */
  files: CheckpointFile[];
  tensors: Tensor[];
  metadata: Record<string, unknown>;
  findings?: Finding[];
}

/** The checkpoint at `path` with this content: adds what names and the configuration beside it say. */
export async function checkpointOf(path: string, sources: SourceOpener, { format, files, tensors, metadata, findings = [] }: Content): Promise<Checkpoint> {
  return { path, format, files, tensors, metadata, architecture: await readArchitecture(path, sources, tensors), layers: layerCount(tensors), findings };
}

/** A file's name without folder and last extension: what formats that name no tensor call theirs. */
export function stemOf(path: string): string {
  const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(0, dot) : name;
}
