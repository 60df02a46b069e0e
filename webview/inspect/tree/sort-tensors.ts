/** The tensors of the table, one by one, in the chosen order. */
import type { TableRow } from "../../../src/protocol/tensor-table";
import type { ColumnValues } from "../column-values";
import { columnById } from "../columns";
import { compareNatural } from "../../../src/checkpoint/natural-order";
import { compareKeys } from "../../tree/visible-rows";

/** Indices of the kept tensors (null keeps all) ordered by a column; equal ones, and all without `sort`, in file order. */
export function sortTensors(
  rows: readonly TableRow[],
  kept: Uint8Array | null,
  sort: { column: string; descending: boolean } | null,
  values: ColumnValues,
): readonly number[] {
  const tensors: number[] = [];
  for (let i = 0; i < rows.length; i++) if (kept === null || kept[i] === 1) tensors.push(i);
  if (sort === null) return tensors;
  const sign = sort.descending ? -1 : 1;
  if (sort.column === "name") return tensors.sort((a, b) => sign * compareNatural(rows[a]!.name, rows[b]!.name));
  if (sort.column === "dtype") return tensors.sort((a, b) => compareKeys(rows[a]!.dtype, rows[b]!.dtype, sign));
  if (sort.column === "file") return tensors.sort((a, b) => compareKeys(rows[a]!.file, rows[b]!.file, sign));
  if (sort.column === "offset") return tensors.sort((a, b) => compareKeys(rows[a]!.offset ?? NaN, rows[b]!.offset ?? NaN, sign));
  const column = columnById(sort.column === "shape" ? "parameters" : sort.column);
  if (column === undefined) return tensors;
  const numbers = values.numbers(column);
  return tensors.sort((a, b) => compareKeys(numbers[a]!, numbers[b]!, sign));
}
