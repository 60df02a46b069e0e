/**
 * Where in a recipe the cursor stands, told from the lines above by their indentation: while someone types, the text is often no valid YAML.
 * A list in a path is `[]`: `["models", "[]", "parameters"]`.
 */
import type { Position, Range } from "vscode-languageserver";

export interface Cursor {
  /** Keys from the outside in, that of the value the cursor is in not among them. */
  path: string[];
  /** The key whose value the cursor is in; null on a key. */
  key: string | null;
  /** The word that the cursor is in, up to it and whole. */
  prefix: string;
  word: string;
  /** Of the word. */
  range: Range;
  /** What the text around has on this line, in braces or not: other keys of the same mapping that stand on it. */
  line: string;
  /** In `{…}` or `[…]`. */
  flow: boolean;
}

interface Element {
  kind: "item" | "key";
  column: number;
  key: string;
  /** Where the value starts, and whether something stands there. */
  value: number;
  filled: boolean;
}

/** A recipe may have ten thousand lines; nothing stands deeper than this below what holds it. */
const MOST_LINES = 12_000;

export function cursorAt(lines: readonly string[], { line, character }: Position): Cursor {
  const text = lines[line] ?? "";
  const before = text.slice(0, character);
  const own = elements(text).filter(({ column }) => column <= character);
  const last = own.at(-1);
  const inValue = last?.kind === "key" && character >= last.value;
  const around = inValue ? own : own.filter((element) => element.kind === "item" && element.column < character);
  const start = inValue ? last.value : around.at(-1)?.kind === "item" ? around.at(-1)!.value : /^\s*/.exec(before)![0].length;
  const path: string[] = [];
  let at: { kind: "item" | "key" | "cursor"; column: number } = { kind: "cursor", column: inValue ? last.column : start };
  const climb = (found: readonly Element[]): void => {
    for (const element of [...found].reverse()) {
      const parent = element.kind === "key" ? !element.filled && (at.kind === "item" ? element.column <= at.column : element.column < at.column) : element.column < at.column;
      if (!parent) continue;
      path.unshift(element.kind === "item" ? "[]" : element.key);
      at = { kind: element.kind, column: element.column };
    }
  };
  climb(inValue ? own.slice(0, -1) : around);
  for (let i = line - 1; i >= Math.max(0, line - MOST_LINES) && at.column >= 0; i--) {
    const above = lines[i]!;
    if (/^(?:---|\.\.\.)(?:\s|$)/.test(above)) break;
    if (/^\s*(?:#|$)/.test(above)) continue;
    climb(elements(above));
    if (at.column === 0 && at.kind === "key") break;
  }
  const flow = inFlow(text.slice(start, character), inValue ? last.key : null);
  const where = flow ?? { path: [], key: inValue ? last.key : null, start: 0 };
  const wordStart = start + where.start;
  const rest = /^[^,\]}#]*/.exec(text.slice(character))![0];
  const word = (text.slice(wordStart, character) + (flow === null ? text.slice(character).replace(/\s+#.*$/, "") : rest)).trimEnd();
  return {
    path: [...path, ...(flow === null || !inValue ? [] : [last.key]), ...where.path],
    key: where.key,
    prefix: text.slice(wordStart, character),
    word,
    range: { start: { line, character: wordStart }, end: { line, character: Math.max(character, wordStart + word.length) } },
    line: text,
    flow: flow !== null,
  };
}

/** Dashes and the key of a line. */
function elements(line: string): Element[] {
  const found: Element[] = [];
  let column = /^ */.exec(line)![0].length;
  for (let dash = /^-(?: +|$)/.exec(line.slice(column)); dash !== null; dash = /^-(?: +|$)/.exec(line.slice(column))) {
    found.push({ kind: "item", column, key: "", value: column + dash[0].length, filled: false });
    column += dash[0].length;
  }
  const key = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#{["'][^#{[]*?)\s*:(?:\s+|$)/.exec(line.slice(column));
  if (key === null) return found;
  const value = column + key[0].length;
  const rest = line.slice(value).replace(/(?:^|\s)#.*$/, "").replace(/^[&!]\S+\s*/, "");
  found.push({ kind: "key", column, key: key[1]!.replace(/^(["'])(.*)\1$/, "$2"), value, filled: rest.trim() !== "" });
  return found;
}

/** Keys within braces and brackets that are open at the end of `text`; null where none is. */
function inFlow(text: string, outer: string | null): { path: string[]; key: string | null; start: number } | null {
  const open: { list: boolean; key: string | null; start: number }[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    const top = open.at(-1);
    if ((c === '"' || c === "'") && /[\s,[{:]/.test(text[i - 1] ?? " ")) {
      const end = text.indexOf(c, i + 1);
      if (end === -1) break;
      i = end;
    } else if (c === "{" || c === "[") open.push({ list: c === "[", key: null, start: i + 1 });
    else if (c === "}" || c === "]") open.pop();
    else if (top === undefined) continue;
    else if (c === ",") {
      top.key = null;
      top.start = i + 1;
    } else if (c === ":" && !top.list && top.key === null && (text[i + 1] === " " || i + 1 === text.length)) {
      top.key = text.slice(top.start, i).trim();
      top.start = i + 1;
    }
  }
  const top = open.at(-1);
  if (top === undefined) return null;
  const path: string[] = [];
  for (const [i, { list, key }] of open.entries()) {
    const innermost = i === open.length - 1;
    if (list) path.push("[]");
    if (key !== null && !innermost) path.push(key);
  }
  const start = top.start + /^\s*/.exec(text.slice(top.start))![0].length;
  // In a list of values the key is the one that the list is of.
  const key = top.list ? (open.at(-2)?.key ?? outer) : top.key;
  return { path, key: top.list ? key : top.key, start };
}
