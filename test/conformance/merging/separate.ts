/** Random methods over task vectors that do not overlap: which elements were kept, how many, by what factor, and that masks differ. */
import type { Statistics } from "./expectation";
import { keepProbability, maxOver, sumOver, Tally } from "./sampling";
import type { StoredTensors } from "./stored";

interface Mask {
  tensor: string;
  kept: boolean[];
  visible: boolean[];
  shape: readonly number[];
}

/** @returns what is wrong, in sentences. */
export function checkSeparate(names: readonly string[], got: StoredTensors, base: StoredTensors, others: readonly StoredTensors[], statistics: Statistics): string[] {
  const problems: string[] = [];
  const sigmas = statistics.sigmas ?? 5;
  const all = new Tally();
  const strongRows = new Tally();
  const masks = new Map<string, Mask[]>();
  for (const name of names) {
    const parameters = statistics.tensors[name];
    const stored = base.get(name);
    if (parameters === undefined || stored === undefined) {
      problems.push(`${name}: there are no statistics of this tensor`);
      continue;
    }
    const { shape, count } = stored;
    const [b, out] = [stored.values(), got.get(name)!.values()];
    const change = out.map((value, i) => value - b[i]!);
    const used = new Array<boolean>(count).fill(false);
    others.forEach((other, i) => {
      const delta = other.get(name)!.values().map((value, j) => value - b[j]!);
      const support = (j: number): boolean => delta[j] !== 0;
      for (let j = 0; j < count; j++) used[j] ||= support(j);
      const [weight, density] = [parameters.weight[i]!, parameters.density[i]!];
      const { lambda = 1 } = parameters;
      const epsilon = parameters.epsilon?.[i] ?? 0;
      const probability = keepProbability(delta, shape, density, statistics, epsilon);
      const kept = (j: number): boolean => support(j) && Math.abs(change[j]!) > statistics.absolute;
      const magnitude = (j: number): number => Math.abs(delta[j]!);
      const [l1, l1Kept] = [sumOver(count, magnitude), sumOver(count, magnitude, kept)];
      const scale = statistics.rescale && l1 > 1e-7 && l1Kept > 1e-7 && density < 1 ? l1 / l1Kept : 1;
      let divisor = 1;
      if (parameters.normalize === true) {
        divisor = statistics.consensus ? weight : parameters.weight.reduce((sum, value) => sum + value, 0);
        if (Math.abs(divisor) <= 1e-8) divisor = 1;
      }
      const factor = (lambda * weight * scale) / divisor;
      const visible = (j: number): boolean => support(j) && Math.abs(factor * delta[j]!) > 4 * statistics.absolute;
      const off = maxOver(count, (j) => Math.abs(change[j]! - factor * delta[j]!), (j) => kept(j) && visible(j));
      if (off > statistics.absolute + statistics.relative * maxOver(count, (j) => Math.abs(factor * delta[j]!))) problems.push(`${name}: kept values are not ${factor} times the task vector of ${statistics.models[i]} (off by ${off})`);
      const tally = Tally.of(count, visible, kept, probability);
      if (!tally.within(sigmas)) problems.push(`${name}: ${tally.toString()}`);
      all.add(tally);
      if (sumOver(count, () => 1, visible) === 0) return;
      if (statistics.rescale && lambda * weight !== 0 && density > 0 && l1Kept > 1e-7) {
        const ratio = sumOver(count, (j) => Math.abs(change[j]!), support) / (Math.abs((lambda * weight) / divisor) * l1);
        if (Math.abs(ratio - 1) > statistics.l1_relative) problems.push(`${name}: the sum of magnitudes is ${ratio} of the task vector's, expected 1`);
        const q = (j: number): number => Math.min(1, Math.max(1e-9, probability[j]!));
        const deviation = Math.sqrt(sumOver(count, (j) => (delta[j]! ** 2 * (1 - q(j))) / q(j), support));
        const drift = Math.abs((sumOver(count, (j) => change[j]!, support) * divisor) / (lambda * weight) - sumOver(count, (j) => delta[j]!, support));
        if (drift > sigmas * deviation + 3 * maxOver(count, (j) => magnitude(j) / q(j), support) + 1e-3 * l1) problems.push(`${name}: the update's sum is off by ${drift}, sampling error ${deviation}`);
      }
      if (statistics.family === "della" && shape.length >= 2 && shape[1]! >= 9 && density > 0 && density < 1) {
        for (const [part, what] of [[(j: number) => probability[j]! < density - epsilon / 3, "small"], [(j: number) => probability[j]! > density + epsilon / 3, "large"]] as const) {
          const some = Tally.of(count, (j) => part(j) && visible(j), kept, probability);
          if (!some.within(sigmas)) problems.push(`${name}: of the ${what} elements ${some.toString()}`);
        }
        const strong = rowsOfLargeUpdates(delta, shape);
        const rows = Tally.of(count, (j) => strong(j) && visible(j), kept, probability);
        if (!rows.within(sigmas)) problems.push(`${name}: of the rows with large updates ${rows.toString()}`);
        strongRows.add(rows);
      }
      if (density > 0 && density < 1) {
        const key = JSON.stringify([i, shape, density]);
        const mask = { tensor: name, shape, kept: Array.from({ length: count }, (_, j) => kept(j)), visible: Array.from({ length: count }, (_, j) => visible(j)) };
        masks.set(key, [...(masks.get(key) ?? []), mask]);
      }
    });
    if (used.some((is, j) => !is && change[j] !== 0)) problems.push(`${name}: elements outside every task vector changed`);
  }
  for (const group of masks.values()) problems.push(...sameMasks(group));
  if (!strongRows.within(sigmas)) problems.push(`of the rows with large updates ${strongRows.toString()}: ranks are per row`);
  if (all.expected > 0 && !all.within(sigmas)) problems.push(`in all ${all.toString()}`);
  return problems;
}

/** Which elements lie in rows (of all but the second axis, for matrices) whose mean |δ| over changed elements is above the median of rows. */
function rowsOfLargeUpdates(delta: Float64Array, shape: readonly number[]): (i: number) => boolean {
  const length = shape[1]!;
  const means = Array.from({ length: delta.length / length }, (_, row) => {
    const line = delta.subarray(row * length, (row + 1) * length);
    const changed = line.filter((value) => value !== 0);
    return changed.length === 0 ? NaN : changed.reduce((sum, value) => sum + Math.abs(value), 0) / changed.length;
  });
  const sorted = means.filter((mean) => !Number.isNaN(mean)).sort((a, b) => a - b);
  const median = (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
  return (i) => means[Math.floor(i / length)]! > median;
}

/** Neighbours of one shape with one mask, and matrices whose rows all have one mask. */
function sameMasks(group: readonly Mask[]): string[] {
  const problems: string[] = [];
  group.forEach(({ tensor, kept, visible, shape }, at) => {
    const next = group[at + 1];
    if (next !== undefined) {
      const both = visible.flatMap((is, i) => (is && next.visible[i] === true ? [i] : []));
      if (both.length >= 64 && both.every((i) => kept[i] === next.kept[i])) problems.push(`${tensor} and ${next.tensor} were given the same random mask`);
    }
    const [rows, columns] = shape;
    if (shape.length !== 2 || rows! < 8 || columns! < 16) return;
    const lines = Array.from({ length: rows! }, (_, row) => row).filter((row) => visible.slice(row * columns!, (row + 1) * columns!).every(Boolean)).map((row) => kept.slice(row * columns!, (row + 1) * columns!).join());
    if (lines.length >= 4 && lines.every((line) => line === lines[0])) problems.push(`${tensor}: every row has the same random mask`);
  });
  return problems;
}
