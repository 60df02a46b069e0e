/** What the inspector's status line says. */
import { formatCount, formatInteger, plural } from "../ui/format";
import { parametersOf } from "./columns";
import { describeResult } from "./describe-result";
import type { InspectStore } from "./store";

/** How the numbers on screen were made. */
export function howText(store: InspectStore): string {
  const selection = store.selection.value;
  if (store.status.value !== "") return store.status.value;
  const results = store.results.value;
  if (selection.kind === "tensor") return describeResult(results.get(selection.tensor) ?? { tensor: selection.tensor });
  const total = store.rows.value.length;
  return results.size === 0 ? "Structure from the header; nothing computed yet" : `${formatInteger(results.size)} of ${plural(total, "tensor")} analysed`;
}

/** How much is selected. */
export function selectionText(store: InspectStore): { text: string; exact: string } {
  const selection = store.selection.value;
  const rows = store.rows.value;
  const compared = store.compared.value.length;
  const tensors = selection.kind === "model" ? rows.length : selection.kind === "group" ? selection.tensors.length : 1;
  let parameters = 0;
  if (selection.kind === "model") parameters = store.overview.value?.parameters ?? 0;
  else for (const tensor of selection.kind === "group" ? selection.tensors : [selection.tensor]) parameters += parametersOf(rows[tensor]?.shape ?? [0]);
  return {
    text: `${compared > 0 ? `comparing ${compared} · ` : ""}selection: ${plural(tensors, "tensor")}, ${formatCount(parameters)} parameters`,
    exact: `${formatInteger(tensors)} tensors, ${formatInteger(parameters)} parameters`,
  };
}
