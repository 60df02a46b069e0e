/** A preview's numbers over all its tensors: means weighed by elements. */
import type { MergePreview, PreviewedResult } from "../../src/protocol/merge";

export interface MethodSummary {
  method: string;
  /** Tensors it has a result for. */
  tensors: number;
  /** √Σ‖·‖² of all its tensors. */
  norm: number;
  /** ‖result − base‖/‖base‖ over them; null without a base. */
  relative: number | null;
  /** By input; null where none of its tensors has that input, or no number. */
  cosine: (number | null)[];
  kept: (number | null)[];
  coefficients: (number | null)[];
  residual: number | null;
}

export function summarise({ methods, inputs, tensors }: MergePreview): MethodSummary[] {
  return methods.map((method, m) => {
    const measured = tensors.flatMap((tensor) => (tensor.results[m] == null ? [] : [{ tensor, result: tensor.results[m] }]));
    const base = measured.every(({ tensor }) => tensor.baseNorm !== null) ? Math.hypot(...measured.map(({ tensor }) => tensor.baseNorm!)) : 0;
    const norm = Math.hypot(...measured.map(({ result }) => result.norm));
    const mean = (of: (result: PreviewedResult, i: number) => number | null | undefined): (number | null)[] => inputs.map((_, input) =>
      weighed(measured.flatMap(({ tensor, result }) => { const i = tensor.inputs.indexOf(input); return i < 0 ? [] : [[of(result, i) ?? null, tensor.parameters] as const]; })));
    return {
      method, norm, tensors: measured.length,
      relative: base > 0 ? norm / base : null,
      cosine: mean((result, i) => result.cosine[i]),
      kept: mean((result, i) => result.kept[i]),
      coefficients: mean((result, i) => result.coefficients[i]),
      residual: weighed(measured.map(({ tensor, result }) => [result.residual, tensor.parameters] as const)),
    };
  });
}

/** Over all tensors the share of elements that the inputs disagree about. */
export function conflictOf({ tensors }: MergePreview): number | null {
  return weighed(tensors.map(({ signConflict, parameters }) => [signConflict, parameters] as const));
}

function weighed(values: readonly (readonly [number | null, number])[]): number | null {
  let [sum, weight] = [0, 0];
  for (const [value, own] of values) {
    if (value === null || !Number.isFinite(value)) continue;
    sum += value * own;
    weight += own;
  }
  return weight === 0 ? null : sum / weight;
}
