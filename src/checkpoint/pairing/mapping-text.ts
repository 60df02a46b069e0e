/** A pairing as a mapping file: every pair that is not by equal name, layers folded into patterns where that says the same. */
import type { Checkpoint } from "../checkpoint";
import type { Layout } from "./layout";
import { asPattern } from "./name-pattern";
import type { Pairing } from "./pairing";

interface Line {
  a: string;
  b: string;
  layoutA: Layout | undefined;
  layoutB: Layout | undefined;
  /** The names have stars. */
  pattern?: true;
}

/** The text of a mapping file that pairs the two models as `pairing` does. */
export function mappingText({ pairs, rules, onlyInA, onlyInB }: Pairing, a: Checkpoint, b: Checkpoint): string {
  const [namesA, namesB] = [a, b].map(({ tensors }) => tensors.map(({ name }) => name)) as [string[], string[]];
  const lines = pairs.filter(({ rule }) => rule >= 0).map((pair): Line => ({ a: namesA[pair.a.tensor]!, b: namesB[pair.b.tensor]!, layoutA: pair.a.layout, layoutB: pair.b.layout }));
  const head = ["# Which tensors of the first model belong to which of the second.", ...rules.filter(({ pairs: count }) => count > 0).map(({ id, sentence }) => `# ${id}: ${sentence.replace(/\s+/g, " ")}`)];
  const body = lines.length === 0 ? ["pairs: []"] : ["pairs:", ...folded(lines, namesA).map(lineText)];
  const known = (names: readonly string[]): Set<string> => new Set(names);
  const [inA, inB] = [known(namesA), known(namesB)];
  // Only what another rule could pair has to be said: names that the other side has, too.
  const ignored = [["a", onlyInA.map((i) => namesA[i]!).filter((name) => inB.has(name))], ["b", onlyInB.map((i) => namesB[i]!).filter((name) => inA.has(name))]] as const;
  const tail = ignored.filter(([, names]) => names.length > 0).map(([side, names]) => `  ${side}: [${names.map(text).join(", ")}]`);
  return [...head, ...body, ...(tail.length === 0 ? [] : ["ignore:", ...tail]), ""].join("\n");
}

/** Lines that differ by numbers only become one with stars, where the stars would match no other tensor of A. */
function folded(lines: readonly Line[], names: readonly string[]): Line[] {
  const groups = new Map<string, Line[]>();
  for (const line of lines) {
    const [x, y] = [fold(line.a), fold(line.b)];
    const same = x.numbers.length > 0 && x.numbers.join(".") === y.numbers.join(".") && !/[*$\\/]/.test(line.a + line.b);
    const key = JSON.stringify([same ? x.pattern : line.a, same ? y.pattern : line.b, line.layoutA, line.layoutB, same]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [line]);
    else group.push(line);
  }
  const counts = new Map<string, number>();
  for (const name of names) {
    const { pattern } = fold(name);
    counts.set(pattern, (counts.get(pattern) ?? 0) + 1);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group as [Line];
    const { pattern } = fold(first.a);
    if (group.length === 1 || counts.get(pattern) !== group.length || matchesOthers(pattern, names, group.length)) return group;
    return [{ ...first, a: pattern, b: fold(first.b).pattern, pattern: true }];
  });
}

/** Whether a glob matches more names than it was made of: a star stands for words as well as for numbers. */
function matchesOthers(pattern: string, names: readonly string[], count: number): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.at(-1) ?? "";
  const parts = pattern.split(".").length;
  let matching = 0;
  for (const name of names) if (name.startsWith(head) && name.endsWith(tail) && name.split(".").length === parts) matching++;
  return matching > count;
}

function fold(name: string): { pattern: string; numbers: string[] } {
  const numbers: string[] = [];
  const pattern = name.length > 1000 ? name : name.replace(/(?<=^|\.)\d+(?=\.|$)/g, (number) => {
    numbers.push(number);
    return "*";
  });
  return { pattern, numbers };
}

function lineText({ a, b, layoutA, layoutB, pattern }: Line): string {
  const written = (name: string): string => (pattern === true ? JSON.stringify(name) : text(name));
  return `  - {a: ${sideText(written(a), layoutA)}, b: ${sideText(written(b), layoutB)}}`;
}

function sideText(name: string, layout: Layout | undefined): string {
  if (layout === undefined || Object.keys(layout).length === 0) return name;
  const { rows, ...rest } = layout;
  const said = Object.entries(rest).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  if (rows !== undefined) said.push(`rows: ${JSON.stringify([rows.start, rows.stop, ...(rows.run === undefined ? [] : [rows.run, rows.step])])}`, ...(rows.axis === undefined ? [] : [`axis: ${rows.axis}`]));
  return `{${[`name: ${name}`, ...said].join(", ")}}`;
}

/** In double quotes, as JSON, which YAML reads. */
function text(name: string): string {
  return JSON.stringify(asPattern(name));
}
