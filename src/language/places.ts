/** Places of recipes (from 1) and ranges of the protocol (from 0). */
import type { Position, Range } from "vscode-languageserver";
import type { Place } from "../merge/problem";

export function rangeOf({ line, column, endLine, endColumn }: Place): Range {
  return { start: { line: line - 1, character: column - 1 }, end: { line: endLine - 1, character: endColumn - 1 } };
}

/** Whether the position lies in the place or at its end. */
export function holds({ line, column, endLine, endColumn }: Place, { line: at, character }: Position): boolean {
  const [l, c] = [at + 1, character + 1];
  return (l > line || (l === line && c >= column)) && (l < endLine || (l === endLine && c <= endColumn));
}

/** The first line of a place that spans several, so that not half a recipe is underlined. */
export function firstLine(place: Place, lineLength: number): Place {
  return place.endLine === place.line ? place : { ...place, endLine: place.line, endColumn: Math.max(place.column + 1, lineLength + 1) };
}
