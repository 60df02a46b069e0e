/**
 * Models as recipes name them, opened by their headers and kept while their files stay as they are: typing in a recipe asks for the same ones
 * again and again.
 */
import path from "node:path";
import type { Checkpoint, SourceOpener, Tensor } from "../../checkpoint/checkpoint";
import { dequantised } from "../../checkpoint/dequantised";
import { LocalFiles } from "../../checkpoint/file-source";
import { openCheckpoint } from "../../checkpoint/registry";
import type { Expression } from "../../engine/protocol";
import { expressionOf } from "../../analysis/readable";
import { readUpdates, withUpdates, type Updates } from "./adapted";
import { architectureIn, canonicalName, familyOf } from "./architecture";
import { readConfiguration } from "./configuration";
import { packExperts, renamed } from "./experts";
import { identityOf } from "./locate";
import { layerPlace, type MergeModel, type ModelTensor } from "./model";

/** Models kept; a recipe of more is read again each time. */
const MOST_KEPT = 64;

interface Kept<T> {
  /** What the files were like when it was read, in the order of `watched`. */
  identities: readonly string[];
  watched: readonly string[];
  value: Promise<T>;
}

export class ModelStore {
  private readonly models = new Map<string, Kept<MergeModel>>();
  private readonly checkpoints = new Map<string, Kept<Checkpoint>>();

  /** @param sources a new one for each model that is read, so that what changed is seen. */
  constructor(private readonly sources: () => SourceOpener = () => new LocalFiles()) {}

  /**
   * The model at `location`, an absolute path of a folder or file, with the adapter at another laid over it.
   * @throws CheckpointError when one of them cannot be read, or the adapter does not belong to the model.
   */
  async open(location: string, adapter?: string): Promise<MergeModel> {
    const known = await current(this.models, adapter === undefined ? location : `${location}\0${adapter}`);
    if (known !== undefined) return known;
    if (adapter === undefined) return this.plain(location);
    const base = await this.checkpoint(location);
    const over = await this.checkpoint(adapter);
    const key = `${location}\0${adapter}`;
    return keep(this.models, key, watchedFiles(location, base, adapter, over), async () => {
      const sources = this.sources();
      return modelOf(location, base, sources, await readUpdates(base, over, sources));
    });
  }

  /** The checkpoint at a path, as its format has it. */
  async checkpoint(location: string): Promise<Checkpoint> {
    const known = await current(this.checkpoints, location);
    if (known !== undefined) return known;
    const sources = this.sources();
    // Codes with scales beside them are merged as the values that they stand for.
    const checkpoint = await dequantised(await openCheckpoint(location, sources), sources);
    await keep(this.checkpoints, location, watchedFiles(location, checkpoint), () => Promise.resolve(checkpoint));
    return checkpoint;
  }

  private async plain(location: string): Promise<MergeModel> {
    const checkpoint = await this.checkpoint(location);
    return keep(this.models, location, watchedFiles(location, checkpoint), () => modelOf(location, checkpoint, this.sources()));
  }
}

/** The folder itself too: a file with a better name may be added to it. */
function watchedFiles(location: string, checkpoint: Checkpoint, ...more: (string | Checkpoint)[]): string[] {
  const folder = folderOf(location, checkpoint);
  const own = [location, folder, path.join(folder, "config.json"), checkpoint.path, ...checkpoint.files.map((file) => file.path)];
  const [adapter, over] = more;
  return typeof adapter === "string" && typeof over === "object" ? [...own, ...watchedFiles(adapter, over), path.join(folderOf(adapter, over), "adapter_config.json")] : own;
}

function folderOf(location: string, checkpoint: Checkpoint): string {
  const first = checkpoint.files[0]?.path;
  return first === undefined ? location : path.dirname(first);
}

async function current<T>(kept: Map<string, Kept<T>>, key: string): Promise<T | undefined> {
  const known = kept.get(key);
  if (known === undefined) return undefined;
  const now = await Promise.all(known.watched.map(identityOf));
  return now.every((identity, i) => identity === known.identities[i]) ? known.value : undefined;
}

async function keep<T>(kept: Map<string, Kept<T>>, key: string, watched: readonly string[], read: () => Promise<T>): Promise<T> {
  const known = await current(kept, key);
  if (known !== undefined) return known;
  const unique = [...new Set(watched)];
  const identities = await Promise.all(unique.map(identityOf));
  const value = read();
  kept.delete(key);
  kept.set(key, { identities, watched: unique, value });
  value.catch(() => kept.delete(key));
  for (const oldest of kept.keys()) if (kept.size > MOST_KEPT) kept.delete(oldest);
  return value;
}

async function modelOf(location: string, checkpoint: Checkpoint, sources: SourceOpener, updates?: Updates): Promise<MergeModel> {
  const folder = folderOf(location, checkpoint);
  const config = await readConfiguration(path.join(folder, "config.json"), sources);
  const architecture = architectureIn(config);
  const files = new Set((await sources.list(folder)) ?? []);
  const names = new Set(checkpoint.tensors.map(({ name }) => name));
  const notes = [...(updates?.notes ?? [])];
  const tensors: ModelTensor[] = [];
  for (const tensor of checkpoint.tensors) {
    const name = canonicalName(tensor.name, architecture, names);
    if (name !== tensor.name && names.has(name)) notes.push(`its tensor "${tensor.name}" is left out: it is "${name}" by another name, which it has as well`);
    else tensors.push(renamed(withUpdates(storedTensor(checkpoint, tensor), updates?.byTensor.get(tensor.name)), name));
  }
  const packed = packExperts(tensors, config?.model_type);
  for (const finding of checkpoint.findings) if (finding.severity === "error") notes.push(finding.message);
  return {
    path: location,
    tensors: new Map(packed.map((tensor) => [tensor.name, tensor])),
    config,
    architecture,
    family: familyOf(architecture, config),
    files: [...checkpoint.files, ...(updates?.files ?? [])],
    notes,
    // The folder's identity is watched with the model.
    beside: (name) => Promise.resolve(files.has(name) ? { from: path.join(folder, name) } : null),
  };
}

function storedTensor(checkpoint: Checkpoint, tensor: Tensor): ModelTensor {
  const file = checkpoint.files[tensor.file]?.path ?? checkpoint.path;
  const { name, dtype, shape, parameters, bytes } = tensor;
  const unreadable = tensor.expression === null && tensor.load === undefined ? (tensor.unreadable ?? "its values cannot be decoded") : undefined;
  return {
    name,
    // Block-quantised types are read as F32.
    dtype: valueType(tensor.expression, dtype),
    shape,
    parameters,
    bytes,
    place: layerPlace(name),
    ...(unreadable === undefined ? {} : { unreadable }),
    read: (signal) => expressionOf(tensor, file, signal),
  };
}

/** The type of the values as they are decoded. */
function valueType(expression: Expression | null, dtype: string): string {
  switch (expression?.kind) {
    case "range":
      return expression.dtype;
    case "blocks":
      return "F32";
    case "slice":
    case "permute":
    case "reshape":
    case "strided":
      return valueType(expression.of, dtype);
    default:
      return dtype;
  }
}
