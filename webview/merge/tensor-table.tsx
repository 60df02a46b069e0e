/** The preview tensor by tensor; a selected row shows its spectra. */
import { useMemo, useState } from "preact/hooks";
import type { MergeOverview, MergePreview } from "../../src/protocol/merge";
import { TableSection } from "../frame/table-section";
import { Choice } from "../plots/choice";
import type { PlotColumn } from "../plots/types";
import { Link } from "../ui/button";
import { formatNumber, formatShape, formatShare, plural, visibleText } from "../ui/format";
import { inputLooks } from "./inputs";
import { Signed } from "./signed";
import type { MergeStore } from "./store";

/** Longer lists are cut on screen; what is copied and saved has all. */
const MOST_ROWS = 400;
type Shown = "cosine" | "kept" | "coefficients";

export function TensorTable({ store, overview, preview }: { store: MergeStore; overview: MergeOverview; preview: MergePreview }) {
  const measure = store.pageState<Shown>("preview.measure", "cosine");
  const looks = useMemo(() => inputLooks(overview.inputs), [overview]);
  const [all, setAll] = useState(false);
  const changes = preview.space === "task vector";
  const shown: Shown = measure.value === "kept" && !changes ? "cosine" : measure.value;
  const inputs = preview.inputs.map((_, i) => i).filter((i) => preview.tensors.some((tensor) => tensor.inputs.includes(i)));
  const rows = all ? preview.tensors : preview.tensors.slice(0, MOST_ROWS);
  const value = (tensor: MergePreview["tensors"][number], m: number, input: number): number | null => {
    const i = tensor.inputs.indexOf(input);
    return i < 0 ? null : (tensor.results[m]?.[shown][i] ?? null);
  };
  const table = (): PlotColumn[] => [
    { name: "tensor", values: preview.tensors.map(({ name }) => name) },
    { name: "shape", values: preview.tensors.map(({ shape }) => formatShape(shape)) },
    { name: "sign conflict", values: preview.tensors.map(({ signConflict }) => signConflict) },
    { name: "norm of base", values: preview.tensors.map(({ baseNorm }) => baseNorm) },
    ...preview.methods.flatMap((method, m): PlotColumn[] => [
      { name: `norm by ${method}`, values: preview.tensors.map(({ results }) => results[m]?.norm ?? null) },
      ...inputs.flatMap((input) => (["cosine", "kept", "coefficients"] as const).map((of): PlotColumn => ({
        name: `${of} ${method}, ${preview.inputs[input]!}`,
        values: preview.tensors.map((tensor) => { const i = tensor.inputs.indexOf(input); return i < 0 ? null : (tensor.results[m]?.[of][i] ?? null); }),
      }))),
      { name: `residual by ${method}`, values: preview.tensors.map(({ results }) => results[m]?.residual ?? null) },
    ]),
  ];
  const options: { value: Shown; text: string; title: string }[] = [
    { value: "cosine", text: "cosine", title: "cosine of the result with each model" },
    ...(changes ? [{ value: "kept" as const, text: "kept", title: "of the elements that a model changed, the share that the result changes in the same direction" }] : []),
    { value: "coefficients", text: "coefficient", title: "the result as a combination of the models" },
  ];
  return (
    <TableSection view={store} id="preview-tensors" title="By tensor" how={preview.how} table={table} tools={<Choice label="Number shown" options={options} value={shown} onChange={(next) => { measure.value = next; }} />}>
      <div class="page-scroll">
        <table class="quiet-table merge-tensors" aria-label="Preview by tensor" style={{ "--numbers": preview.methods.length * (inputs.length + 1) }}>
          <thead>
            <tr>
              <th scope="col" rowSpan={2}>tensor</th><th scope="col" rowSpan={2} class="number">shape</th>
              <th scope="col" rowSpan={2} class="number" title="of the elements that two or more models changed, the share they disagree about">sign conflict</th>
              {preview.methods.map((method) => <th key={method} scope="colgroup" colSpan={inputs.length + 1} class="merge-group">{visibleText(method)}</th>)}
            </tr>
            <tr>{preview.methods.flatMap((method) => [<th key={`${method} norm`} scope="col" class="number">{changes ? "‖τ‖" : "‖θ‖"}</th>, ...inputs.map((i) => <th key={`${method} ${i}`} scope="col" class="number" title={looks[i]?.name ?? ""}>{looks[i]?.letter}</th>)])}</tr>
          </thead>
          <tbody>
            {rows.map((tensor) => (
              <tr key={tensor.name} class={store.selected.value === tensor.name ? "merge-selected" : ""}>
                <th scope="row"><Link title={visibleText(tensor.name)} onClick={() => { store.selected.value = store.selected.peek() === tensor.name ? null : tensor.name; }}><span class="elide-start"><bdi dir="ltr">{visibleText(tensor.name)}</bdi></span></Link></th>
                <td class="number">{formatShape(tensor.shape)}</td>
                <td class="number">{tensor.signConflict === null ? "–" : formatShare(tensor.signConflict)}</td>
                {preview.methods.flatMap((method, m) => [
                  <td key={`${method} norm`} class="number" title={String(tensor.results[m]?.norm ?? "")}>{formatNumber(tensor.results[m]?.norm)}</td>,
                  ...inputs.map((i) => {
                    const number = value(tensor, m, i);
                    return <td key={`${method} ${i}`} class="number" title={number === null ? "" : String(number)}>{number === null ? "–" : shown === "cosine" ? <Signed value={number} text={number.toFixed(3)} /> : shown === "kept" ? formatShare(number) : formatNumber(number)}</td>;
                  }),
                ])}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length < preview.tensors.length && <p class="muted">The first {MOST_ROWS} of {plural(preview.tensors.length, "tensor")}. <Link onClick={() => setAll(true)}>Show all</Link></p>}
    </TableSection>
  );
}
