/** A number of the tree, the table or a group's page: of one pair, or of several taken together. */
import type { PairUpdate } from "../../src/protocol/compare";
import { describeHow } from "../frame/how";
import { ABSENT, formatExact } from "../ui/format";
import type { Entry } from "./entries";
import type { Measure } from "./measures";
import type { CompareStore } from "./store";

/** `entries` one: its own number. More: what `measure.combine` makes of those that are known. */
export function ValueCell({ store, measure, entries }: { store: CompareStore; measure: Measure; entries: readonly number[] }) {
  const results = store.results.value;
  const { list } = store.entries.value;
  if (entries.length === 1) {
    const entry = entries[0]!;
    const update = results.get(entry);
    const value = measure.value(list[entry]!, update);
    if (value === null) {
      const why = whyAbsent(measure, list[entry]!, update);
      return why === null ? <Pending measure={measure} /> : <Absent reason={why} />;
    }
    const how = measure.part === "numbers" ? update?.numbers?.how : undefined;
    return (
      <span title={`${measure.title}: ${formatExact(value)}${how === undefined ? "" : `\n${describeHow(how)}`}`}>
        {how?.exact === false ? "≈ " : ""}{measure.format(value)}
      </span>
    );
  }
  const { value, known, total } = store.values.value.combine(measure, entries);
  if (known === 0) {
    return entries.some((entry) => whyAbsent(measure, list[entry]!, results.get(entry)) === null)
      ? <Pending measure={measure} />
      : <Absent reason={`${measure.title}: no pair here has one`} />;
  }
  const of = known === total ? `${total}` : `${known} of ${total}`;
  return (
    <span class={known < total && measure.part === "numbers" ? "partial" : undefined} title={`${measure.title}: of ${of} tensors together\n${formatExact(value)}`}>
      {measure.format(value)}
    </span>
  );
}

/** Why a pair has no such number; null while it may still be computed. */
export function whyAbsent(measure: Measure, entry: Entry, update: PairUpdate | undefined): string | null {
  switch (entry.kind) {
    case "onlyInA": return "Only in A: nothing to compare with";
    case "onlyInB": return "Only in B: nothing to compare with";
    case "reshaped": return "The shapes cannot be compared";
    case "pair": break;
  }
  if (entry.unreadable !== undefined) return `Not compared: ${entry.unreadable}`;
  if (update?.failed !== undefined && (measure.part === "shape" || update[measure.part] === undefined)) return `Not computed: ${update.failed}`;
  if (update === undefined || measure.part === "shape") return null;
  if (update.numbers?.equal === true && measure.part !== "numbers") return "Equal: there is no change to look at";
  if (update[measure.part] === undefined) return measure.part === "spectrum" && entry.shape.length < 2 ? "A spectrum needs a matrix; this tensor is none" : null;
  return `${measure.title}: not defined for this pair`;
}

/** The number as copied: every digit. */
export function exactCell(store: CompareStore, measure: Measure, entries: readonly number[]): string {
  const one = entries.length === 1 ? measure.value(store.entries.peek().list[entries[0]!]!, store.results.peek().get(entries[0]!)) : store.values.peek().combine(measure, entries).value;
  return one === null ? "" : formatExact(one);
}

function Pending({ measure }: { measure: Measure }) {
  return <span class="pending" title={`${measure.title}: not computed yet`}><span class="screen-reader">not computed</span></span>;
}

function Absent({ reason }: { reason: string }) {
  return <span class="absent" title={reason}>{ABSENT}</span>;
}
