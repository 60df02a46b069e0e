/** The preview over all its tensors, a row for each method. */
import { useMemo } from "preact/hooks";
import type { MergeOverview, MergePreview } from "../../src/protocol/merge";
import { TableSection } from "../frame/table-section";
import type { PlotColumn } from "../plots/types";
import { formatNumber, formatShare, plural, visibleText } from "../ui/format";
import { inputLooks } from "./inputs";
import { conflictOf, summarise } from "./preview-summary";
import { Signed } from "./signed";
import type { MergeStore } from "./store";

export function SummaryTable({ store, overview, preview }: { store: MergeStore; overview: MergeOverview; preview: MergePreview }) {
  const rows = useMemo(() => summarise(preview), [preview]);
  const looks = useMemo(() => inputLooks(overview.inputs), [overview]);
  const changes = preview.space === "task vector";
  const shown = preview.inputs.map((_, i) => i).filter((i) => preview.tensors.some(({ inputs }) => inputs.includes(i)));
  const conflict = conflictOf(preview);
  const of = changes ? "τ" : "θ";
  const letter = (i: number): string => looks[i]?.letter ?? String(i);
  const table = (): PlotColumn[] => [
    { name: "method", values: rows.map(({ method }) => method) },
    { name: `norm of ${of}`, values: rows.map(({ norm }) => norm) },
    ...(changes ? [{ name: "relative to base", values: rows.map(({ relative }) => relative) }] : []),
    ...shown.flatMap((i) => [
      { name: `cosine with ${preview.inputs[i]!}`, values: rows.map(({ cosine }) => cosine[i]!) },
      ...(changes ? [{ name: `kept of ${preview.inputs[i]!}`, values: rows.map(({ kept }) => kept[i]!) }] : []),
      { name: `coefficient of ${preview.inputs[i]!}`, values: rows.map(({ coefficients }) => coefficients[i]!) },
    ]),
    { name: "residual", values: rows.map(({ residual }) => residual) },
  ];
  const heads: { id: string; title: string; how: string; value: (row: (typeof rows)[number], i: number) => { text: string; exact: string; signed?: number } }[] = [
    { id: "cosine", title: "cosine with", how: `⟨${of}, ${of} of the model⟩/(‖·‖·‖·‖), the mean over tensors weighed by their elements`, value: ({ cosine }, i) => ({ text: cosine[i] === null ? "–" : cosine[i]!.toFixed(3), exact: String(cosine[i]), ...(cosine[i] === null ? {} : { signed: cosine[i]! }) }) },
    ...(changes ? [{ id: "kept", title: "kept of", how: "of the elements that the model changed, the share that the result changes in the same direction", value: ({ kept }: (typeof rows)[number], i: number) => ({ text: kept[i] === null ? "–" : formatShare(kept[i]!), exact: String(kept[i]) }) }] : []),
    { id: "coefficients", title: "coefficient of", how: "the result as a combination of the models, by least squares", value: ({ coefficients }, i) => ({ text: formatNumber(coefficients[i]), exact: String(coefficients[i]) }) },
  ];
  return (
    <TableSection view={store} id="preview-summary" title={`${preview.pattern === null ? "A sample of " : ""}${plural(preview.tensors.length, "tensor")}`} how={preview.how} table={table}>
      <div class="page-scroll">
        <table class="quiet-table merge-summary" aria-label="Summary by method">
          <thead>
            <tr>
              <th scope="col" rowSpan={2}>method</th>
              <th scope="col" rowSpan={2} class="number" title={changes ? "‖result − base‖" : "‖result‖"}>‖{of}‖</th>
              {changes && <th scope="col" rowSpan={2} class="number" title="‖result − base‖/‖base‖">‖τ‖/‖base‖</th>}
              {heads.map(({ id, title, how }) => <th key={id} scope="colgroup" colSpan={shown.length} class="merge-group" title={how}>{title}</th>)}
              <th scope="col" rowSpan={2} class="number" title="‖result − combination‖/‖result‖: what no combination of the models explains">rest</th>
            </tr>
            <tr>{heads.flatMap(({ id }) => shown.map((i) => <th key={`${id}-${i}`} scope="col" class="number" title={looks[i]?.name ?? ""}>{letter(i)}</th>))}</tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.method}>
                <th scope="row">{visibleText(row.method)}{row.tensors < preview.tensors.length && <span class="muted"> {row.tensors} of {preview.tensors.length}</span>}</th>
                <td class="number" title={String(row.norm)}>{formatNumber(row.norm)}</td>
                {changes && <td class="number" title={String(row.relative)}>{formatNumber(row.relative)}</td>}
                {heads.flatMap(({ id, value }) => shown.map((i) => {
                  const { text, exact, signed } = value(row, i);
                  return <td key={`${id}-${i}`} class="number" title={exact}>{signed === undefined ? text : <Signed value={signed} text={text} />}</td>;
                }))}
                <td class="number" title={String(row.residual)}>{row.residual === null ? "–" : formatShare(row.residual)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {conflict !== null && <p class="muted merge-conflict">{changes ? `The models disagree about the sign of ${formatShare(conflict)} of the elements that two or more of them changed.` : `${formatShare(conflict)} of the elements have different signs in the models.`}</p>}
    </TableSection>
  );
}
