/** Singular spectra of A, B and the change over one another, and what is read off them. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { SpectrumResult } from "../../src/engine/protocol";
import type { Of } from "../../src/protocol/compare";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { Choice } from "../plots/choice";
import { PlotPlaceholder } from "../plots/message";
import { addReportPart } from "../plots/report-parts";
import { SPECTRUM_SCALES, SpectrumPlot, type SpectrumScale } from "../plots/spectrum-plot";
import type { PlotColumn } from "../plots/types";
import { formatExact, formatInteger, formatNumber } from "../ui/format";
import type { Entry } from "./entries";
import { KINDS, NAMES } from "./entry-distribution";
import { jobKey, requestSpectra } from "./entry-requests";
import type { CompareStore } from "./store";

const SIDES: readonly Of[] = ["a", "b", "delta"];

export function SpectraPanel({ store, pair, entry, quick }: { store: CompareStore; pair: number; entry: Entry; quick: boolean }) {
  const scale = store.pageState<SpectrumScale>("spectrum.scale", "log");
  const jobs = SIDES.map((of) => store.jobs.of<SpectrumResult>(jobKey.spectrum(pair, of)).value);
  const curves = useMemo(() => jobs.flatMap((job, i) => (job.state === "done" ? [{ name: NAMES[SIDES[i]!], kind: KINDS[SIDES[i]!], spectrum: job.value }] : [])), jobs);
  const title = <><strong>spectra</strong><Choice label="Axes of the spectra" value={scale.value} options={SPECTRUM_SCALES} onChange={(value) => { scale.value = value; }} /></>;
  const label = `Singular spectra of A, B and the change of ${entry.name}`;
  const stop = (): void => { for (const of of SIDES) store.jobs.stop(jobKey.spectrum(pair, of)); };
  if (curves.length < 2) {
    const shown = jobs.find(({ state }) => state === "failed") ?? jobs.find(({ state }) => state === "running") ?? jobs[0]!;
    return (
      <PlotPlaceholder title={title} label={label}>
        <JobMessage job={shown} busy="Computing three spectra" onRetry={() => { stop(); requestSpectra(store, pair); }} onStop={stop}
          idle={quick ? undefined : { text: "Three spectra of a large matrix: computed on request.", action: "Compute", run: () => requestSpectra(store, pair, "fast") }} />
      </PlotPlaceholder>
    );
  }
  const delta = curves.find(({ kind }) => kind === KINDS.delta)?.spectrum;
  return (
    <SpectrumPlot
      id={`${entry.name}-spectra`}
      title={title}
      label={label}
      summary={delta === undefined ? "" : `The change has rank ${delta.matrixRank}; 99 % of its energy lies in ${delta.energyRank["0.99"]} singular values.`}
      how={`singular values · ${describeHow(curves[0]!.spectrum.how)}`}
      curves={curves}
      scale={scale.value}
    />
  );
}

const ROWS: readonly { label: string; title: string; of: (spectrum: SpectrumResult) => number | string }[] = [
  { label: "rank", title: "numerical rank; of the change, above the rounding of stored values", of: (s) => s.matrixRank },
  { label: "σ₁", title: "spectral norm (largest singular value)", of: (s) => s.spectralNorm },
  { label: "‖·‖", title: "Frobenius norm", of: (s) => s.frobeniusNorm },
  { label: "stable rank", title: "‖·‖²/σ₁²", of: (s) => s.stableRank },
  { label: "effective rank", title: "exp of the entropy of σ/Σσ (Roy & Vetterli)", of: (s) => s.effectiveRank },
  { label: "k₉₀", title: "singular values holding 90 % of the energy", of: (s) => s.energyRank["0.9"] },
  { label: "k₉₅", title: "singular values holding 95 % of the energy", of: (s) => s.energyRank["0.95"] },
  { label: "k₉₉", title: "singular values holding 99 % of the energy", of: (s) => s.energyRank["0.99"] },
];

/** The same quantities of all three beside one another. */
export function SpectraTable({ store, pair }: { store: CompareStore; pair: number }) {
  const jobs = SIDES.map((of) => store.jobs.of<SpectrumResult>(jobKey.spectrum(pair, of)).value);
  const spectra = jobs.map((job) => (job.state === "done" ? job.value : null));
  const how = spectra.find((spectrum) => spectrum !== null)?.how;
  const section = useRef<HTMLElement>(null);
  const columns = (): PlotColumn[] => [
    { name: "quantity", values: ROWS.map(({ label }) => label) },
    ...SIDES.map((of, i) => ({ name: NAMES[of], values: ROWS.map((row) => (spectra[i] == null ? null : row.of(spectra[i]))) })),
    { name: "meaning", values: ROWS.map(({ title }) => title) },
  ];
  const latest = useRef(columns);
  latest.current = columns;
  useEffect(() => addReportPart({ element: section.current!, title: "Spectra", get how() { return how === undefined ? "" : describeHow(how); }, table: () => latest.current() }), [how]);
  if (jobs.every(({ state }) => state === "idle" || state === "failed")) return <section ref={section} />;
  return (
    <section class="figures" ref={section} aria-label="Spectra">
      <h3 title={how === undefined ? "" : describeHow(how)}>Spectra</h3>
      <table class="quiet-table spectra-figures">
        <thead><tr><th scope="col"><span class="screen-reader">quantity</span></th>{SIDES.map((of) => <th key={of} scope="col" class="number">{NAMES[of]}</th>)}</tr></thead>
        <tbody>
          {ROWS.map((row) => (
            <tr key={row.label} title={row.title}>
              <th scope="row" class="muted">{row.label}</th>
              {spectra.map((spectrum, i) => {
                if (spectrum === null) return <td key={i} class="number"><span class="pending"><span class="screen-reader">not computed</span></span></td>;
                const value = row.of(spectrum);
                return (
                  <td key={i} class="number">
                    <button type="button" class="figure" title={`${row.title}: ${formatExact(value)}\n${describeHow(spectrum.how)}\nClick to copy.`} onClick={() => store.copy(formatExact(value), `${row.label} of ${NAMES[SIDES[i]!]}`)}>
                      {spectrum.how.exact ? "" : "≈ "}{typeof value === "number" && Number.isInteger(value) ? formatInteger(value) : formatNumber(value)}
                    </button>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
