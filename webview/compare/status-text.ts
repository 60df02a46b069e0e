/** What the comparison's status line says. */
import { describeHow } from "../frame/how";
import { formatCount, formatInteger, plural } from "../ui/format";
import { parametersOf } from "./measures";
import type { CompareStore } from "./store";

/** How the numbers on screen were made. */
export function howText(store: CompareStore): string {
  if (store.status.value !== "") return store.status.value;
  const selection = store.selection.value;
  const results = store.results.value;
  if (selection.kind === "entry") {
    const how = results.get(selection.entry)?.numbers?.how;
    if (how !== undefined) return describeHow(how);
  }
  const { pairs } = store.entries.value;
  return results.size === 0 ? "Structure from the headers; nothing compared yet" : `${formatInteger(results.size)} of ${plural(pairs, "pair")} compared`;
}

/** How much is selected. */
export function selectionText(store: CompareStore): { text: string; exact: string } {
  const selection = store.selection.value;
  const { list, pairs } = store.entries.value;
  const of = (entries: Iterable<number>): number => {
    let sum = 0;
    for (const entry of entries) sum += parametersOf(list[entry]?.shape ?? [0]);
    return sum;
  };
  if (selection.kind === "models") {
    const parameters = store.totals.value?.parameters;
    return { text: `${plural(pairs, "pair")}${parameters === undefined ? "" : `, ${formatCount(parameters)} parameters compared`}`, exact: parameters === undefined ? "" : `${formatInteger(parameters)} parameters` };
  }
  const entries = selection.kind === "group" ? selection.entries : [selection.entry];
  const parameters = of(entries);
  return { text: `selection: ${plural(entries.length, "tensor")}, ${formatCount(parameters)} parameters`, exact: `${formatInteger(parameters)} parameters` };
}
