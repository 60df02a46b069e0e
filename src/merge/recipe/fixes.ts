/** Edits that add what is missing. */
import type { Fix, Place } from "../problem";
import type { Input, MergeDocument, ParameterTable } from "./recipe";

/** Gives `input` the parameter; undefined where the text is laid out in a way that an edit would not fit. */
export function addToInput(text: string, input: Input, name: string, value: string): Fix | undefined {
  const title = `Add ${name}: ${value}`;
  const before = beforeFirst(text, input.parameters, name, value);
  if (before !== undefined) return { title, ...before };
  const line = lineAt(text, input.model.at.line);
  const after = line.slice(input.model.at.endColumn - 1);
  if (input.model.at.line !== input.model.at.endLine) return undefined;
  // {model: a} and {model: a, …}
  if (/^\s*[,}]/.test(after)) return { title, at: pointAt(input.model.at), text: `, parameters: {${name}: ${value}}` };
  const key = /^(\s*(?:-\s+)*)model\s*:/.exec(line.slice(0, input.model.at.column - 1));
  if (key === null || !/^\s*(?:#.*)?$/.test(after)) return undefined;
  const indent = " ".repeat(key[1]!.length);
  return { title, at: { ...pointAt(input.model.at), column: line.length + 1, endColumn: line.length + 1 }, text: `\n${indent}parameters:\n${indent}  ${name}: ${value}` };
}

/** Gives the merge the parameter. */
export function addToDocument(text: string, document: MergeDocument, name: string, value: string): Fix | undefined {
  const title = `Add ${name}: ${value}`;
  const before = beforeFirst(text, document.parameters, name, value);
  if (before !== undefined) return { title, ...before };
  return addKey(text, document, `parameters:\n  ${name}: ${value}`, title);
}

/** Adds lines to a document that is written as a block, before its merge_method. */
export function addKey(text: string, { method }: MergeDocument, lines: string, title: string): Fix | undefined {
  if (method === null || !lineAt(text, method.at.line).startsWith("merge_method")) return undefined;
  const { line } = method.at;
  return { title, at: { line, column: 1, endLine: line, endColumn: 1 }, text: `${lines}\n` };
}

function beforeFirst(text: string, table: ParameterTable, name: string, value: string): Omit<Fix, "title"> | undefined {
  const [first] = Object.values(table).sort((a, b) => a.name.line - b.name.line || a.name.column - b.name.column);
  if (first === undefined) return undefined;
  const { line, column } = first.name;
  const at = { line, column, endLine: line, endColumn: column };
  const ahead = lineAt(text, line).slice(0, column - 1);
  return /[{,]\s*$/.test(ahead) ? { at, text: `${name}: ${value}, ` } : { at, text: `${name}: ${value}\n${" ".repeat(column - 1)}` };
}

function pointAt({ endLine, endColumn }: Place): Place {
  return { line: endLine, column: endColumn, endLine, endColumn };
}

/** A line of the text, from 1, without its end. */
export function lineAt(text: string, line: number): string {
  let start = 0;
  for (let i = 1; i < line; i++) {
    const end = text.indexOf("\n", start);
    if (end === -1) return "";
    start = end + 1;
  }
  const end = text.indexOf("\n", start);
  return text.slice(start, end === -1 ? undefined : end).replace(/\r$/, "");
}
