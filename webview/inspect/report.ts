/** The inspector's page on screen as a report. */
import { writeReport } from "../frame/report";
import { formatBytes, formatCount, formatInteger, formatShape } from "../ui/format";
import { architectureSource } from "./architecture-source";
import { parametersOf } from "./columns";
import type { InspectStore } from "./store";

/**
 * Asks where to save the page on screen, and writes it. Answers the path, or null when the user cancelled.
 * @throws Error with one sentence when there is nothing to write or it cannot be written.
 */
export async function exportReport(store: InspectStore): Promise<string | null> {
  const overview = store.overview.peek();
  if (overview === null) throw new Error("There is no checkpoint open to report on.");
  const selection = store.selection.peek();
  const row = selection.kind === "tensor" ? store.rows.peek()[selection.tensor] : undefined;
  const subject = row?.name ?? (selection.kind === "group" ? selection.path : store.tab.peek());
  const facts: [string, string][] = row === undefined ? modelFacts(store) : [
    ["shape", formatShape(row.shape)], ["dtype", row.dtype], ["parameters", formatInteger(parametersOf(row.shape))],
    ["bytes", `${formatInteger(row.bytes)} (${formatBytes(row.bytes)})`], ...(row.offset === null ? [] : [["first byte", formatInteger(row.offset)] as [string, string]]),
    ["file", overview.files[row.file]?.path ?? ""],
  ];
  return writeReport(store.files, { name: overview.name, subject, paths: [overview.path], facts });
}

function modelFacts(store: InspectStore): [string, string][] {
  const overview = store.overview.peek()!;
  return [
    ["format", overview.format],
    ["parameters", `${formatInteger(overview.parameters)} (${formatCount(overview.parameters)})`],
    ["bytes", `${formatInteger(overview.bytes)} (${formatBytes(overview.bytes)})`],
    ["tensors", formatInteger(store.rows.peek().length)],
    ...(overview.layers === null ? [] : [["layers", formatInteger(overview.layers)] as [string, string]]),
    ...(overview.architecture === null ? [] : [["architecture", `${overview.architecture.name}, from ${overview.architecture.from === "config" ? architectureSource(overview) : "the tensors' names"}`] as [string, string]]),
    ["dtypes", Object.entries(overview.dtypes).map(([dtype, { parameters }]) => `${dtype} ${formatCount(parameters)}`).join(", ")],
  ];
}
