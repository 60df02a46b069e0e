/** Along which lines a change is drawn: rows, columns, and the heads or blocks that lie along one of them. */
import { kindOf } from "../../src/checkpoint/structure";
import type { DifferenceResult } from "../../src/engine/protocol";
import type { AttentionHeads } from "../../src/protocol/compare";
import type { Structure } from "../../src/protocol/results";
import type { Entry } from "./entries";
import { decodeLines, grouped, type Lines } from "./lines";
import { matrixShape } from "./entry-requests";

export interface Drawn {
  /** "row" */
  word: string;
  many: string;
  lines: Lines;
  /** Lines that the structure of the change names. */
  marked: readonly number[];
}

/** Rows and columns, and the heads or blocks that lie along one of them. */
export function stripsOf(result: DifferenceResult, { a, shape, name }: Pick<Entry, "a" | "shape" | "name">, structure: Structure | undefined, heads: AttentionHeads | null): Drawn[] {
  if (result.rows === undefined || result.columns === undefined) return [];
  const { rows, columns } = matrixShape(shape);
  const axes = [decodeLines(result.rows, columns), decodeLines(result.columns, rows)] as const;
  const named = (kind: Structure["kind"]): readonly number[] => (structure?.kind === kind ? structure.indices ?? [] : []);
  const stacked = shape.length === 3 && /(^|[._])experts?([._]|$)/.test(name);
  const strips: Drawn[] = [];
  if (rows > 1) strips.push({ word: stacked ? "expert" : "row", many: stacked ? "experts" : "rows", lines: axes[0], marked: named("rows") });
  if (columns > 1) strips.push({ word: "column", many: "columns", lines: axes[1], marked: named("columns") });
  const kind = kindOf(a?.name ?? name, shape);
  const lies = kind === "o" ? 1 : kind === "q" || kind === "k" || kind === "v" ? 0 : null;
  const found = structure?.kind === "heads" || structure?.kind === "blocks" ? structure : undefined;
  const group = found?.size !== undefined ? { size: found.size, axis: found.axis ?? 0, word: found.kind === "heads" ? "head" : "block" }
    : heads !== null && lies !== null ? { size: heads.size, axis: lies, word: "head" } : null;
  const along = group === null ? null : axes[group.axis === 1 ? 1 : 0];
  if (group !== null && along !== null && group.size > 0 && along.squares.length > group.size) {
    strips.unshift({ word: group.word, many: `${group.word}s`, lines: grouped(along, group.size), marked: found?.indices ?? [] });
  }
  return strips;
}
