/** A conversion from start to end: opens what is named, lays the output out, writes it. */
import { readAdapter } from "../checkpoint/adapters/read-adapter";
import { CheckpointError, type Checkpoint, type CheckpointFile, type SourceOpener, type Tensor } from "../checkpoint/checkpoint";
import { openCheckpoint } from "../checkpoint/registry";
import { deltaTensors, mergedTensors } from "./adapter-weights";
import { convertedTensors, stringMetadata, type FloatingType, type Output, type OutputTensor } from "./convert";
import type { Engine } from "./engine";
import { writeSafetensors } from "./write-safetensors";

export interface ConversionRequest {
  /** A file, an index or a folder. */
  path: string;
  /** The model that the adapter at `path` was trained on; for ΔW several, of an adapter of a U-Net and its text encoders. */
  bases?: readonly string[];
  /** Each update ΔW by itself rather than the merged weights. */
  delta?: boolean;
  /** Takes the place of every floating-point type; `"F32"` for ΔW when it is absent. */
  dtype?: FloatingType;
  /** Indices of the tensors to write; of the base's when an adapter is merged, of the updates for ΔW. Default: all. */
  select?(tensors: readonly Pick<Tensor, "name">[]): number[];
}

/** What will be written, and of what. */
export interface Conversion {
  output: Output;
  inputs: CheckpointFile[];
}

/**
 * Opens the inputs and lays the output out; reads headers, and what has to be decoded to know its type.
 * @throws CheckpointError when something cannot be opened, decoded, or merged.
 */
export async function planConversion(request: ConversionRequest, sources: SourceOpener, signal?: AbortSignal): Promise<Conversion> {
  const { path, dtype, delta = false, bases: named = [] } = request;
  const select = request.select ?? ((tensors) => tensors.map((_, i) => i));
  const checkpoint = await openCheckpoint(path, sources);
  if (named.length === 0 && !delta) {
    const tensors = await convertedTensors(checkpoint, select(checkpoint.tensors), dtype, signal);
    return { output: { tensors, metadata: metadataOf(checkpoint) }, inputs: checkpoint.files };
  }
  const bases = [];
  for (const base of named) bases.push(await openCheckpoint(base, sources));
  const adapter = await readAdapter(checkpoint, sources, { base: bases });
  if (adapter === null) throw new CheckpointError("usage", "this is not an adapter, so there is nothing to merge into a base model", checkpoint.path);
  const inputs = [checkpoint, ...bases].flatMap(({ files }) => files);
  const [base, another] = bases;
  if (delta || base === undefined) {
    const tensors: OutputTensor[] = deltaTensors(adapter, checkpoint.path, dtype);
    return { output: { tensors: select(tensors).map((i) => tensors[i]!), metadata: { format: "pt" } }, inputs };
  }
  if (another !== undefined) throw new CheckpointError("usage", "updates are added to one base model at a time", another.path);
  const tensors = await mergedTensors(adapter, checkpoint.path, base, select(base.tensors), dtype, signal);
  return { output: { tensors, metadata: metadataOf(base) }, inputs };
}

export interface ConvertOptions {
  engine: Engine;
  /** Absolute path of the file to write. */
  target: string;
  signal?: AbortSignal;
  /** Bytes written of all. */
  onProgress?(done: number, total: number, tensor: string): void;
}

/** Writes what `planConversion` laid out, whole or not at all. @throws as `writeSafetensors`. */
export async function convert({ output, inputs }: Conversion, { target, ...options }: ConvertOptions): Promise<{ bytes: number }> {
  return writeSafetensors({ output, inputs, path: target, ...options });
}

/** PyTorch's files say nothing of it, and its readers refuse safetensors files that do not name their framework. */
function metadataOf({ format, metadata }: Checkpoint): Record<string, string> {
  const strings = stringMetadata(metadata);
  return format === "torch" && strings.format === undefined ? Object.assign(strings, { format: "pt" }) : strings;
}
