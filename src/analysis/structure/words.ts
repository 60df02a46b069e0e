/** The words that sentences about changes are made of. */

const MOST_LISTED = 8;

/** `1, 3 and 7–9`; of many the first, and how many there are. */
export function indexList(indices: readonly number[]): string {
  const runs: string[] = [];
  let listed = 0;
  for (let i = 0; i < indices.length; ) {
    if (runs.length === MOST_LISTED) return `${runs.join(", ")} … (${indices.length} in all)`;
    let end = i;
    while (end + 1 < indices.length && indices[end + 1] === indices[end]! + 1) end++;
    runs.push(end > i + 1 ? `${indices[i]}–${indices[end]}` : String(indices[i]));
    listed = end > i + 1 ? end + 1 : i + 1;
    i = listed;
  }
  return joined(runs);
}

/** `a, b and c`. */
export function joined(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** `1 row`, `3 rows`. */
export function counted(count: number, one: string): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : `${one}s`}`;
}

/** `25.7 %`. */
export function percent(share: number): string {
  const value = 100 * share;
  return `${value === 0 ? "0" : value >= 99.95 && value < 100 ? "more than 99.9" : value >= 10 ? value.toFixed(1) : value >= 0.01 ? Number(value.toPrecision(2)) : value.toExponential(1)} %`;
}

/** Four significant digits. */
export function figure(value: number): string {
  const text = value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e5) ? value.toExponential(2).replace("e+", "e") : String(Number(value.toPrecision(4)));
  return text.replace(/^-/, "−");
}
