/** Numbers and names as people read them in a terminal. */
import { toNumber, type Numeric } from "../protocol/results";

/** Four significant digits; scientific below 1e-4 and from 1e5. */
export function number(value: Numeric): string {
  const x = toNumber(value);
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const magnitude = Math.abs(x);
  const scientific = magnitude < 1e-4 || magnitude >= 99_999.5;
  const text = scientific ? x.toExponential(3).replace("e+", "e") : magnitude >= 999.95 ? x.toFixed(0) : x.toPrecision(4);
  return text.replace(/^-/, "−");
}

/** With thousands separators. */
export function integer(value: number): string {
  return value.toLocaleString("en-US");
}

const SI = ["", "K", "M", "B", "T"];

/** `16248` as `16.2 K`, in thousands, millions, billions and trillions. */
export function count(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < SI.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return unit === 0 ? String(value) : `${scaled.toPrecision(3)} ${SI[unit]}`;
}

const BYTES = ["B", "kB", "MB", "GB", "TB", "PB"];

/** In decimal units, three significant digits. */
export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < BYTES.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : scaled.toPrecision(3)} ${BYTES[unit]}`;
}

/** `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function shape(axes: readonly number[]): string {
  return axes.length === 0 ? "scalar" : axes.join(" × ");
}

/** What a terminal would act on instead of showing: controls, line separators, bidirectional and invisible marks. */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Text from a file with what a terminal would act on made visible. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
