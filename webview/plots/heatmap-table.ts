/** The table behind a heat map: a grid of exact values when they are shown, else what each pixel pools. */
import type { Shown } from "./heatmap-source";
import { pooledRange } from "./heatmap-view";
import type { PlotColumn } from "./types";

export function heatmapTable({ picture, values }: Shown): PlotColumn[] {
  const { window, height, width } = picture;
  if (values !== null) {
    return [
      { name: "row", values: values.rows.map((_, i) => window.rowStart + i) },
      ...Array.from({ length: width }, (_, j) => ({ name: String(window.columnStart + j), values: values.rows.map((row) => row[j] ?? null) })),
    ];
  }
  const rows = window.rowStop - window.rowStart;
  const columns = window.columnStop - window.columnStart;
  const pixels = Array.from({ length: height * width }, (_, i) => i);
  const row = (i: number): [number, number] => pooledRange(Math.floor(i / width), height, window.rowStart, rows);
  const column = (i: number): [number, number] => pooledRange(i % width, width, window.columnStart, columns);
  return [
    { name: "row from", values: pixels.map((i) => row(i)[0]) },
    { name: "row to", values: pixels.map((i) => row(i)[1] - 1) },
    { name: "column from", values: pixels.map((i) => column(i)[0]) },
    { name: "column to", values: pixels.map((i) => column(i)[1] - 1) },
    { name: "min", values: [...picture.min] },
    { name: "mean", values: [...picture.mean] },
    { name: "max", values: [...picture.max] },
  ];
}
