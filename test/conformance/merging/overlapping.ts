/** Random methods over task vectors that overlap: every element must be explained by one subset of the models kept, with one factor per model. */
import type { Statistics, TensorStatistics } from "./expectation";
import { keepProbability, maxOver, sumOver, Tally } from "./sampling";
import type { StoredTensors } from "./stored";

/** Fewer elements are too few to find the factors: the untouched ones are counted only, over all such tensors too. */
const FEW = 150;

/** @returns what is wrong, in sentences. */
export function checkOverlapping(names: readonly string[], got: StoredTensors, base: StoredTensors, others: readonly StoredTensors[], statistics: Statistics): string[] {
  const problems: string[] = [];
  const sigmas = statistics.sigmas ?? 5;
  const small = new Tally();
  for (const name of names) {
    const parameters = statistics.tensors[name];
    const stored = base.get(name);
    if (parameters === undefined || stored === undefined) {
      problems.push(`${name}: there are no statistics of this tensor`);
      continue;
    }
    const b = stored.values();
    const change = got.get(name)!.values().map((value, i) => value - b[i]!);
    const deltas = others.map((other) => other.get(name)!.values().map((value, i) => value - b[i]!));
    const probabilities = deltas.map((delta, i) => keepProbability(delta, stored.shape, parameters.density[i]!, statistics, parameters.epsilon?.[i] ?? 0));
    if (change.length < FEW) {
      const untouched = change.map((_, j) => deltas.reduce((product, delta, i) => product * (delta[j] === 0 ? 1 : 1 - probabilities[i]![j]!), 1));
      const tally = Tally.of(change.length, () => true, (j) => Math.abs(change[j]!) <= statistics.absolute, untouched);
      small.add(tally);
      if (!tally.within(sigmas, 3)) problems.push(`${name}: of the untouched elements ${tally.toString()}`);
      continue;
    }
    problems.push(...new Overlap(change, deltas, probabilities, parameters, statistics).problems(sigmas).map((problem) => `${name}: ${problem}`));
  }
  if (!small.within(sigmas, 3)) problems.push(`small tensors: of the untouched elements ${small.toString()}`);
  return problems;
}

class Overlap {
  private readonly count: number;
  /** Which models each subset holds, the empty one first. */
  private readonly subsets: number[][];
  private readonly l1: number[];
  /** Expected share of Σ|δ| that is kept, and whether the factor that restores it is to be found. */
  private readonly share: number[];
  private readonly free: boolean[];
  private readonly tolerance: number;

  constructor(
    private readonly change: Float64Array,
    private readonly deltas: readonly Float64Array[],
    private readonly probabilities: readonly Float64Array[],
    private readonly parameters: TensorStatistics,
    private readonly statistics: Statistics,
  ) {
    const { count, n } = { count: change.length, n: deltas.length };
    this.count = count;
    this.subsets = Array.from({ length: 2 ** n }, (_, bits) => deltas.flatMap((_, i) => ((bits >> i) & 1 ? [i] : [])));
    this.l1 = deltas.map((delta) => sumOver(count, (j) => Math.abs(delta[j]!)));
    this.share = deltas.map((delta, i) => (this.l1[i] === 0 ? 1 : sumOver(count, (j) => probabilities[i]![j]! * Math.abs(delta[j]!)) / this.l1[i]!));
    this.free = deltas.map((_, i) => statistics.rescale && parameters.density[i]! > 0 && parameters.density[i]! < 1 && this.l1[i]! > 1e-7);
    this.tolerance = statistics.absolute + statistics.relative * maxOver(count, (j) => Math.abs(change[j]!));
  }

  problems(sigmas: number): string[] {
    const factors = this.factors();
    const outcomes = this.outcomes(factors);
    const best = Array.from({ length: this.count }, (_, j) => outcomes.reduce((least, outcome, s) => (this.off(outcome, j) < this.off(outcomes[least]!, j) ? s : least), 0));
    const wrong = best.filter((s, j) => this.off(outcomes[s]!, j) > this.tolerance).length;
    if (wrong > 0) return [`${wrong} of ${this.count} elements are no combination of the task vectors`];
    return this.deltas.flatMap((_, i) => this.problemsOf(i, factors[i]!, outcomes, best, sigmas));
  }

  private problemsOf(i: number, factor: number, outcomes: readonly Float64Array[], best: readonly number[], sigmas: number): string[] {
    const { count } = this;
    const { weight } = this.parameters;
    const { absolute, models } = this.statistics;
    const [delta, probability, l1] = [this.deltas[i]!, this.probabilities[i]!, this.l1[i]!];
    const magnitude = (j: number): number => Math.abs(delta[j]!);
    const spread = (j: number): number => probability[j]! * (1 - probability[j]!) * delta[j]! ** 2;
    const problems: string[] = [];
    if (this.free[i]) {
      const deviation = Math.sqrt(sumOver(count, spread)) / l1;
      if (Math.abs(1 / factor - this.share[i]!) > sigmas * deviation + (3 * maxOver(count, magnitude)) / l1 + 1e-3) problems.push(`the factor of ${models[i]} is ${factor}, expected ${1 / this.share[i]!}`);
    }
    const holds = this.subsets.map((subset) => subset.includes(i));
    const kept = (j: number): boolean => holds[best[j]!]!;
    // Only where keeping or dropping this model can be told apart, whatever the others do.
    const apart = 4 * absolute + 2 * (this.tolerance - absolute);
    const clear = Array.from({ length: count }, (_, j) => delta[j] !== 0 && Math.abs(weight[i]! * delta[j]!) > 20 * absolute
      && outcomes.every((a, s) => outcomes.slice(0, s).every((b, t) => holds[s] === holds[t] || Math.abs(a[j]! - b[j]!) > apart)));
    const tally = Tally.of(count, (j) => clear[j]!, kept, probability);
    if (!tally.within(sigmas)) problems.push(`of ${models[i]} ${tally.toString()}`);
    if (this.free[i]) {
      // The factor restores the sum of magnitudes; elements that cannot be judged count with their probability.
      const open = (j: number): boolean => delta[j] !== 0 && !clear[j]!;
      const have = sumOver(count, magnitude, (j) => kept(j) && clear[j]!) + sumOver(count, (j) => probability[j]! * magnitude(j), open);
      const deviation = Math.sqrt(sumOver(count, spread, open));
      if (Math.abs(l1 / factor - have) > sigmas * deviation + 3 * maxOver(count, magnitude, open) + 2e-3 * l1) problems.push(`the factor of ${models[i]} is ${factor}, but its kept elements ask for ${l1 / have}`);
    }
    return problems;
  }

  private off(outcome: Float64Array, j: number): number {
    return Math.abs(outcome[j]! - this.change[j]!);
  }

  /** What comes out when each subset is kept, with these factors. */
  private outcomes(factors: readonly number[]): Float64Array[] {
    const { weight, lambda = 1, normalize = false } = this.parameters;
    return this.subsets.map((subset) => {
      const held = new Set(subset);
      return Float64Array.from({ length: this.count }, (_, j) => {
        const weighted = this.deltas.map((delta, i) => (held.has(i) ? weight[i]! * factors[i]! * delta[j]! : 0));
        let sum = weighted.reduce((total, value) => total + value, 0);
        let divisor = weight.reduce((total, value) => total + value, 0);
        if (this.statistics.consensus) {
          const sign = sum >= 0 ? 1 : -1;
          const agrees = weighted.map((value) => Math.sign(value) === sign);
          sum = weighted.reduce((total, value, i) => total + (agrees[i] ? value : 0), 0);
          divisor = weight.reduce((total, value, i) => total + (agrees[i] ? value : 0), 0) || 1;
        } else if (Math.abs(divisor) <= 1e-8) divisor = 1;
        return lambda * (normalize ? sum / divisor : sum);
      });
    });
  }

  private misfit(factors: readonly number[]): number {
    const outcomes = this.outcomes(factors);
    let misfits = 0;
    for (let j = 0; j < this.count; j++) if (Math.min(...outcomes.map((outcome) => this.off(outcome, j))) > this.tolerance) misfits++;
    return misfits;
  }

  /** The factors that explain most: a model's shows as one value that many elements agree on. */
  private factors(): number[] {
    const start = this.deltas.map((_, i) => (this.free[i] ? 1 / this.share[i]! : 1));
    const zero = new Float64Array(this.count);
    let tries: number[][] = [start];
    this.deltas.forEach((_, i) => {
      if (this.free[i]) tries = tries.flatMap((each) => [...this.clusters(i, zero), each[i]!].map((value) => each.with(i, value)));
    });
    const fitted = (all: readonly number[][]): number[][] => all.map((each) => ({ each, misfit: this.misfit(each) })).sort((a, b) => a.misfit - b.misfit).map(({ each }) => each);
    tries = fitted(tries);
    if (this.deltas.length !== 2 || this.misfit(tries[0]!) === 0 || this.parameters.normalize === true) return tries[0]!;
    for (const i of [0, 1]) {
      const other = 1 - i;
      for (const value of this.free[other] ? this.clusters(other, zero).slice(0, 2) : [1]) {
        const rest = this.outcomes([1, 1].with(other, value))[this.subsets.findIndex((subset) => subset.join() === String(other))]!;
        tries = [...tries, ...this.clusters(i, rest).map((found) => [found, found].with(other, value))];
      }
    }
    return fitted(tries)[0]!;
  }

  /** Values that many elements agree on as the factor of model i, once `rest` is taken off. */
  private clusters(i: number, rest: Float64Array): number[] {
    const alone = this.outcomes(this.deltas.map(() => 1))[this.subsets.findIndex((subset) => subset.join() === String(i))]!;
    const rms = Math.sqrt(sumOver(this.count, (j) => alone[j]! ** 2) / this.count + 1e-30);
    const share = this.share[i]!;
    const ratios = Array.from({ length: this.count }, (_, j) => j)
      .filter((j) => Math.abs(alone[j]!) > 0.1 * rms)
      .map((j) => (this.change[j]! - rest[j]!) / alone[j]!)
      .filter((ratio) => ratio > 0.2 / share && ratio < 5 / share)
      .sort((a, b) => a - b);
    let end = 0;
    const runs = ratios.map((ratio, start) => {
      while (end < ratios.length && ratios[end]! <= ratio * (1 + 4e-5)) end++;
      return { start, count: end - start };
    });
    const found: number[] = [];
    for (const { start, count } of [...runs].sort((a, b) => b.count - a.count).slice(0, 40)) {
      const run = ratios.slice(start, start + count);
      const value = (run[(count - 1) >> 1]! + run[count >> 1]!) / 2;
      if (count >= 2 && found.every((other) => Math.abs(value / other - 1) > 2e-4)) found.push(value);
      if (found.length === 4) break;
    }
    return found;
  }
}
