/** From what the engine says of a difference to the numbers of a pair, and of all pairs together. */
import type { DifferenceResult } from "../../engine/protocol";
import type { PairUpdate } from "../../protocol/compare";
import { toNumber, type CompareTotals, type Numeric, type Pair } from "../../protocol/results";

/** The numbers of one pair. */
export type PairNumbers = NonNullable<PairUpdate["numbers"]>;

/** Which side holds quantised values: the other is the signal, and the difference is noise. */
export type QuantisedSide = "a" | "b";

/**
 * The numbers of a pair of this shape. Of nothing but zeros the relative change is 0 when the other side is zeros too, else
 * infinite; what is left without a value (a cosine of zeros, norms where no element is finite) is `"NaN"`.
 */
export function pairNumbers(difference: DifferenceResult, shape: readonly number[], quantised?: QuantisedSide): PairNumbers {
  const { count, compared, differing, beyond, signFlips, maxAt, worstBlocks, how } = difference;
  const equal = differing === 0;
  const [a, b, norm] = [difference.a.l2, difference.b.l2, difference.norm].map(toNumber) as [number, number, number];
  const defined = compared > 0 || equal;
  const nonFinite = { a: nonFiniteOf(difference.a), b: nonFiniteOf(difference.b) };
  const share = (elements: number): number => (count === 0 ? 0 : elements / count);
  return {
    equal,
    norm: numeric(norm),
    relative: defined ? numeric(relative(norm, a)) : "NaN",
    cosine: numeric(equal ? 1 : cosine(toNumber(difference.dot), a, b)),
    normA: numeric(a),
    normB: numeric(b),
    maxAbs: numeric(toNumber(difference.maxAbs)),
    maxAt: equal || maxAt === null ? [] : indexAt(maxAt, shape),
    meanAbs: compared > 0 ? numeric(toNumber(difference.sumAbs) / compared) : defined ? 0 : "NaN",
    changed: share(differing),
    changedBeyond: share(beyond),
    signFlips: share(signFlips),
    ...(nonFinite.a + nonFinite.b > 0 ? { nonFinite } : {}),
    ...(quantised === undefined ? {} : { sqnrDb: numeric(sqnr(quantised === "b" ? a : b, norm)) }),
    ...(worstBlocks === undefined ? {} : { worstBlocks: worstBlocks.filter((block) => toNumber(block.norm) > 0).map(({ start, ...rest }) => ({ at: indexAt(start, shape), ...rest })) }),
    how,
  };
}

/** A share of A's norm. */
export function relative(norm: number, a: number): number {
  return norm === 0 ? 0 : norm / a;
}

function cosine(dot: number, a: number, b: number): number {
  return a > 0 && b > 0 ? Math.max(-1, Math.min(1, dot / a / b)) : NaN;
}

/** Signal to quantisation noise in dB. */
export function sqnr(signal: number, noise: number): number {
  return 20 * Math.log10(signal / noise);
}

function nonFiniteOf({ nan, positiveInfinity, negativeInfinity }: DifferenceResult["a"]): number {
  return nan + positiveInfinity + negativeInfinity;
}

/** The index in `shape` of an element by its row-major position. */
export function indexAt(position: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length);
  let left = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = left % shape[axis]!;
    left = Math.floor(left / shape[axis]!);
  }
  return index;
}

/** A double as JSON can hold it. */
export function numeric(value: number): Numeric {
  return Number.isFinite(value) ? value : String(value);
}

/**
 * Over all pairs whose difference is known.
 * @param counted how many of `differences`, which come by pair, are of tensors that no earlier pair compared: the others count as pairs only.
 */
export function totalsOf(differences: Iterable<{ difference: DifferenceResult; again: boolean }>): CompareTotals {
  const sums = { tensors: 0, equal: 0, parameters: 0, changed: 0, norm: 0, a: 0, b: 0, dot: 0 };
  for (const { difference, again } of differences) {
    sums.tensors++;
    if (difference.differing === 0) sums.equal++;
    if (again) continue;
    sums.parameters += difference.count;
    sums.changed += difference.differing;
    sums.norm += toNumber(difference.norm) ** 2;
    sums.a += toNumber(difference.a.l2) ** 2;
    sums.b += toNumber(difference.b.l2) ** 2;
    sums.dot += toNumber(difference.dot);
  }
  const { tensors, equal, parameters, changed } = sums;
  const [norm, a, b] = [sums.norm, sums.a, sums.b].map(Math.sqrt) as [number, number, number];
  return {
    tensors, equal, parameters, changed,
    norm: numeric(norm),
    relative: numeric(relative(norm, a)),
    cosine: numeric(changed === 0 && tensors > 0 ? 1 : cosine(sums.dot, a, b)),
  };
}

/** Orders pairs, the worst first: differing before equal, then by relative change (one that has none first), then by share changed. */
export function byChange(x: Pick<Pair, "equal" | "relative" | "changed">, y: Pick<Pair, "equal" | "relative" | "changed">): number {
  return Number(x.equal) - Number(y.equal) || weight(y.relative) - weight(x.relative) || y.changed - x.changed;
}

function weight(value: Numeric): number {
  const number = toNumber(value);
  return Number.isFinite(number) ? number : Number.MAX_VALUE;
}
