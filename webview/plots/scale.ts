/** Ticks and their text. */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** `10⁻³`; Unicode digits, because plotly would set `<sup>` with an inline style. */
export function powerOfTen(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)] ?? digit).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** Whole exponents within [low, high], evenly stepped, at most `most` of them. */
export function decadeTicks(low: number, high: number, most = 7): number[] {
  const first = Math.ceil(low - 1e-9);
  const last = Math.floor(high + 1e-9);
  if (!(last >= first)) return [];
  const step = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, most)));
  const ticks: number[] = [];
  for (let at = Math.ceil(first / step) * step; at <= last; at += step) ticks.push(at);
  return ticks;
}

/** Whole numbers within [low, high] at a step of 1, 2 or 5 times a power of ten, at most `most` of them. */
export function indexTicks(low: number, high: number, most: number): number[] {
  const rough = Math.max(1, (high - low) / Math.max(1, most));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].find((factor) => factor * power >= rough)! * power);
  const ticks: number[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) ticks.push(at);
  return ticks.length <= most ? ticks : ticks.filter((_, i) => i % 2 === 0);
}

/** The value below which the share `q` of the finite entries lies (nearest rank), 0 when there are none. Reorders nothing. */
export function nearestRank(values: ArrayLike<number>, q: number): number {
  const finite = Float64Array.from(Array.prototype.filter.call(values, Number.isFinite) as number[]).sort();
  return finite.length === 0 ? 0 : finite[Math.min(finite.length - 1, Math.max(0, Math.ceil(q * finite.length) - 1))]!;
}
