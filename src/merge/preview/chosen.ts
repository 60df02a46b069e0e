/** Which tensors a preview measures: a sample over depth and kinds, or those that a pattern names. */
import { compilePattern } from "../../checkpoint/pattern";
import { foldedName } from "../../checkpoint/structure";
import type { PlannedTensor } from "../plan/plan";

/** Elements that a sample reads at most, over all inputs: about a second of a machine's time. */
const SAMPLED_ELEMENTS = 2 ** 28;
/** Layers of each repeated tensor in a sample. */
const LAYERS = 3;

/**
 * Of every tensor that repeats over layers the first, the middle and the last, of the others all; merged matrices before vectors, small ones
 * before large ones within a layer, until the budget is spent. In the order of `tensors`.
 */
export function sampleOf(tensors: readonly PlannedTensor[], budget = SAMPLED_ELEMENTS): PlannedTensor[] {
  const merged = tensors.filter(({ policy }) => policy === "merged");
  const groups = new Map<string, PlannedTensor[]>();
  for (const tensor of merged) {
    const key = foldedName(tensor.name);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [tensor]);
    else group.push(tensor);
  }
  // Round by round: one of each group before a second of any.
  const rounds = Array.from({ length: LAYERS }, (): PlannedTensor[] => []);
  for (const group of groups.values()) {
    group.sort((x, y) => (x.layer ?? -1) - (y.layer ?? -1));
    const middle = Math.floor((group.length - 1) / 2);
    [...new Set([middle, group.length - 1, 0])].forEach((at, round) => rounds[round]!.push(group[at]!));
  }
  const chosen = new Set<PlannedTensor>();
  let left = budget;
  for (const round of rounds) {
    round.sort((x, y) => Number(y.shape.length >= 2) - Number(x.shape.length >= 2) || cost(x) - cost(y));
    for (const tensor of round) {
      if (chosen.size > 0 && cost(tensor) > left) continue;
      left -= cost(tensor);
      chosen.add(tensor);
    }
  }
  return tensors.filter((tensor) => chosen.has(tensor));
}

/** Those whose names match a glob, `/a regular expression/`, or hold the text. @throws PatternError with the reason. */
export function matching(tensors: readonly PlannedTensor[], pattern: string): PlannedTensor[] {
  const compiled = compilePattern(pattern, "part");
  return tensors.filter(({ name }) => compiled.test(name));
}

function cost({ shape, sources }: PlannedTensor): number {
  return shape.reduce((product, length) => product * length, 1) * (sources.length + 1);
}
