/** Numbers, sizes, shapes and names as the views write them. The exact value belongs in the tooltip and on the clipboard. */
import { toNumber, type Numeric } from "../../src/protocol/results";

const MINUS = "\u2212";
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 20 });

/** What stands for a number that is not there. */
export const ABSENT = "–";

/**
 * A statistic: four significant digits, scientific below 1e-4 and above 1e5, integers below 1e5 in full.
 * `null` and `undefined` become an en dash; NaN and infinities are named.
 */
export function formatNumber(value: Numeric | null | undefined): string {
  if (value === null || value === undefined) return ABSENT;
  const x = toNumber(value);
  if (Number.isNaN(x)) return "NaN";
  const sign = x < 0 ? MINUS : "";
  const size = Math.abs(x);
  if (size === Infinity) return `${sign}∞`;
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e5) {
    const [digits, exponent] = size.toExponential(3).split("e") as [string, string];
    return `${sign}${digits}e${exponent.replace("+", "").replace("-", MINUS)}`;
  }
  if (Number.isInteger(size)) return sign + String(size);
  return sign + (size >= 1000 ? size.toFixed(0) : size.toPrecision(4));
}

/** The whole value, as a program reads it back; for tooltips and copying. */
export function formatExact(value: Numeric | null | undefined): string {
  return value === null || value === undefined ? ABSENT : String(value);
}

/** A whole number with thousands separators: `7,241,732,096`. Decimal strings beyond 2^53 keep every digit. */
export function formatInteger(value: Numeric): string {
  if (typeof value === "string" && /^-?\d+$/.test(value)) return grouped.format(BigInt(value));
  const x = toNumber(value);
  return Number.isFinite(x) ? grouped.format(x) : formatNumber(x);
}

/** A count: in full below 10,000, then `12.3 k`, `7.24 B`, `1.04 T`. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return formatNumber(value);
  if (Math.abs(value) < 10_000) return grouped.format(value);
  return scaled(value, 1000, ["", " k", " M", " B", " T", " Q"]);
}

/** Bytes in SI units: `512 B`, `90.2 MB`, `13.5 GB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return formatNumber(bytes);
  return scaled(bytes, 1000, [" B", " kB", " MB", " GB", " TB", " PB", " EB"]);
}

/** `4096 × 11008`; a tensor without axes is a scalar. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? "scalar" : shape.join(" × ");
}

/** A share in [0, 1] as per cent, never rounding something to nothing nor nearly all to all. */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return ABSENT;
  if (share === 0) return "0 %";
  if (share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(share === 1 ? 0 : 1)} %`;
}

/** Bytes per second. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** Seconds as a person says them: `0.8 s`, `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return ABSENT;
  if (seconds < 0.01) return "< 0.01 s";
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.0995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `1 tensor`, `499,860 tensors`, `1.20 M tensors`. */
export function plural(count: number, singular: string, many = `${singular}s`): string {
  return `${count < 1_000_000 ? grouped.format(count) : formatCount(count)} ${count === 1 ? singular : many}`;
}

/**
 * Hostile text made visible: control, format, private and unassigned characters, surrogates and odd spaces are written
 * as escapes, so that a name can neither hide characters nor turn the line around.
 */
export function visibleText(text: string): string {
  return /[^\x20-\x7e]/.test(text) ? text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, escapeCharacter) : text;
}

function escapeCharacter(character: string): string {
  const named: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };
  const code = character.codePointAt(0)!;
  return named[character] ?? (code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`);
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let size = Math.abs(value);
  let unit = 0;
  // 999.5 rounds to 1000 in three digits, which belongs to the next unit.
  while (unit + 1 < units.length && size >= base - 0.5) {
    size /= base;
    unit++;
  }
  const digits = Number.isInteger(size) && unit === 0 ? String(size) : size.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
  return (value < 0 ? MINUS : "") + digits + units[unit]!;
}
