/** Several models tensor by tensor: what in each belongs to a tensor of the first. */
import { reshape, shapeOf } from "../checkpoint/adapters/build";
import { readAdapter } from "../checkpoint/adapters/read-adapter";
import { CheckpointError, type Checkpoint, type SourceOpener } from "../checkpoint/checkpoint";
import { comparedSides } from "../checkpoint/pairing/adapted";
import { laidOut, partOf, partText, type Layout } from "../checkpoint/pairing/layout";
import { readModelFacts } from "../checkpoint/pairing/model-facts";
import { expressionOf as expressionOfSide, pairTensors, type PairSide, type Pairing, type TensorPair } from "../checkpoint/pairing/pairing";
import { quote } from "../checkpoint/quote";
import { kindOf, layerOf, type TensorKind } from "../checkpoint/structure";
import type { Expression } from "../engine/protocol";
import type { Finding } from "../protocol/results";
import { expressionOf } from "./readable";

/** A model, as messages name it. */
export interface NamedModel {
  name: string;
  checkpoint: Checkpoint;
}

/** A tensor of the first model, or a part of one, that all the others have too. */
export interface AlignedTensor {
  /** The first model's name; of a part with what is meant of it. */
  name: string;
  shape: readonly number[];
  parameters: number;
  kind: TensorKind;
  layer: number | null;
  /** In each model's own spelling. */
  dtypes: string[];
  /** An earlier one has the same values under another name. */
  again: boolean;
  /** Of the first model, then of the others in their order; all of one shape. @throws CheckpointError when some cannot be decoded. */
  values(signal?: AbortSignal): Promise<Expression[]>;
}

export interface Alignment {
  tensors: AlignedTensor[];
  /** What is in some models only, or cannot be compared. */
  findings: Finding[];
}

const INTEGERS = /^(?:[IU]\d+|BOOL)$/;

/** Pairs each of `others` with `first`, by the rules of comparisons. */
export async function align(first: NamedModel, others: readonly NamedModel[], sources: SourceOpener): Promise<Alignment> {
  const facts = await readModelFacts(first.checkpoint, sources);
  const pairings: Pairing[] = [];
  for (const { checkpoint } of others) pairings.push(pairTensors(first.checkpoint, checkpoint, { facts: { a: facts, b: await readModelFacts(checkpoint, sources) } }));
  const byTensor = pairings.map(({ pairs }) => grouped(pairs));
  const findings = pairings.flatMap((pairing, i) => unmatched(pairing, first, others[i]!));
  const tensors: AlignedTensor[] = [];
  const shared = new Set<string>();
  first.checkpoint.tensors.forEach((tensor, index) => {
    const lists = byTensor.map((pairs) => pairs.get(index) ?? []);
    if (lists.some(({ length }) => length === 0)) return;
    const leave = (reason: string): void => void findings.push({ rule: "not-analysed", severity: "info", tensor: tensor.name, message: `Not analysed: ${reason}.` });
    if (INTEGERS.test(tensor.dtype)) return leave(`its elements are of the type ${tensor.dtype}, not of floating point`);
    if (tensor.parameters === 0) return leave("it has no elements");
    const again = tensor.sharedWith?.some((name) => shared.has(name)) ?? false;
    shared.add(tensor.name);
    const finest = lists.reduce((most, list) => (list.length > most.length ? list : most));
    for (const { a: { layout }, shape } of finest) {
      const sides = lists.map((list) => sideAt(list, layout));
      const part = partText(partOf(layout));
      const missing = sides.findIndex((side) => side === null);
      const unreadable = lists.flat().find((pair) => pair.unreadable !== undefined)?.unreadable;
      if (missing >= 0) leave(`${others[missing]!.name} divides it in another way than the other models`);
      else if (unreadable !== undefined) leave(unreadable.replace(/\.$/, ""));
      else {
        tensors.push({
          name: `${tensor.name}${part}`, shape, parameters: shape.reduce((product, length) => product * length, 1), again,
          kind: kindOf(tensor.name, tensor.shape), layer: layerOf(tensor.name),
          dtypes: [tensor.dtype, ...sides.map((side, i) => others[i]!.checkpoint.tensors[side!.side.tensor]!.dtype)],
          values: async (signal) => {
            const own = await read(first.checkpoint, { tensor: index, ...(layout === undefined ? {} : { layout }) }, undefined, signal);
            const rest = await Promise.all(sides.map((side, i) => read(others[i]!.checkpoint, side!.side, side!.then, signal)));
            return [own, ...rest].map((expression) => reshape(expression, shapeOf(own)));
          },
        });
      }
    }
  });
  return { tensors, findings };
}

function grouped(pairs: readonly TensorPair[]): Map<number, TensorPair[]> {
  const groups = new Map<number, TensorPair[]>();
  for (const pair of pairs) {
    const group = groups.get(pair.a.tensor);
    if (group === undefined) groups.set(pair.a.tensor, [pair]);
    else group.push(pair);
  }
  return groups;
}

/** The other side of what `layout` takes of the first model's tensor: a pair of just that, or the same part of a pair of all of it. */
function sideAt(list: readonly TensorPair[], layout: Layout | undefined): { side: PairSide; then?: Layout } | null {
  const key = JSON.stringify(layout);
  const same = list.find(({ a }) => JSON.stringify(a.layout) === key);
  if (same !== undefined) return { side: same.b };
  const whole = list.find(({ a }) => a.layout === undefined);
  return whole === undefined || layout === undefined ? null : { side: whole.b, then: layout };
}

async function read({ tensors, files }: Checkpoint, side: PairSide, then: Layout | undefined, signal?: AbortSignal): Promise<Expression> {
  const tensor = tensors[side.tensor]!;
  return laidOut(expressionOfSide(side, await expressionOf(tensor, files[tensor.file]!.path, signal)), then);
}

function unmatched({ onlyInA, onlyInB, reshaped }: Pairing, first: NamedModel, other: NamedModel): Finding[] {
  const nameOf = ({ checkpoint }: NamedModel, index: number): string => checkpoint.tensors[index]!.name;
  const finding = (tensor: string, message: string): Finding => ({ rule: "unmatched", severity: "warning", tensor, message });
  return [
    ...onlyInA.map((index) => finding(nameOf(first, index), `Left out: ${other.name} has no tensor that belongs to it.`)),
    ...onlyInB.map((index) => finding(nameOf(other, index), `Left out: only in ${other.name}.`)),
    ...reshaped.map(([a, b]) => finding(nameOf(first, a), `Left out: its shape is [${first.checkpoint.tensors[a]!.shape.join(", ")}], in ${other.name} it is [${other.checkpoint.tensors[b]!.shape.join(", ")}].`)),
  ];
}

/** A model or an adapter among others, as a model. */
export interface Resolved extends NamedModel {
  /** What is subtracted from it: the model that the adapter is laid over. */
  over?: NamedModel;
  /** PEFT's type, of an adapter. */
  adapter?: string;
}

/**
 * The models, each adapter laid over `base` or, without one, over the first model among them that is none.
 * @throws CheckpointError when an adapter has nothing to be laid over, or belongs to another model.
 */
export async function resolveAdapters(models: readonly NamedModel[], base: NamedModel | undefined, sources: SourceOpener): Promise<Resolved[]> {
  const adapters = new Set<NamedModel>();
  for (const model of models) if (await isAdapter(model, sources)) adapters.add(model);
  const host = base ?? models.find((model) => !adapters.has(model));
  const resolved: Resolved[] = [];
  for (const model of models) {
    if (!adapters.has(model)) {
      resolved.push({ ...model, ...(base === undefined ? {} : { over: base }) });
      continue;
    }
    if (host === undefined) throw new CheckpointError("usage", "it is an adapter, whose update is added to a model; name that with --base", model.checkpoint.path);
    const { b } = await comparedSides(host.checkpoint, model.checkpoint, sources);
    if (b.adapter === undefined) throw new CheckpointError("usage", `it is no model and no adapter of ${quote(host.name)}`, model.checkpoint.path);
    resolved.push({ name: model.name, checkpoint: b.checkpoint, over: host, adapter: b.adapter.type });
  }
  return resolved;
}

/** Whether the checkpoint holds updates of another model, by itself: a co-permuted model is none here. */
async function isAdapter({ checkpoint }: NamedModel, sources: SourceOpener): Promise<boolean> {
  try {
    return (await readAdapter(checkpoint, sources)) !== null;
  } catch (error) {
    // A model that was saved with PEFT's names has no configuration of an adapter.
    if (error instanceof CheckpointError && error.code === "usage" && !/(?:^|[\\/])adapter_model\.[^\\/]*$/i.test(error.file)) return false;
    throw error;
  }
}
