/** A number of the tree, the table or a group's page: of one tensor, or of several taken together. */
import type { AnalysisProgress, CachedResult } from "../../src/protocol/inspect";
import type { How } from "../../src/protocol/results";
import { ABSENT, formatExact } from "../ui/format";
import { hasSpectrum, type Column } from "./columns";
import { describeHow } from "../frame/how";
import type { InspectStore } from "./store";

/** `tensors` one: its own number. More: what `column.combine` makes of those that are known. */
export function ValueCell({ store, column, tensors }: { store: InspectStore; column: Column; tensors: readonly number[] }) {
  const results = store.results.value;
  if (tensors.length === 1) {
    const tensor = tensors[0]!;
    const row = store.rows.value[tensor]!;
    const result = results.get(tensor);
    const why = whyAbsent(column, row, result, failureOf(store.progress.value, tensor));
    if (why !== null) return <Absent reason={why} />;
    if (column.part !== "structure" && result?.[column.part] === undefined) return <Pending column={column} />;
    const value = column.value(row, result);
    if (value === null) return <Absent reason={`${column.title}: not defined for this tensor`} />;
    const how = column.part === "structure" ? undefined : result?.[column.part]?.how;
    return (
      <span title={`${column.title}: ${formatExact(value)}${how === undefined ? "" : `\n${describeHow(how)}`}`}>
        {how?.exact === false ? "≈ " : ""}{column.format(value)}
      </span>
    );
  }
  const { value, known, total } = store.values.value.combine(column, tensors);
  if (known === 0) return tensors.some((tensor) => mayCome(column, store, tensor)) ? <Pending column={column} /> : <Absent reason={`${column.title}: no tensor here has one`} />;
  const approximate = column.part === "spectrum" && tensors.some((tensor) => howOf(results.get(tensor), column)?.exact === false);
  const of = known === total ? `${total}` : `${known} of ${total}`;
  return (
    <span class={known < total && column.part === "statistics" ? "partial" : undefined} title={`${column.title}: ${column.combine} of ${of} tensors\n${formatExact(value)}`}>
      {approximate ? "≈ " : ""}{column.format(value)}
    </span>
  );
}

/** The number as copied: every digit. */
export function exactCell(store: InspectStore, column: Column, tensors: readonly number[]): string {
  const one = tensors.length === 1 ? column.value(store.rows.peek()[tensors[0]!]!, store.results.peek().get(tensors[0]!)) : store.values.peek().combine(column, tensors).value;
  return one === null ? "" : formatExact(one);
}

/** Why a tensor has no such number and never will; null when it has or may still be computed. */
export function whyAbsent(column: Column, row: { shape: readonly number[]; unreadable?: string }, result: CachedResult | undefined, failure: string | undefined): string | null {
  if (column.part === "structure" || result?.[column.part] !== undefined) return null;
  if (row.unreadable !== undefined) return `Not analysed: ${row.unreadable}`;
  if (column.part === "spectrum" && !hasSpectrum(row.shape)) return "A spectrum needs a matrix; this tensor is none.";
  return failure === undefined ? null : `Not analysed: ${failure}`;
}

/** Not computed, and nothing is known to stand against it. */
function mayCome(column: Column, store: InspectStore, tensor: number): boolean {
  const result = store.results.value.get(tensor);
  return column.part !== "structure" && result?.[column.part] === undefined && whyAbsent(column, store.rows.value[tensor]!, result, undefined) === null;
}

function howOf(result: CachedResult | undefined, column: Column): How | undefined {
  return column.part === "structure" ? undefined : result?.[column.part]?.how;
}

function failureOf(progress: AnalysisProgress | null, tensor: number): string | undefined {
  return progress?.failed.find((failure) => failure.tensor === tensor)?.message;
}

function Pending({ column }: { column: Column }) {
  return <span class="pending" title={`${column.title}: not computed yet`}><span class="screen-reader">not computed</span></span>;
}

function Absent({ reason }: { reason: string }) {
  return <span class="absent" title={reason}>{ABSENT}</span>;
}
