/** The shape of a recipe: symbols, folds, and what can be done with each document. */
import { FoldingRangeKind, SymbolKind, type CodeLens, type DocumentSymbol, type FoldingRange } from "vscode-languageserver";
import { labelOf } from "../merge/plan/inputs";
import type { Place } from "../merge/problem";
import type { Body, Input, MergeDocument } from "../merge/recipe/recipe";
import { MERGE_COMMANDS } from "../protocol/merge";
import { rangeOf } from "./places";
import type { RecipeState } from "./recipe-state";

export function symbols({ recipe: { documents }, lines }: RecipeState): DocumentSymbol[] {
  return documents.map((document, i) => {
    const { name, method, at, body, base } = document;
    const range = trimmed(at, lines);
    return {
      name: name?.value ?? (documents.length === 1 ? (method?.value ?? "recipe") : `document ${i + 1}`),
      ...(method === null ? {} : { detail: method.value }),
      kind: SymbolKind.Module,
      range: rangeOf(range),
      selectionRange: rangeOf(within(name?.at ?? method?.at ?? range, range)),
      children: [...(base === null ? [] : [symbol(labelOf(base.value), "base", SymbolKind.Constant, base.at, base.at)]), ...bodySymbols(body, lines)],
    };
  });
}

function bodySymbols(body: Body | null, lines: readonly string[]): DocumentSymbol[] {
  switch (body?.form) {
    case undefined:
      return [];
    case "models":
      return body.inputs.map((input) => inputSymbol(input, lines));
    case "slices":
      return body.slices.map((slice, i) => symbol(`slice ${i + 1}`, slice.sources[0]?.layerRange == null ? "" : layersIn(slice.sources[0]), SymbolKind.Array, trimmed(slice.at, lines), slice.at, slice.sources.map((source) => inputSymbol(source, lines))));
    case "modules":
      return body.modules.map(({ name, body }) => ({ ...symbol(name.value, "module", SymbolKind.Namespace, name.at, name.at), children: bodySymbols(body, lines) }));
  }
}

function inputSymbol(input: Input, lines: readonly string[]): DocumentSymbol {
  return symbol(labelOf(input.model.value), layersIn(input), SymbolKind.Class, trimmed(input.at, lines), input.model.at);
}

function layersIn({ layerRange }: Input): string {
  return layerRange === null ? "" : `layers ${layerRange.value[0]} … ${layerRange.value[1] - 1}`;
}

function symbol(name: string, detail: string, kind: SymbolKind, place: Place, selected: Place, children: DocumentSymbol[] = []): DocumentSymbol {
  return { name: name === "" ? "–" : name, detail, kind, range: rangeOf(place), selectionRange: rangeOf(within(selected, place)), children };
}

/** A selection must lie in its symbol. */
function within(place: Place, around: Place): Place {
  const before = place.line < around.line || (place.line === around.line && place.column < around.column);
  const after = place.endLine > around.endLine || (place.endLine === around.endLine && place.endColumn > around.endColumn);
  return before || after ? { ...around, endLine: around.line, endColumn: around.endLine === around.line ? around.endColumn : around.column } : place;
}

/** Without the line ends and blanks that a block ends with. */
function trimmed(place: Place, lines: readonly string[]): Place {
  let end = place.endLine;
  if (place.endColumn === 1 && end > place.line) end--;
  while (end > place.line && (lines[end - 1] ?? "").trim() === "") end--;
  return end === place.endLine ? place : { ...place, endLine: end, endColumn: (lines[end - 1] ?? "").length + 1 };
}

/** Blocks by indentation, documents, runs of comments. */
export function folds({ lines }: Pick<RecipeState, "lines">): FoldingRange[] {
  const ranges: FoldingRange[] = [];
  const open: { line: number; indent: number }[] = [];
  let lastFilled = -1;
  let comments: number | null = null;
  let documentStart: number | null = null;
  const close = (indent: number): void => {
    while (open.length > 0 && open.at(-1)!.indent >= indent) {
      const { line } = open.pop()!;
      if (lastFilled > line) ranges.push({ startLine: line, endLine: lastFilled });
    }
  };
  const endComments = (line: number): void => {
    if (comments !== null && line - comments > 1) ranges.push({ startLine: comments, endLine: line - 1, kind: FoldingRangeKind.Comment });
    comments = null;
  };
  const several = lines.some((line) => /^---(?:\s|$)/.test(line));
  const endDocument = (): void => {
    if (several && documentStart !== null && lastFilled > documentStart) ranges.push({ startLine: documentStart, endLine: lastFilled, kind: FoldingRangeKind.Region });
    documentStart = null;
  };
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") {
      endComments(i);
      continue;
    }
    if (/^\s*#/.test(line)) {
      comments ??= i;
      continue;
    }
    endComments(i);
    if (/^(?:---|\.\.\.)(?:\s|$)/.test(line)) {
      close(0);
      endDocument();
      continue;
    }
    // A list may stand as far left as its key: its dashes are inside.
    const indent = 2 * /^ */.exec(line)![0].length + (/^ *- /.test(line) ? 1 : 0);
    close(indent);
    documentStart ??= i;
    open.push({ line: i, indent });
    lastFilled = i;
  }
  endComments(lines.length);
  close(0);
  endDocument();
  // A document's first block may end where the document does.
  const seen = new Set<string>();
  return ranges.filter(({ startLine, endLine }) => !seen.has(`${startLine} ${endLine}`) && seen.add(`${startLine} ${endLine}`)).sort((a, b) => a.startLine - b.startLine || b.endLine - a.endLine);
}

/** Run, preview and estimate, above each document. */
export function lenses({ recipe: { documents }, uri }: RecipeState): CodeLens[] {
  return documents.flatMap((document: MergeDocument, i) => {
    const { line } = document.at;
    const range = rangeOf({ line, column: 1, endLine: line, endColumn: 1 });
    const lens = (title: string, command: string, tooltip: string): CodeLens => ({ range, command: { title, command, tooltip, arguments: [uri, i] } });
    return [lens("$(play) Run", MERGE_COMMANDS.run, "Merges into a folder"), lens("$(eye) Preview", MERGE_COMMANDS.preview, "Shows what the merge would do, without writing"), lens("$(dashboard) Estimate", MERGE_COMMANDS.estimate, "Output size, disk, memory and time, from the headers")];
  });
}
