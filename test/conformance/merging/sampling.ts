/** What random masks must look like: the probability to keep each element, and sums over elements. */
import type { Statistics } from "./expectation";

/** Probability that an element of the task vector is kept. */
export function keepProbability(delta: Float64Array, shape: readonly number[], density: number, { family }: Statistics, epsilon: number): Float64Array {
  if (density >= 1) return new Float64Array(delta.length).fill(1);
  if (density <= 0) return new Float64Array(delta.length);
  return family === "dare" ? new Float64Array(delta.length).fill(density) : rankedProbabilities(delta, shape, density, epsilon);
}

/** By rank of |δ| along axis 1 (a vector is one row), from density − ε for the smallest to density + ε for the largest. */
function rankedProbabilities(delta: Float64Array, shape: readonly number[], density: number, epsilon: number): Float64Array {
  const axes = shape.length >= 2 ? shape : [1, delta.length];
  const [, length] = axes as [number, number];
  const inner = axes.slice(2).reduce((product, axis) => product * axis, 1);
  const out = new Float64Array(delta.length);
  for (let line = 0; line < delta.length / length; line++) {
    const start = Math.floor(line / inner) * length * inner + (line % inner);
    const at = Array.from({ length }, (_, i) => start + i * inner).sort((x, y) => Math.abs(delta[x]!) - Math.abs(delta[y]!));
    at.forEach((index, rank) => (out[index] = density - epsilon + (2 * epsilon * rank) / Math.max(length - 1, 1)));
  }
  return out;
}

/** Σ f(i) over the elements in `mask` (all without it). */
export function sumOver(count: number, f: (i: number) => number, mask?: (i: number) => boolean): number {
  let sum = 0;
  for (let i = 0; i < count; i++) if (mask === undefined || mask(i)) sum += f(i);
  return sum;
}

export function maxOver(count: number, f: (i: number) => number, mask?: (i: number) => boolean): number {
  let most = 0;
  for (let i = 0; i < count; i++) if (mask === undefined || mask(i)) most = Math.max(most, f(i));
  return most;
}

/** Successes seen, expected, and their variance. */
export class Tally {
  seen = 0;
  expected = 0;
  variance = 0;

  /** Counts the elements in `within`: kept or not, with their probabilities. */
  static of(count: number, within: (i: number) => boolean, kept: (i: number) => boolean, probability: Float64Array): Tally {
    const tally = new Tally();
    for (let i = 0; i < count; i++) {
      if (!within(i)) continue;
      const p = probability[i]!;
      tally.seen += kept(i) ? 1 : 0;
      tally.expected += p;
      tally.variance += p * (1 - p);
    }
    return tally;
  }

  add({ seen, expected, variance }: Tally): void {
    this.seen += seen;
    this.expected += expected;
    this.variance += variance;
  }

  /** Whether it lies within so many standard deviations, and a little for the discreteness of small counts. */
  within(sigmas: number, slack = 2): boolean {
    return Math.abs(this.seen - this.expected) <= sigmas * Math.sqrt(this.variance) + slack;
  }

  toString(): string {
    return `${this.seen} kept, expected ${this.expected.toFixed(0)} ± ${Math.sqrt(this.variance).toFixed(1)}`;
  }
}
