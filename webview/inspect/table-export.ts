/** The table of tensors as text. CSV and TSV hold the columns shown; JSON has the shape of the command line's `tensors`. */
import type { PlotColumn } from "../plots/types";
import { toCsv, toTsv } from "../plots/table-data";
import { columnById, parametersOf } from "./columns";
import type { InspectStore } from "./store";

export function tableCsv(store: InspectStore, tensors: readonly number[], columns: readonly string[]): string {
  return toCsv(plotColumns(store, tensors, columns));
}

export function tableTsv(store: InspectStore, tensors: readonly number[], columns: readonly string[]): string {
  return toTsv(plotColumns(store, tensors, columns));
}

/** Each tensor with its structure and, where known, its statistics and spectrum, as `weight-loupe inspect --json` prints them. */
export function tableJson(store: InspectStore, tensors: readonly number[]): string {
  const rows = store.rows.peek();
  const results = store.results.peek();
  const files = store.overview.peek()?.files ?? [];
  const list = tensors.map((tensor) => {
    const { file, ...row } = rows[tensor]!;
    const { statistics, spectrum } = results.get(tensor) ?? {};
    return {
      name: row.name, dtype: row.dtype, shape: row.shape, parameters: parametersOf(row.shape), bytes: row.bytes,
      file: files[file]?.path ?? "", offset: row.offset,
      ...(row.sharedWith === undefined ? {} : { sharedWith: row.sharedWith }),
      ...(row.unreadable === undefined ? {} : { unreadable: row.unreadable }),
      ...(statistics === undefined ? {} : { statistics }),
      ...(spectrum === undefined ? {} : { spectrum }),
    };
  });
  return `${JSON.stringify(list, null, 1)}\n`;
}

function plotColumns(store: InspectStore, tensors: readonly number[], columns: readonly string[]): PlotColumn[] {
  const rows = store.rows.peek();
  const results = store.results.peek();
  const files = store.overview.peek()?.files ?? [];
  const read = (id: string): ((tensor: number) => number | string | null) => {
    switch (id) {
      case "dtype": return (tensor) => rows[tensor]!.dtype;
      case "shape": return (tensor) => rows[tensor]!.shape.join(" × ");
      case "file": return (tensor) => files[rows[tensor]!.file]?.path ?? "";
      case "offset": return (tensor) => rows[tensor]!.offset;
      default: {
        const column = columnById(id);
        return (tensor) => column?.value(rows[tensor]!, results.get(tensor)) ?? null;
      }
    }
  };
  return ["name", ...columns].map((id) => {
    const value = id === "name" ? (tensor: number) => rows[tensor]!.name : read(id);
    return { name: id, values: tensors.map(value) };
  });
}
