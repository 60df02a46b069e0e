/** What an adapter makes of its base model: the merged weights, or each update ΔW by itself. */
import type { Adapter, AdapterModule } from "../checkpoint/adapters/adapter";
import { BaseModel } from "../checkpoint/adapters/base-model";
import { add } from "../checkpoint/adapters/build";
import { CheckpointError, type Checkpoint, type Tensor } from "../checkpoint/checkpoint";
import { quote } from "../checkpoint/quote";
import type { Expression } from "../engine/protocol";
import { convertedTensor, storedBytes, type FloatingType, type OutputTensor } from "./convert";

/**
 * ΔW of each module in F32 (or `dtype`), by the name of the base's tensor.
 * @param path of the adapter, for messages.
 * @throws CheckpointError when there is no update, or one is not known.
 */
export function deltaTensors({ modules, ...adapter }: Adapter, path: string, dtype: FloatingType = "F32"): OutputTensor[] {
  checkMergeable({ modules, ...adapter }, path);
  const sums = new Map<string, Expression>();
  for (const module of modules) sums.set(module.tensor, plus(sums.get(module.tensor), deltaOf(module, path)));
  return [...new Map(modules.map((module) => [module.tensor, module])).values()].map(({ tensor: name, shape }) => {
    const delta = sums.get(name)!;
    const parameters = shape.reduce((product, length) => product * length, 1);
    return { name, dtype, shape, bytes: storedBytes({ name, parameters }, dtype, path), written: dtype, read: () => Promise.resolve(delta) };
  });
}

/**
 * The base's tensors with the updates added, computed in f64 and rounded once to the base's own types (or `dtype`).
 * @param path of the adapter, for messages.
 * @param selection indices of the base's tensors.
 * @throws CheckpointError when there is no update, one is not known, or the base lacks a tensor.
 */
export async function mergedTensors(adapter: Adapter, path: string, base: Checkpoint, selection: readonly number[], dtype?: FloatingType, signal?: AbortSignal): Promise<OutputTensor[]> {
  checkMergeable(adapter, path);
  const model = new BaseModel([base]);
  const updates = new Map<Tensor, Expression>();
  for (const module of adapter.modules) {
    const found = model.find(module.tensor);
    if (found === undefined) throw new CheckpointError("usage", `the base model has no tensor ${quote(module.tensor)}, which the adapter changes`, base.path, { tensor: module.tensor });
    const delta = deltaOf(module, path);
    // Tied weights are one parameter under several names.
    const names = new Set([found.name, ...(found.sharedWith ?? [])]);
    for (const tensor of base.tensors) if (tensor === found || (found.sharedWith !== undefined && names.has(tensor.name))) updates.set(tensor, plus(updates.get(tensor), delta));
  }
  const tensors = [];
  for (const index of selection) {
    const tensor = base.tensors[index]!;
    const own = await convertedTensor(base, tensor, dtype, signal);
    const update = updates.get(tensor);
    tensors.push(update === undefined ? own : { ...own, read: async (later?: AbortSignal) => add(await own.read(later), update) });
  }
  return tensors;
}

function checkMergeable({ type, notMergeable, modules }: Adapter, path: string): void {
  if (notMergeable !== undefined) throw new CheckpointError("unsupported", `adapters of the type ${type} have no weight update: ${notMergeable}`, path);
  if (modules.length === 0) throw new CheckpointError("unsupported", "the adapter changes no tensor", path);
}

function deltaOf({ tensor, delta, refused, needsBase }: AdapterModule, path: string): Expression {
  if (delta !== null) return delta;
  if (refused === undefined && needsBase === true) throw new CheckpointError("usage", `the update of ${quote(tensor)} depends on the base's weights; name the base model`, path, { tensor });
  throw new CheckpointError("unsupported", `the update of ${quote(tensor)} is not known: ${refused ?? "no file holds what it depends on"}`, path, { tensor });
}

function plus(sum: Expression | undefined, delta: Expression): Expression {
  return sum === undefined ? delta : add(sum, delta);
}
