/** Which part of a matrix a heat map shows, and how zooming and panning change it. Pure geometry in element units. */
import type { Window } from "../../src/engine/protocol";

/** Half-open, fractional: the visible part of rows × columns. */
export interface Viewport {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/** The matrix and the pixels it is shown on. */
export interface Frame {
  rows: number;
  columns: number;
  /** CSS pixels of the drawing area. */
  width: number;
  height: number;
}

/** A cell is never larger than this unless the whole matrix is smaller: large enough to hold its number. */
export const CELL = { width: 64, height: 22 } as const;
/** From this size on a cell shows its number. */
export const READABLE = { width: 44, height: 15 } as const;

export function fit({ rows, columns }: Frame): Viewport {
  return { top: 0, bottom: rows, left: 0, right: columns };
}

/** The span after zooming by `factor` (> 1 zooms in), between one screen of full-size cells and everything. */
function span(now: number, total: number, factor: number, pixels: number, cell: number): number {
  const least = Math.min(total, Math.max(1, pixels / cell));
  return Math.min(total, Math.max(least, now / factor));
}

/** [start, start + length] moved into [0, total]. */
function shift(start: number, length: number, total: number): [number, number] {
  const from = Math.min(Math.max(0, start), total - length);
  return [from, from + length];
}

/** Zooms by `factor` with the point at the fractions (fx, fy) of the drawing area staying where it is. */
export function zoomAt(view: Viewport, frame: Frame, fx: number, fy: number, factor: number): Viewport {
  const width = span(view.right - view.left, frame.columns, factor, frame.width, CELL.width);
  const height = span(view.bottom - view.top, frame.rows, factor, frame.height, CELL.height);
  const [left, right] = shift(view.left + fx * (view.right - view.left - width), width, frame.columns);
  const [top, bottom] = shift(view.top + fy * (view.bottom - view.top - height), height, frame.rows);
  return { top, bottom, left, right };
}

/** Moves by fractions of what is visible. */
export function pan(view: Viewport, frame: Frame, fx: number, fy: number): Viewport {
  const [left, right] = shift(view.left + fx * (view.right - view.left), view.right - view.left, frame.columns);
  const [top, bottom] = shift(view.top + fy * (view.bottom - view.top), view.bottom - view.top, frame.rows);
  return { top, bottom, left, right };
}

/** The same part within a frame of another size or matrix. */
export function refit(view: Viewport, frame: Frame): Viewport {
  return zoomAt({ top: view.top, bottom: Math.min(view.bottom, frame.rows), left: view.left, right: Math.min(view.right, frame.columns) }, frame, 0, 0, 1);
}

/** The whole elements that are at least partly visible. */
export function visibleWindow(view: Viewport, { rows, columns }: Frame): Window {
  return {
    rowStart: Math.max(0, Math.floor(view.top)),
    rowStop: Math.min(rows, Math.ceil(view.bottom)),
    columnStart: Math.max(0, Math.floor(view.left)),
    columnStop: Math.min(columns, Math.ceil(view.right)),
  };
}

/** CSS pixels of one element. */
export function cellSize(view: Viewport, { width, height }: Frame): { width: number; height: number } {
  return { width: width / (view.right - view.left), height: height / (view.bottom - view.top) };
}

/** True when cells are large enough to be read as numbers. */
export function readable(view: Viewport, frame: Frame): boolean {
  const cell = cellSize(view, frame);
  return cell.width >= READABLE.width && cell.height >= READABLE.height;
}

/** The first element and the one past the last that pixel `index` of `pixels` covers when `length` elements are pooled. */
export function pooledRange(index: number, pixels: number, start: number, length: number): [number, number] {
  return [start + Math.floor((index * length) / pixels), start + Math.max(Math.floor((index * length) / pixels) + 1, Math.floor(((index + 1) * length) / pixels))];
}
