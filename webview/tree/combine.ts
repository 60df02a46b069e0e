/** One number for the tensors of a group. */

/** How the tensors of a group make one number. Means are weighted by parameters. */
export type Combine = "sum" | "root of squares" | "minimum" | "maximum" | "median" | "mean" | "quadratic mean";

/** Combines `numbers[tensor]` over `tensors`, leaving out those that are NaN. */
export function combineNumbers(
  how: Combine,
  tensors: readonly number[],
  numbers: ArrayLike<number>,
  weights: ArrayLike<number>,
): { value: number; known: number } {
  if (how === "median") {
    const present: number[] = [];
    for (const tensor of tensors) if (!Number.isNaN(numbers[tensor])) present.push(numbers[tensor]!);
    return { value: median(present), known: present.length };
  }
  let known = 0;
  let sum = 0;
  let weight = 0;
  let low = Infinity;
  let high = -Infinity;
  for (const tensor of tensors) {
    const x = numbers[tensor]!;
    if (Number.isNaN(x)) continue;
    known++;
    if (x < low) low = x;
    if (x > high) high = x;
    if (how === "sum") sum += x;
    else if (how === "root of squares") sum += x * x;
    else if (how === "mean") { sum += x * weights[tensor]!; weight += weights[tensor]!; }
    else if (how === "quadratic mean") { sum += x * x * weights[tensor]!; weight += weights[tensor]!; }
  }
  if (known === 0) return { value: NaN, known };
  switch (how) {
    case "sum": return { value: sum, known };
    case "minimum": return { value: low, known };
    case "maximum": return { value: high, known };
    case "root of squares": return { value: Math.sqrt(sum), known };
    case "mean": return { value: sum / weight, known };
    case "quadratic mean": return { value: Math.sqrt(sum / weight), known };
  }
}

/** Median of `values` (reordered in place); NaN of none. */
export function median(values: number[]): number {
  if (values.length === 0) return NaN;
  values.sort((a, b) => a - b);
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
}
