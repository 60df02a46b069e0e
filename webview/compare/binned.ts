/** Positive numbers counted by factors of ten. */

const BINS_PER_DECADE = 4;
/** Smaller changes are all alike: what is left after rounding. */
const LEAST_EXPONENT = -12;

/** Counts over log₁₀ of the positive finite numbers; zeros apart. */
export function binned(numbers: ArrayLike<number>): { edges: number[]; counts: number[]; equal: number } {
  const found = new Map<number, number>();
  let equal = 0;
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!;
    if (value === 0) equal++;
    if (!(value > 0) || value === Infinity) continue;
    const bin = Math.floor(Math.max(LEAST_EXPONENT, Math.log10(value)) * BINS_PER_DECADE);
    found.set(bin, (found.get(bin) ?? 0) + 1);
  }
  if (found.size === 0) return { edges: [], counts: [], equal };
  const first = Math.min(...found.keys()) - 1;
  const last = Math.max(...found.keys()) + 1;
  return {
    edges: Array.from({ length: last - first + 2 }, (_, i) => (first + i) / BINS_PER_DECADE),
    counts: Array.from({ length: last - first + 1 }, (_, i) => found.get(first + i) ?? 0),
    equal,
  };
}
