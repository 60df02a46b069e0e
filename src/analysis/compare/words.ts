/** Numbers and names as the summary has them. */
import { quote } from "../../checkpoint/quote";

export function dB(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)} dB` : "∞ dB";
}

/** A module by its name: without `.weight`; hostile text made visible. */
export function short(name: string): string {
  return quote(name.length > 7 && name.endsWith(".weight") ? name.slice(0, -7) : name).slice(1, -1);
}
