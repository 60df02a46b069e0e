/** How much of each layer comes from which input, as the recipe says before any value is looked at. */
import type { Provenance } from "../../protocol/merge";
import type { MergePlan, PlannedTensor } from "../plan/plan";

/** Layers in order, what lies outside of them last; each input's share weighed by the elements of the tensors. */
export function provenance({ tensors, inputs }: Pick<MergePlan, "tensors" | "inputs">): Provenance {
  const rows = new Map<number | null, { tensors: number; elements: number; sums: number[] }>();
  for (const tensor of tensors) {
    let row = rows.get(tensor.layer);
    if (row === undefined) rows.set(tensor.layer, (row = { tensors: 0, elements: 0, sums: inputs.map(() => 0) }));
    // A scalar counts too.
    const elements = tensor.shape.reduce((product, length) => product * length, 1);
    row.tensors++;
    row.elements += elements;
    const shares = sharesOf(tensor, inputs.map(({ base }) => base));
    tensor.sources.forEach(({ input }, i) => { row.sums[input]! += elements * shares[i]!; });
  }
  const layers = [...rows.keys()].sort((x, y) => (x ?? Infinity) - (y ?? Infinity));
  const at = (layer: number | null) => rows.get(layer)!;
  return { layers, tensors: layers.map((layer) => at(layer).tensors), shares: layers.map((layer) => at(layer).sums.map((sum) => (at(layer).elements === 0 ? 0 : sum / at(layer).elements))) };
}

/**
 * The share of each source of a tensor, summing to 1: its weight among the weights, (1 − t, t) for two models on a way between
 * them, and where the method weighs nothing the same of every model but the base.
 */
export function sharesOf({ sources, parameters, policy }: Pick<PlannedTensor, "sources" | "parameters" | "policy">, bases: readonly boolean[]): number[] {
  if (policy !== "merged" || sources.length === 1) return sources.map((_, i) => (i === 0 ? 1 : 0));
  const isBase = sources.map(({ input }) => bases[input] === true);
  const { weight, t } = parameters;
  if (Array.isArray(weight)) {
    const sizes = weight.map((value) => (typeof value === "number" && Number.isFinite(value) ? Math.abs(value) : 0));
    const sum = sizes.reduce((total, size) => total + size, 0);
    if (sum > 0) return sizes.map((size) => size / sum);
  }
  if (typeof t === "number" && t >= 0 && t <= 1 && sources.length === 2) {
    const first = isBase[1] === true ? 1 : 0;
    return sources.map((_, i) => (i === first ? 1 - t : t));
  }
  const counted = isBase.filter((base) => !base).length;
  return isBase.map((base) => (counted === 0 ? 1 / sources.length : base ? 0 : 1 / counted));
}
