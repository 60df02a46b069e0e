/** How messages show what comes from a file: hostile text made visible and short, numbers with separators. */

const LONGEST = 120;

/** What a terminal or a label would act on instead of showing: C1 controls, DEL, line separators, bidirectional marks. */
const INVISIBLE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** `text` in double quotes, with controls escaped as in JSON and at most 120 characters of it. */
export function quote(text: string): string {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return JSON.stringify(shown).replace(INVISIBLE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `1234567` as `1,234,567`. */
export function grouped(value: number | bigint): string {
  return value.toLocaleString("en-US");
}
