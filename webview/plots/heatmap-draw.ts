/** Draws a heat map on a canvas: the picture, axes, colour bar, and numbers where there is room for them. */
import type { Numeric } from "../../src/protocol/results";
import { toNumber } from "../../src/protocol/results";
import { formatNumber } from "../ui/format";
import { css, entry, lightness, MAP_SIZE } from "./colour";
import { paint, shade, type Picture, type Pooling } from "./heatmap-picture";
import { cellSize, type Frame, type Viewport } from "./heatmap-view";
import { indexTicks } from "./scale";
import type { Theme } from "./theme";

export const MARGIN = { left: 48, top: 4, right: 8, bottom: 46 } as const;

export interface Scene {
  frame: Frame;
  view: Viewport;
  picture: Picture | null;
  /** Exact values of a window, drawn as numbers. */
  values: { rowStart: number; columnStart: number; rows: Numeric[][] } | null;
  pooling: Pooling;
  limit: number;
  look: Theme;
}

/** Draws the scene on a context whose unit is the CSS pixel. */
export function drawHeatmap(context: CanvasRenderingContext2D, scene: Scene): void {
  const { frame, look } = scene;
  context.save();
  context.clearRect(0, 0, frame.width + MARGIN.left + MARGIN.right, frame.height + MARGIN.top + MARGIN.bottom);
  context.font = `${look.fontSize}px ${look.font}`;
  context.translate(MARGIN.left, MARGIN.top);
  context.save();
  context.beginPath();
  context.rect(0, 0, frame.width, frame.height);
  context.clip();
  if (scene.picture !== null) {
    hatch(context, scene);
    drawPicture(context, scene, scene.picture);
  }
  if (scene.values !== null) drawValues(context, scene, scene.values);
  context.restore();
  drawAxes(context, scene);
  if (scene.picture !== null) drawColourBar(context, scene);
  context.restore();
}

/** Element coordinates → pixels of the drawing area. */
function projection({ view, frame }: Scene): { x: (column: number) => number; y: (row: number) => number } {
  return {
    x: (column) => ((column - view.left) / (view.right - view.left)) * frame.width,
    y: (row) => ((row - view.top) / (view.bottom - view.top)) * frame.height,
  };
}

function drawPicture(context: CanvasRenderingContext2D, scene: Scene, picture: Picture): void {
  const { x, y } = projection(scene);
  const { window } = picture;
  context.imageSmoothingEnabled = false;
  const left = x(window.columnStart);
  const top = y(window.rowStart);
  context.drawImage(bitmap(scene, picture), left, top, x(window.columnStop) - left, y(window.rowStop) - top);
}

interface Bitmap {
  canvas: HTMLCanvasElement;
  picture: Picture;
  pooling: Pooling;
  limit: number;
  look: Theme;
}
/** The last ones drawn, the latest first: as many as heat maps stand side by side. */
const kept: Bitmap[] = [];
const MOST_KEPT = 4;

/** The coloured picture; panning draws the same one again and again. */
function bitmap({ pooling, limit, look }: Scene, picture: Picture): HTMLCanvasElement {
  const known = kept.find((one) => one.picture === picture && one.pooling === pooling && one.limit === limit && one.look === look);
  if (known !== undefined) return known.canvas;
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(picture.width, picture.height);
  paint(picture, pooling, limit, pooling === "abs" ? look.sequential : look.diverging, image.data);
  context.putImageData(image, 0, 0);
  kept.unshift({ canvas, picture, pooling, limit, look });
  kept.length = Math.min(kept.length, MOST_KEPT);
  return canvas;
}

/** What shines through where no element is finite. */
function hatch(context: CanvasRenderingContext2D, { frame, look, picture }: Scene): void {
  if (picture === null || picture.nonFinite === 0) return;
  context.strokeStyle = look.error;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = -frame.height; at < frame.width; at += 6) {
    context.moveTo(at, frame.height);
    context.lineTo(at + frame.height, 0);
  }
  context.stroke();
}

function drawValues(context: CanvasRenderingContext2D, scene: Scene, values: NonNullable<Scene["values"]>): void {
  const { x, y } = projection(scene);
  const cell = cellSize(scene.view, scene.frame);
  const map = scene.pooling === "abs" ? scene.look.sequential : scene.look.diverging;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `${Math.min(scene.look.fontSize, cell.height - 3)}px ${scene.look.monospace}`;
  values.rows.forEach((row, i) => row.forEach((cellValue, j) => {
    const value = toNumber(cellValue);
    const index = entry(shade(value, scene.pooling, scene.limit));
    const background = Number.isFinite(value) ? lightness([map[3 * index]!, map[3 * index + 1]!, map[3 * index + 2]!]) : scene.look.dark ? 0 : 1;
    const left = x(values.columnStart + j);
    const top = y(values.rowStart + i);
    context.fillStyle = background > 0.6 ? "#000" : "#fff";
    context.fillText(formatNumber(scene.pooling === "abs" && Number.isFinite(value) ? Math.abs(value) : cellValue), left + cell.width / 2, top + cell.height / 2, cell.width - 4);
  }));
  if (scene.look.highContrast) {
    context.strokeStyle = scene.look.grid;
    context.lineWidth = 1;
    values.rows.forEach((row, i) => row.forEach((_, j) => context.strokeRect(x(values.columnStart + j), y(values.rowStart + i), cell.width, cell.height)));
  }
}

function drawAxes(context: CanvasRenderingContext2D, scene: Scene): void {
  const { frame, view, look } = scene;
  const { x, y } = projection(scene);
  const cell = cellSize(view, frame);
  context.strokeStyle = look.border;
  context.lineWidth = 1;
  context.strokeRect(-0.5, -0.5, frame.width + 1, frame.height + 1);
  context.fillStyle = look.muted;
  context.textBaseline = "middle";
  context.textAlign = "right";
  // A tick stands in the middle of its cell, which matters once cells are wide.
  for (const row of indexTicks(Math.ceil(view.top), Math.floor(view.bottom - 0.5), Math.max(2, Math.floor(frame.height / 26)))) {
    context.fillText(String(row), -5, y(row) + cell.height / 2);
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const column of indexTicks(Math.ceil(view.left), Math.floor(view.right - 0.5), Math.max(2, Math.floor(frame.width / 64)))) {
    context.fillText(String(column), x(column) + cell.width / 2, frame.height + 5);
  }
}

function drawColourBar(context: CanvasRenderingContext2D, { frame, pooling, limit, look }: Scene): void {
  const map = pooling === "abs" ? look.sequential : look.diverging;
  const width = Math.min(180, frame.width * 0.5);
  const left = (frame.width - width) / 2;
  const top = frame.height + 28;
  for (let i = 0; i < MAP_SIZE; i++) {
    context.fillStyle = css(map, i);
    context.fillRect(left + (i * width) / MAP_SIZE, top, width / MAP_SIZE + 1, 8);
  }
  context.strokeStyle = look.border;
  context.strokeRect(left - 0.5, top - 0.5, width + 1, 9);
  context.fillStyle = look.muted;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillText(pooling === "abs" ? "0" : formatNumber(-limit), left - 6, top + 4);
  context.textAlign = "left";
  context.fillText(formatNumber(limit), left + width + 6, top + 4);
}
