import { formatCount, formatInteger, plural } from "../ui/format";
import { parametersOf } from "./columns";
import { describeResult } from "./how";
import type { InspectStore } from "./store";

/** How the numbers on screen were made, and how much is selected. */
export function StatusLine({ store }: { store: InspectStore }) {
  const remark = store.remark.value;
  return (
    <footer class="status" data-region="status" tabIndex={-1}>
      <span class="status-how" title={howText(store)}>
        {remark === null ? howText(store) : <span class={remark.error ? "status-error" : undefined}>{remark.text}</span>}
      </span>
      <span class="screen-reader" role="status">{remark?.text ?? ""}</span>
      <SelectionSummary store={store} />
    </footer>
  );
}

function howText(store: InspectStore): string {
  const selection = store.selection.value;
  if (store.status.value !== "") return store.status.value;
  const results = store.results.value;
  if (selection.kind === "tensor") return describeResult(results.get(selection.tensor) ?? { tensor: selection.tensor });
  const total = store.rows.value.length;
  return results.size === 0 ? "Structure from the header; nothing computed yet" : `${formatInteger(results.size)} of ${plural(total, "tensor")} analysed`;
}

function SelectionSummary({ store }: { store: InspectStore }) {
  const selection = store.selection.value;
  const rows = store.rows.value;
  const compared = store.compared.value.length;
  const tensors = selection.kind === "model" ? rows.length : selection.kind === "group" ? selection.tensors.length : 1;
  let parameters = 0;
  if (selection.kind === "model") parameters = store.overview.value?.parameters ?? 0;
  else for (const tensor of selection.kind === "group" ? selection.tensors : [selection.tensor]) parameters += parametersOf(rows[tensor]?.shape ?? [0]);
  return (
    <span class="status-selection" title={`${formatInteger(tensors)} tensors, ${formatInteger(parameters)} parameters`}>
      {compared > 0 && <span>comparing {compared} · </span>}
      selection: {plural(tensors, "tensor")}, {formatCount(parameters)} parameters
    </span>
  );
}
