/** The table behind a plot as text: CSV (RFC 4180), TSV for the clipboard, JSON. */
import type { PlotColumn } from "./types";

export type TableCell = number | string | null;

/** Number of rows: that of the longest column. */
export function rowCount(columns: readonly PlotColumn[]): number {
  return columns.reduce((most, column) => Math.max(most, column.values.length), 0);
}

/**
 * RFC 4180, with a header line and CRLF. Numbers are written in full. Text that a spreadsheet would run as a formula is
 * prefixed with an apostrophe, as OWASP advises: names come from files of strangers.
 */
export function toCsv(columns: readonly PlotColumn[]): string {
  return delimited(columns, ",", "\r\n", quoteCsv);
}

/** Tab separated, for pasting into a spreadsheet; tabs and line ends inside a cell become spaces. */
export function toTsv(columns: readonly PlotColumn[]): string {
  return delimited(columns, "\t", "\n", (cell) => plain(cell).replace(/[\t\r\n]+/g, " "));
}

/** An array with one object per row. */
export function toJson(columns: readonly PlotColumn[]): string {
  const rows: Record<string, TableCell>[] = [];
  for (let i = 0; i < rowCount(columns); i++) {
    rows.push(Object.fromEntries(columns.map((column) => [column.name, jsonCell(column.values[i] ?? null)])));
  }
  return `${JSON.stringify(rows, null, 1)}\n`;
}

function delimited(columns: readonly PlotColumn[], separator: string, lineEnd: string, write: (cell: TableCell) => string): string {
  const lines = [columns.map((column) => write(column.name)).join(separator)];
  for (let i = 0; i < rowCount(columns); i++) lines.push(columns.map((column) => write(column.values[i] ?? null)).join(separator));
  return lines.join(lineEnd) + lineEnd;
}

function jsonCell(cell: TableCell): TableCell {
  return typeof cell === "number" && !Number.isFinite(cell) ? String(cell) : cell;
}

function plain(cell: TableCell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  return /^[=+\-@\t\r]/.test(cell) && !isNumeral(cell) ? `'${cell}` : cell;
}

function isNumeral(text: string): boolean {
  return /^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|Infinity)$/.test(text);
}

function quoteCsv(cell: TableCell): string {
  const text = plain(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
