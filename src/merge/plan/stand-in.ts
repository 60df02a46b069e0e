/** Tensors that a model leaves out because they are tied to another. */
import { tiedTo } from "../models/architecture";
import type { ModelTensor } from "../models/model";
import type { Findings } from "./findings";
import type { PlannedSource } from "./layout";

const tied = new WeakMap<ReadonlyMap<string, ModelTensor>, Map<string, ModelTensor | undefined>>();

/** What a model that leaves out a tied tensor has in its place. */
export function standIn({ input, at }: Pick<PlannedSource, "input" | "at">, name: string, findings?: Findings): ModelTensor | undefined {
  const { tensors, family } = input.model;
  if (family.ownHead) return undefined;
  let known = tied.get(tensors);
  if (known === undefined) tied.set(tensors, (known = new Map<string, ModelTensor | undefined>()));
  if (!known.has(name)) {
    const other = tiedTo(name, tensors.keys());
    known.set(name, other === undefined ? undefined : tensors.get(other));
  }
  const found = known.get(name);
  if (found !== undefined) findings?.warn("tied-tensor", at, `${input.label} has no ${name}: its ${found.name}, to which it is tied, stands in`, { tensor: name });
  return found;
}
