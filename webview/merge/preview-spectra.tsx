/** One tensor's spectrum by each method beside those of the models: does merging collapse its rank? */
import { useEffect, useMemo } from "preact/hooks";
import type { MergeOverview, MergePreview, PreviewedTensor, PreviewSpectra } from "../../src/protocol/merge";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { TableSection } from "../frame/table-section";
import { Choice } from "../plots/choice";
import { PlotPlaceholder } from "../plots/message";
import { SPECTRUM_SCALES, SpectrumPlot, type SpectrumScale } from "../plots/spectrum-plot";
import { formatNumber, visibleText } from "../ui/format";
import { inputLooks } from "./inputs";
import type { MergeStore } from "./store";

const ROWS = [
  { label: "σ₁", title: "spectral norm", of: (s: Curve["spectrum"]) => s.spectralNorm },
  { label: "‖·‖", title: "Frobenius norm", of: (s: Curve["spectrum"]) => s.frobeniusNorm },
  { label: "stable rank", title: "‖·‖²/σ₁²", of: (s: Curve["spectrum"]) => s.stableRank },
  { label: "effective rank", title: "exp of the entropy of σ/Σσ (Roy & Vetterli)", of: (s: Curve["spectrum"]) => s.effectiveRank },
  { label: "k₉₀", title: "singular values holding 90 % of the energy", of: (s: Curve["spectrum"]) => s.energyRank["0.9"] },
  { label: "k₉₉", title: "singular values holding 99 % of the energy", of: (s: Curve["spectrum"]) => s.energyRank["0.99"] },
] as const;
type Curve = PreviewSpectra["curves"][number];

export function PreviewSpectraPanel({ store, overview, preview, tensor }: { store: MergeStore; overview: MergeOverview; preview: MergePreview; tensor: PreviewedTensor }) {
  const scale = store.pageState<SpectrumScale>("preview.scale", "log");
  const of = store.pageState<PreviewSpectra["of"]>("preview.of", "changes");
  const changes = tensor.baseNorm !== null;
  const asked: PreviewSpectra["of"] = changes ? of.value : "weights";
  const key = `spectra ${asked} ${preview.methods.join()} ${tensor.name}`;
  const request = (): void => store.jobs.start(key, (signal) => store.host.call("spectra", { tensor: tensor.name, methods: preview.methods.slice(1), of: asked }, signal));
  const job = store.jobs.of<PreviewSpectra>(key).value;
  useEffect(() => { if (tensor.shape.length > 1 && store.jobs.of(key).peek().state === "idle") request(); }, [key]);
  const looks = useMemo(() => inputLooks(overview.inputs), [overview]);
  const named = job.state === "done" ? curvesOf(job.value, preview, looks) : [];
  const label = `Singular spectra of ${tensor.name}, merged and of each model`;
  const title = (
    <>
      <strong>{visibleText(tensor.name)}</strong>
      {changes && <Choice label="Of what" value={asked} options={[{ value: "changes", text: "change from base", title: "x − base" }, { value: "weights", text: "weights", title: "x" }]} onChange={(next) => { of.value = next; }} />}
      <Choice label="Axes of the spectra" value={scale.value} options={SPECTRUM_SCALES} onChange={(next) => { scale.value = next; }} />
    </>
  );
  if (tensor.shape.length < 2) return <p class="muted">{visibleText(tensor.name)} is a vector: it has no spectrum.</p>;
  return (
    <section class="merge-spectra" aria-label={`Spectra of ${visibleText(tensor.name)}`}>
      <div class="merge-spectrum-plot">
        {job.state === "done"
          ? <SpectrumPlot id={`${tensor.name}-merged-spectra`} title={title} label={label} how={`singular values · ${describeHow(job.value.curves[0]!.spectrum.how)}`} curves={named} scale={scale.value} />
          : <PlotPlaceholder title={title} label={label}><JobMessage job={job} busy={`Computing ${preview.methods.length + tensor.inputs.length} spectra`} onRetry={request} onStop={() => store.jobs.stop(key)} /></PlotPlaceholder>}
      </div>
      {job.state === "done" && (
        <TableSection view={store} id="preview-spectra" title="Read off the spectra" how={describeHow(job.value.curves[0]!.spectrum.how)} table={() => [{ name: "quantity", values: ROWS.map((row) => row.label) }, ...named.map(({ name, spectrum }) => ({ name, values: ROWS.map((row) => Number(row.of(spectrum))) }))]}>
          <table class="quiet-table" aria-label="Read off the spectra">
            <thead><tr><th scope="col" />{ROWS.map((row) => <th key={row.label} scope="col" class="number" title={row.title}>{row.label}</th>)}</tr></thead>
            <tbody>{named.map(({ name, spectrum }) => <tr key={name}><th scope="row">{name}</th>{ROWS.map((row) => <td key={row.label} class="number" title={String(row.of(spectrum))}>{formatNumber(row.of(spectrum))}</td>)}</tr>)}</tbody>
          </table>
        </TableSection>
      )}
    </section>
  );
}

function curvesOf({ curves }: PreviewSpectra, { methods, inputs }: MergePreview, looks: ReturnType<typeof inputLooks>): { name: string; kind: string; spectrum: Curve["spectrum"] }[] {
  return curves.map(({ label, method, spectrum }) => {
    if (method !== null) return { name: visibleText(label), kind: `result_${methods.indexOf(method) % 4}`, spectrum };
    const look = looks[inputs.indexOf(label)];
    return { name: look === undefined ? visibleText(label) : `${look.letter} ${look.name}`, kind: look?.kind ?? "other", spectrum };
  });
}
