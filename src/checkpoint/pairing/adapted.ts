/**
 * What is compared when a side is an adapter: with a model on the other side, that model with the update added; with another adapter,
 * the updates ΔW themselves, by the tensors that they change.
 */
import type { Expression } from "../../engine/protocol";
import type { Adapter, AdapterModule } from "../adapters/adapter";
import { BaseModel } from "../adapters/base-model";
import { bracketed, combination } from "../adapters/build";
import { readAdapter } from "../adapters/read-adapter";
import { CheckpointError, type Checkpoint, type SourceOpener, type Tensor } from "../checkpoint";
import { grouped, quote } from "../quote";
import { readModelFacts, type ModelFacts } from "./model-facts";
import { sameShape } from "./sides";

/** A side as its tensors are paired. */
export interface ComparedSide {
  checkpoint: Checkpoint;
  facts: ModelFacts;
  adapter?: AdaptedBy;
}
export interface AdaptedBy {
  /** PEFT's type, or the layout's. */
  type: string;
  /** Path of the adapter. */
  path: string;
  /** Path of the model that it is laid over; null where the side's tensors are the updates ΔW. */
  base: string | null;
  /** Indices of the side's tensors that the adapter changes; the others are the base's own. */
  changed: ReadonlySet<number>;
}

/**
 * The two sides of a comparison.
 * @param base the model that adapters were trained on: where that is not the other side, or where both are adapters whose updates
 *   depend on its weights.
 * @throws CheckpointError when an adapter has no weight update, cannot be read, or belongs to another model; when a base is given and
 *   there is no adapter.
 */
export async function comparedSides(a: Checkpoint, b: Checkpoint, sources: SourceOpener, base?: Checkpoint): Promise<{ a: ComparedSide; b: ComparedSide }> {
  const [first, second] = [await adapterIn(a, sources), await adapterIn(b, sources)];
  if (first !== null && second !== null) return { a: await updates(a, sources, base), b: await updates(b, sources, base) };
  if (first === null && second === null) {
    if (base !== undefined) throw new CheckpointError("usage", "a base model is for adapters, and neither of the two is one", base.path);
    return { a: await asItIs(a, sources), b: await asItIs(b, sources) };
  }
  const [model, adapter] = first === null ? [a, b] : [b, a];
  const shared = { ...model, tensors: model.tensors.map(loadedOnce) };
  const own = await asItIs(shared, sources);
  const adapted = await (base === undefined ? merged(adapter, shared, own.facts, sources) : merged(adapter, base, (await asItIs(base, sources)).facts, sources));
  return first === null ? { a: own, b: adapted } : { a: adapted, b: own };
}

/** The adapter that a checkpoint holds; null for a model, also one that was saved with the names that PEFT gives to a wrapped model. */
async function adapterIn(checkpoint: Checkpoint, sources: SourceOpener): Promise<Adapter | null> {
  try {
    return await readAdapter(checkpoint, sources);
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "usage" && !/(?:^|[\\/])adapter_model\.[^\\/]*$/i.test(error.file)) return null;
    throw error;
  }
}

async function asItIs(checkpoint: Checkpoint, sources: SourceOpener): Promise<ComparedSide> {
  return { checkpoint, facts: await readModelFacts(checkpoint, sources) };
}

/** A tensor that both sides read loads once. */
function loadedOnce(tensor: Tensor): Tensor {
  const { load } = tensor;
  if (load === undefined) return tensor;
  let loading: Promise<Expression> | undefined;
  return { ...tensor, load: (signal) => (loading ??= load(signal)) };
}

async function readOver(checkpoint: Checkpoint, sources: SourceOpener, base: Checkpoint | undefined): Promise<Adapter> {
  const adapter = await readAdapter(checkpoint, sources, base === undefined ? {} : { base });
  const { type, notMergeable, modules } = adapter ?? { type: "", modules: [] };
  if (notMergeable !== undefined) throw new CheckpointError("unsupported", `adapters of the type ${type} have no weight update that could be compared: ${notMergeable}`, checkpoint.path);
  if (adapter === null || modules.length === 0) throw new CheckpointError("unsupported", "the adapter changes no tensor", checkpoint.path);
  return adapter;
}

/** The base with the adapter's updates added, in double precision. */
async function merged(checkpoint: Checkpoint, base: Checkpoint, facts: ModelFacts, sources: SourceOpener): Promise<ComparedSide> {
  const adapter = await readOver(checkpoint, sources, base);
  const model = new BaseModel([base]);
  const found = adapter.modules.map((module) => ({ module, tensor: model.find(module.tensor) }));
  refuseOther(adapter, checkpoint, base, found);

  const updates = new Map<Tensor, AdapterModule[]>();
  const missing: Tensor[] = [];
  for (const { module, tensor } of found) {
    if (tensor === undefined) missing.push(updateTensor(checkpoint, module, { ...module, delta: null, refused: "the other model has no tensor of this name" }));
    else for (const each of tied(base, tensor)) updates.set(each, [...(updates.get(each) ?? []), module]);
  }
  const changed = new Set<number>();
  const tensors = base.tensors.map((tensor, i) => {
    const modules = updates.get(tensor);
    if (modules === undefined) return tensor;
    changed.add(i);
    return withUpdates(tensor, modules);
  });
  const side: Checkpoint = { ...base, path: checkpoint.path, files: [...base.files, ...checkpoint.files], tensors: [...tensors, ...missing], metadata: checkpoint.metadata, findings: checkpoint.findings };
  return { checkpoint: side, facts, adapter: { type: adapter.type, path: checkpoint.path, base: base.path, changed } };
}

/** Tied weights are one parameter under several names. */
function tied(base: Checkpoint, tensor: Tensor): Tensor[] {
  if (tensor.sharedWith === undefined) return [tensor];
  const names = new Set([tensor.name, ...tensor.sharedWith]);
  return base.tensors.filter((other) => other === tensor || (other.sharedWith !== undefined && names.has(other.name)));
}

function withUpdates(tensor: Tensor, modules: readonly AdapterModule[]): Tensor {
  const without = modules.find(({ delta }) => delta === null);
  const { load, ...rest } = tensor;
  if (without !== undefined) return { ...rest, expression: null, unreadable: `its update is not known: ${without.refused ?? "it depends on what no file holds"}` };
  const plus = (weight: Expression): Expression => combination([weight, ...modules.map(({ delta }) => delta!)], [1, ...modules.map(() => 1)]);
  if (tensor.expression !== null) return { ...rest, offset: null, expression: plus(tensor.expression) };
  return load === undefined ? tensor : { ...rest, offset: null, load: async (signal) => plus(await load(signal)) };
}

/** @throws CheckpointError when most of what the adapter changes is not in the model, or has another shape there. */
function refuseOther(adapter: Adapter, { path }: Checkpoint, base: Checkpoint, found: readonly { module: AdapterModule; tensor: Tensor | undefined }[]): void {
  const named = adapter.baseName === null ? "" : `; its configuration names ${quote(adapter.baseName)}`;
  const all = grouped(found.length);
  const missing = found.filter(({ tensor }) => tensor === undefined);
  if (2 * missing.length > found.length) {
    const what = missing.length === found.length ? `none of the ${all} tensors that it changes is in` : `${grouped(missing.length)} of the ${all} tensors that it changes are not in`;
    throw new CheckpointError("usage", `the adapter belongs to another model: ${what} ${quote(base.path)}, such as ${quote(missing[0]!.module.tensor)}${named}`, path, { tensor: missing[0]!.module.tensor });
  }
  const unfit = found.filter(({ module, tensor }) => tensor !== undefined && module.shape.length > 0 && !sameShape(module.shape, tensor.shape));
  if (unfit.length > 0 && 2 * unfit.length >= found.length - missing.length) {
    const { module, tensor } = unfit[0]!;
    throw new CheckpointError("usage", `the adapter belongs to another model: its update of ${quote(module.tensor)} has the shape ${bracketed(module.shape)}, the tensor in ${quote(base.path)} ${bracketed(tensor!.shape)}${named}`, path, { tensor: module.tensor });
  }
}

/** The adapter's updates as tensors of their own. */
async function updates(checkpoint: Checkpoint, sources: SourceOpener, base: Checkpoint | undefined): Promise<ComparedSide> {
  const { type, modules } = await readOver(checkpoint, sources, base);
  const sums = new Map<string, Tensor>();
  for (const module of modules) {
    const before = sums.get(module.tensor);
    const tensor = updateTensor(checkpoint, module, module);
    sums.set(module.tensor, before?.expression != null && tensor.expression !== null ? { ...tensor, expression: combination([before.expression, tensor.expression], [1, 1]) } : tensor);
  }
  const tensors = [...sums.values()];
  return { checkpoint: { ...checkpoint, tensors }, facts: {}, adapter: { type, path: checkpoint.path, base: null, changed: new Set(tensors.keys()) } };
}

function updateTensor({ tensors }: Checkpoint, { tensor: name, shape, factors }: AdapterModule, { delta, refused, needsBase }: AdapterModule): Tensor {
  const stored = factors.map((i) => tensors[i]!);
  const why = refused ?? (needsBase === true ? "its update depends on the base model's weights" : "its update depends on what no file holds");
  return {
    name,
    dtype: stored[0]?.dtype ?? "F32",
    shape,
    parameters: shape.reduce((product, length) => product * length, 1),
    bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0),
    file: stored[0]?.file ?? 0,
    offset: null,
    expression: delta,
    ...(delta === null ? { unreadable: why } : {}),
  };
}
