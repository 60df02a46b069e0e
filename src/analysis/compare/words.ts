/** Numbers and lists as sentences have them. */
import { grouped, quote } from "../../checkpoint/quote";

export function plural(count: number, one: string): string {
  return `${grouped(count)} ${one}${count === 1 ? "" : "s"}`;
}

export function andList(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)!}`;
}

/** Three digits; tiny ones by their power of ten. */
export function percent(share: number): string {
  const value = 100 * share;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : "∞";
  if (value !== 0 && Math.abs(value) < 1e-3) return `${value.toExponential(1)} %`;
  // 99.99 % is not all.
  const text = value < 100 && value > 99.9 ? String(Math.floor(value * 1000) / 1000) : value.toPrecision(3);
  return `${Number(text)} %`;
}

export function dB(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)} dB` : "∞ dB";
}

/** A module by its name: without `.weight`; hostile text made visible. */
export function short(name: string): string {
  return quote(name.length > 7 && name.endsWith(".weight") ? name.slice(0, -7) : name).slice(1, -1);
}
