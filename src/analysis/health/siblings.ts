/** Rules about tensors beside others: the same module in other layers, or equal content. */
import { foldedName } from "../../checkpoint/structure";
import { toNumber, type Finding } from "../../protocol/results";
import { figure, finding, grouped, isUnscaled, isWeightMatrix, kind, type TensorFacts } from "./facts";

/** How many times larger or smaller than its siblings' median a tensor's RMS must be. Norms vary more with depth. */
const FACTOR = { matrix: 30, norm: 100 };
/** … and, where there are enough siblings to tell, how many MADs away on a logarithmic scale. */
const DEVIATIONS = 10;
const ENOUGH = 5;
/** Effective rank below this share of the siblings' median. */
const RANK_SHARE = 0.25;

/** Tensors of the same module and shape in different layers, two or more. */
function siblings(facts: readonly TensorFacts[]): TensorFacts[][] {
  const groups = new Map<string, TensorFacts[]>();
  for (const one of facts) {
    const folded = foldedName(one.tensor.name);
    if (folded === one.tensor.name) continue;
    const key = `${folded} ${one.tensor.dtype} ${one.tensor.shape.join()}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** Tensors whose scale or spectrum is far from the same module's in other layers. */
export function siblingFindings(facts: readonly TensorFacts[]): Finding[] {
  return siblings(facts).flatMap((group) => [...scaleOutliers(group), ...rankOutliers(group)]);
}

function scaleOutliers(group: readonly TensorFacts[]): Finding[] {
  const first = group[0]!;
  const factor = !isUnscaled(first.tensor) ? Infinity : isWeightMatrix(first) ? FACTOR.matrix : kind(first) === "norm" ? FACTOR.norm : Infinity;
  const known = group.flatMap((facts) => {
    const rms = toNumber(facts.statistics?.rms ?? NaN);
    return rms > 0 && facts.statistics!.finite === facts.statistics!.count ? [{ tensor: facts.tensor, rms, log: Math.log(rms) }] : [];
  });
  if (known.length < 2 || factor === Infinity) return [];
  return known.flatMap(({ tensor, rms, log }, i) => {
    const others = known.flatMap((other, j) => (j === i ? [] : [other.log])).sort((a, b) => a - b);
    const middle = median(others);
    const away = Math.abs(log - middle);
    if (away < Math.log(factor)) return [];
    const mad = median(others.map((other) => Math.abs(other - middle)).sort((a, b) => a - b));
    if (others.length + 1 >= ENOUGH && away < DEVIATIONS * mad) return [];
    const usual = Math.exp(middle);
    const ratio = rms > usual ? `${figure(rms / usual)} times` : `1/${figure(usual / rms)} of`;
    return [finding("norm-outlier", tensor, {
      severity: "warning",
      message: `The RMS is ${figure(rms)}, ${ratio} the median ${figure(usual)} of the same module in other layers (from a factor of ${factor} on it is reported).`,
    })];
  });
}

function rankOutliers(group: readonly TensorFacts[]): Finding[] {
  const known = group.flatMap(({ tensor, spectrum }) => {
    const whole = spectrum !== undefined && spectrum.singularValues.length === Math.min(spectrum.rows, spectrum.columns);
    return whole && isUnscaled(tensor) ? [{ tensor, rank: toNumber(spectrum.effectiveRank) }] : [];
  });
  if (known.length < ENOUGH) return [];
  const usual = median(known.map(({ rank }) => rank).sort((a, b) => a - b));
  return known
    .filter(({ rank }) => rank > 0 && rank < RANK_SHARE * usual)
    .map(({ tensor, rank }) => finding("collapsed-spectrum", tensor, {
      severity: "warning",
      message: `The effective rank is ${figure(rank)}; the same module in other layers has ${figure(usual)} (below a quarter it is reported).`,
    }));
}

/** One finding per group of tensors with equal content; constant ones are another rule's. */
export function duplicateFindings(groups: readonly (readonly TensorFacts[])[]): Finding[] {
  return groups.flatMap((members) => {
    const first = members[0]!;
    if (first.statistics !== undefined && first.statistics.count > 1 && first.statistics.min === first.statistics.max) return [];
    // Word embeddings are often tied to the output layer, and buffers are copies by nature.
    const expected = members.every((one) => ["embed", "head"].includes(kind(one))) || members.every((one) => !isWeightMatrix(one));
    const names = members.slice(1, 4).map(({ tensor }) => tensor.name).join(", ") + (members.length > 4 ? ` and ${grouped(members.length - 4)} more` : "");
    return [finding("duplicate-tensors", first.tensor, { severity: expected ? "info" : "warning", message: `Its bytes are the same as those of ${names}.` })];
  });
}

/** Of sorted values. */
function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
