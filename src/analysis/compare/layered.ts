/** A side that is an adapter stands for its base model with the updates added. */
import { readAdapter } from "../../checkpoint/adapters/read-adapter";
import { BaseModel } from "../../checkpoint/adapters/base-model";
import { add, bracketed, shapeOf } from "../../checkpoint/adapters/build";
import type { Adapter } from "../../checkpoint/adapters/adapter";
import { CheckpointError, type Checkpoint, type SourceOpener, type Tensor } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import type { Expression } from "../../engine/protocol";

export interface Side {
  checkpoint: Checkpoint;
  /** What was laid over what; the checkpoint is then the sum. */
  adapter?: { type: string; base: string };
}

/**
 * The two models to compare. An adapter is laid over `base`, or over the other side where none is given; two adapters without
 * a base are compared as they are.
 * @throws CheckpointError when an adapter is not of that base, or has no update; or when a base is given and neither is an adapter.
 */
export async function layeredSides(a: Checkpoint, b: Checkpoint, base: Checkpoint | undefined, sources: SourceOpener): Promise<{ a: Side; b: Side }> {
  const [ofA, ofB] = await Promise.all([readAdapter(a, sources), readAdapter(b, sources)]);
  if (base !== undefined && ofA === null && ofB === null) throw new CheckpointError("usage", "a base model is for adapters, and neither of the two is one", base.path);
  const alone = ofA !== null && ofB !== null && base === undefined;
  const side = async (own: Checkpoint, adapter: Adapter | null, other: Checkpoint): Promise<Side> => (adapter === null || alone ? { checkpoint: own } : layered(own, base ?? other, sources));
  return { a: await side(a, ofA, b), b: await side(b, ofB, a) };
}

async function layered(checkpoint: Checkpoint, base: Checkpoint, sources: SourceOpener): Promise<Side> {
  const { path } = checkpoint;
  const adapter = await readAdapter(checkpoint, sources, { base });
  if (adapter === null) return { checkpoint };
  const { type, modules, notMergeable } = adapter;
  if (notMergeable !== undefined) throw new CheckpointError("unsupported", `adapters of the type ${type} have no weight update: ${notMergeable}`, path);
  const model = new BaseModel([base]);
  const missing = modules.filter(({ tensor }) => model.find(tensor) === undefined);
  if (missing.length > 0) {
    const some = missing.length === modules.length ? `none of the ${grouped(modules.length)} tensors` : `not all of the ${grouped(modules.length)} tensors`;
    throw new CheckpointError("usage", `this adapter is for another model: ${base.path} has ${some} that it changes (${quote(missing[0]!.tensor)} is one that it lacks); name the model it was trained on as the base`, path, { tensor: missing[0]!.tensor });
  }
  const updates = new Map<string, Expression>();
  for (const { tensor, delta, needsBase, refused } of modules) {
    if (delta === null) throw new CheckpointError("unsupported", `the update of ${quote(tensor)} is not known: ${refused ?? (needsBase === true ? "it depends on the base's weights" : "no file holds what it depends on")}`, path, { tensor });
    const found = model.find(tensor)!;
    const shape = shapeOf(delta);
    if (shape.length !== found.shape.length || shape.some((length, axis) => length !== found.shape[axis])) {
      throw new CheckpointError("usage", `this adapter is for another model: it changes ${quote(tensor)} by ${bracketed(shape)}, which in ${base.path} has the shape ${bracketed(found.shape)}`, path, { tensor });
    }
    // Tied weights are one parameter under several names.
    for (const name of new Set([found.name, ...(found.sharedWith ?? [])])) {
      const before = updates.get(name);
      updates.set(name, before === undefined ? delta : add(before, delta));
    }
  }
  return {
    checkpoint: {
      ...base,
      path,
      format: checkpoint.format,
      files: [...base.files, ...checkpoint.files],
      tensors: base.tensors.map((tensor) => withUpdate(tensor, updates.get(tensor.name))),
      metadata: checkpoint.metadata,
      findings: [...base.findings, ...checkpoint.findings],
    },
    adapter: { type, base: base.path },
  };
}

function withUpdate(tensor: Tensor, update: Expression | undefined): Tensor {
  if (update === undefined) return tensor;
  const { expression, load } = tensor;
  return {
    ...tensor,
    expression: expression === null ? null : add(expression, update),
    ...(load === undefined ? {} : { load: async (signal?: AbortSignal) => add(await load.call(tensor, signal), update) }),
  };
}
