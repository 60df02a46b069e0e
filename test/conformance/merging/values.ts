/** Values of deterministic methods: distance in units in the last place of the output's type, as each case allows. */
import type { Expectation } from "./expectation";
import type { StoredTensor, StoredTensors } from "./stored";

/**
 * @param rows for vocabulary tensors: the row of `got` that stands at each row of `want`; null where both have one order.
 * @param ambiguous flat indices of elements that hang on a tie.
 * @returns what is wrong, in sentences.
 */
export function compareValues(names: readonly string[], got: StoredTensors, want: StoredTensors, expect: Expectation, rows: readonly number[] | null, ambiguous: Record<string, number[]>): string[] {
  const { ulp = 0, absolute = 0, fraction = 1, relative_to_rms: relative } = expect.tolerance ?? {};
  const problems: string[] = [];
  let beyond = 0;
  let total = 0;
  for (const name of names) {
    const [g, w] = [got.get(name)!, want.get(name)!];
    if (!w.floating) {
      if (!g.raw.equals(w.raw)) problems.push(`${name}: values differ that are not of floating point`);
      continue;
    }
    const order = rowOrder(g, rows, expect.vocabulary_axes?.[name]);
    const [ordered, values] = [pick(g.ordered(), order), pick([...g.values()], order)];
    const [expectedOrdered, expected] = [w.ordered(), w.values()];
    const skipped = new Set(ambiguous[name] ?? []);
    const finite = expected.filter((value) => !Number.isNaN(value));
    const rms = Math.sqrt(finite.reduce((sum, value) => sum + value * value, 0) / finite.length);
    const bound = relative === undefined ? absolute : Math.min(absolute, relative * rms);
    let wrong = 0;
    let worst = 0;
    for (let i = 0; i < expected.length; i++) {
      if (Number.isNaN(expected[i]!) !== Number.isNaN(values[i]!)) {
        problems.push(`${name}: NaN in other places than expected`);
        break;
      }
      total++;
      if (Number.isNaN(expected[i]!) || skipped.has(i)) continue;
      const steps = ordered[i]! - expectedOrdered[i]!;
      if ((steps < 0n ? -steps : steps) <= BigInt(ulp)) continue;
      beyond++;
      const off = Math.abs(values[i]! - expected[i]!);
      if (off <= bound) continue;
      wrong++;
      worst = Math.max(worst, off);
    }
    if (wrong > 0) problems.push(`${name}: ${wrong} of ${expected.length} elements differ, by at most ${worst}`);
  }
  if (total > 0 && beyond / total > fraction) problems.push(`${beyond} of ${total} elements are more than ${ulp} ulp away; at most ${fraction} of them may be`);
  return problems;
}

/** For each flat index of the expected tensor the one in `tensor`; null where they are the same. Rows are on the first axis. */
function rowOrder({ shape, count }: StoredTensor, rows: readonly number[] | null, axis: number | undefined): number[] | null {
  if (rows === null || axis === undefined) return null;
  if (axis !== 0) throw new Error(`vocabulary on axis ${axis}`);
  const width = count / shape[0]!;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / width);
    return (rows[row] ?? row) * width + (i % width);
  });
}

function pick<T>(values: readonly T[], order: readonly number[] | null): readonly T[] {
  return order === null ? values : order.map((i) => values[i]!);
}
