/** Findings, and how numbers were made, for people. */
import type { Finding, How } from "../protocol/results";
import { integer, printable } from "./format";
import type { Style } from "./terminal";

export function howText({ method, precision, exact, backend, threads }: How): string {
  return `${method}, ${precision}, ${exact ? "exact" : "approximate"}, ${backend}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

const WORD = { error: "error", warning: "warning", info: "note" } as const;

/** A rule that fires for every tensor of a model would bury the others. */
const SHOWN_PER_RULE = 10;

/** The findings by severity and rule, under a line with their number; nothing for none. */
export function findings(list: readonly Finding[], style: Style): string[] {
  if (list.length === 0) return [];
  const colour = { error: style.red, warning: style.yellow, info: style.faint };
  const width = Math.max(...list.map(({ severity }) => WORD[severity].length));
  const lines = [style.bold(`${list.length} ${list.length === 1 ? "finding" : "findings"}`)];
  const groups = new Map<string, Finding[]>();
  for (const finding of list) {
    const key = `${finding.severity} ${finding.rule}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [finding]);
    else group.push(finding);
  }
  for (const group of groups.values()) {
    const { severity, rule } = group[0]!;
    const word = colour[severity](WORD[severity].padEnd(width));
    const shown = group.length > SHOWN_PER_RULE ? group.slice(0, SHOWN_PER_RULE - 1) : group;
    for (const { tensor, message } of shown) {
      const where = tensor === undefined || message.includes(tensor) ? "" : `${printable(tensor)}: `;
      lines.push(`  ${word}  ${where}${printable(message)} ${style.faint(`[${rule}]`)}`);
    }
    if (shown.length < group.length) lines.push(`  ${word}  and ${integer(group.length - shown.length)} more; --json lists them all ${style.faint(`[${rule}]`)}`);
  }
  return lines;
}
