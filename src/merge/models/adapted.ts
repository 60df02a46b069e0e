/**
 * A model with an adapter's update added, as the adapter's library merges it: computed once, rounded to the base's own type. What follows sees a
 * model like any other.
 */
import { dirname, join } from "node:path";
import type { AdapterModule } from "../../checkpoint/adapters/adapter";
import { BaseModel } from "../../checkpoint/adapters/base-model";
import { bracketed, combination } from "../../checkpoint/adapters/build";
import { readAdapter } from "../../checkpoint/adapters/read-adapter";
import { CheckpointError, type Checkpoint, type CheckpointFile, type SourceOpener, type Tensor } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import type { FloatType } from "../../engine/protocol";
import type { ModelTensor } from "./model";

/** What an adapter does to a model. */
export interface Updates {
  /** Modules that change a tensor, by the name that it has in the file. */
  byTensor: ReadonlyMap<string, readonly AdapterModule[]>;
  /** Files that say how. */
  files: readonly CheckpointFile[];
  notes: readonly string[];
}

/**
 * The updates of the adapter in `over` to the model in `base`.
 * @throws CheckpointError when `over` is no adapter, has no update, none of what it changes is in the model, or an update is not known.
 */
export async function readUpdates(base: Checkpoint, over: Checkpoint, sources: SourceOpener): Promise<Updates> {
  const adapter = await readAdapter(over, sources, { base });
  if (adapter === null) throw new CheckpointError("usage", "this is a model of its own and no adapter", over.path);
  if (adapter.notMergeable !== undefined) throw new CheckpointError("unsupported", `adapters of the type ${adapter.type} have no weight update: ${adapter.notMergeable}`, over.path);
  const { byTensor, absent } = assigned(adapter.modules, base, over.path);
  const example = absent[0] === undefined ? "" : `, such as ${quote(absent[0])}`;
  if (byTensor.size === 0) throw new CheckpointError("usage", `the adapter belongs to another model: none of the ${adapter.modules.length} tensors that it changes is in ${quote(base.path)}${example}`, over.path);
  const notes = absent.length === 0 ? [] : [`the adapter changes ${absent.length} ${absent.length === 1 ? "tensor" : "tensors"} that the model does not have${example}; ${absent.length === 1 ? "that update is" : "those updates are"} left out`];
  const configuration = join(dirname(over.files[0]?.path ?? over.path), "adapter_config.json");
  return { byTensor, files: [...over.files, ...((await sources.exists(configuration)) ? [await fileAt(configuration, sources)] : [])], notes };
}

function assigned(modules: readonly AdapterModule[], base: Checkpoint, path: string): { byTensor: Map<string, AdapterModule[]>; absent: string[] } {
  const model = new BaseModel([base]);
  const byTensor = new Map<string, AdapterModule[]>();
  const absent: string[] = [];
  for (const module of modules) {
    const found = model.find(module.tensor);
    if (found === undefined) {
      absent.push(module.tensor);
      continue;
    }
    if (module.delta === null) throw new CheckpointError("unsupported", `the update of ${quote(module.tensor)} is not known: ${module.refused ?? "no file holds what it depends on"}`, path, { tensor: module.tensor });
    if (module.shape.length > 0 && !sameShape(module.shape, found.shape)) {
      throw new CheckpointError("usage", `the adapter belongs to another model: its update of ${quote(module.tensor)} has the shape ${bracketed(module.shape)}, the model's tensor ${bracketed(found.shape)}`, path, { tensor: module.tensor });
    }
    for (const name of namesOf(found)) byTensor.set(name, [...(byTensor.get(name) ?? []), module]);
  }
  return { byTensor, absent };
}

/** Tied weights are one parameter under several names. */
function namesOf({ name, sharedWith = [] }: Tensor): string[] {
  return [name, ...sharedWith];
}

/** The tensor with the updates added, rounded once to its own type (F32 where that is none of floating point). */
export function withUpdates(tensor: ModelTensor, modules: readonly AdapterModule[] | undefined): ModelTensor {
  if (modules === undefined) return tensor;
  const dtype: FloatType = tensor.dtype === "F64" || tensor.dtype === "F16" || tensor.dtype === "BF16" ? tensor.dtype : "F32";
  const bytes = tensor.parameters * (dtype === "F64" ? 8 : dtype === "F32" ? 4 : 2);
  return {
    ...tensor,
    dtype,
    bytes,
    async read(signal) {
      const sum = combination([await tensor.read(signal), ...modules.map(({ delta }) => delta!)], [1, ...modules.map(() => 1)]);
      return { kind: "cast", of: sum, dtype };
    },
  };
}

async function fileAt(path: string, sources: SourceOpener): Promise<CheckpointFile> {
  const source = await sources.open(path);
  try {
    const modified = await source.modified();
    return { path, bytes: await source.size(), ...(modified === undefined ? {} : { modified }) };
  } finally {
    await source.close();
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}
