/** The spectra of a whole model: one measure by layer, the spectra of what is selected laid over each other, and all as a table. */
import "../frame/tensor-page.css";
import "./spectra-page.css";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { kindOf, layerOf } from "../../src/checkpoint/structure";
import { toNumber } from "../../src/protocol/results";
import { Choice } from "../plots/choice";
import { LinePlot } from "../plots/line-plot";
import { PlotPlaceholder } from "../plots/message";
import { addReportPart } from "../plots/report-parts";
import { SPECTRUM_SCALES, SpectrumPlot, type SpectrumCurve, type SpectrumScale } from "../plots/spectrum-plot";
import { Button } from "../ui/button";
import { formatDuration, formatInteger, plural, visibleText } from "../ui/format";
import { columnById, COMPUTED, hasSpectrum, type Column } from "./columns";
import { describeHow } from "../frame/how";
import { estimateSeconds, spectrumOperations } from "./spectrum-cost";
import { SpectraTable, spectraTable } from "./spectra-table";
import type { InspectStore, Selection } from "./store";
import { matrixShape, timedSpectra } from "./tensor-page-requests";

const MEASURES = COMPUTED.filter(({ part }) => part === "spectrum");
/** More curves than this are a tangle. */
const MOST_CURVES = 12;

export function SpectraPage({ store }: { store: InspectStore }) {
  const rows = store.rows.value;
  const results = store.results.value;
  const chosen = store.pageState("spectralMeasure", "stableRank");
  const measure = columnById(chosen.value) ?? columnById("stableRank")!;
  const matrices = useMemo(() => rows.flatMap((row, i) => (hasSpectrum(row.shape) && row.unreadable === undefined ? [i] : [])), [rows]);
  const scope = useMemo(() => inScope(store.selection.value, matrices), [store.selection.value, matrices]);
  const missing = scope.filter((tensor) => results.get(tensor)?.spectrum === undefined);
  const root = useRef<HTMLElement>(null);
  useReport(root, store, scope);

  if (matrices.length === 0) return <p class="empty">No tensor of this checkpoint is a matrix, so there is no spectrum to show.</p>;
  return (
    <article class="tensor-page spectra-page" ref={root} aria-label="Spectra">
      <p class="spectra-summary">
        <span>{plural(scope.length, "matrix", "matrices")}{scope.length < matrices.length && ` of ${formatInteger(matrices.length)}, by the selection`}, {formatInteger(scope.length - missing.length)} with a spectrum</span>
        <ComputeButton store={store} missing={missing} />
      </p>
      <div class="spectra-panels">
        <MeasurePlot store={store} measure={measure} tensors={scope} onMeasure={(id) => { chosen.value = id; }} />
        <OverlaidSpectra store={store} scope={scope} />
      </div>
      <SpectraTable store={store} tensors={scope} sortedBy={measure} />
    </article>
  );
}

/** A selected module or tensor narrows the page to its matrices. */
function inScope(selection: Selection, matrices: readonly number[]): readonly number[] {
  if (selection.kind !== "group") return matrices;
  const wanted = new Set(selection.tensors);
  const narrowed = matrices.filter((tensor) => wanted.has(tensor));
  return narrowed.length === 0 ? matrices : narrowed;
}

function ComputeButton({ store, missing }: { store: InspectStore; missing: readonly number[] }) {
  const progress = store.progress.value;
  if (progress?.running === true) return <Button secondary onClick={() => store.stopAnalysis()}>Stop ({formatInteger(progress.done)} of {formatInteger(progress.total)})</Button>;
  if (missing.length === 0) return null;
  const operations = missing.reduce((sum, tensor) => {
    const { rows, columns } = matrixShape(store.rows.value[tensor]!.shape);
    return sum + spectrumOperations(rows, columns, "exact");
  }, 0);
  const seconds = estimateSeconds(operations, timedSpectra);
  return (
    <Button title="All singular values in f64, worst tensors first; what is computed is kept" onClick={() => store.analyse(["spectrum"], [...missing])}>
      Compute {plural(missing.length, "spectrum", "spectra")} ({seconds < 1 ? "under 1 s" : `about ${formatDuration(seconds)}`})
    </Button>
  );
}

function MeasurePlot({ store, measure, tensors, onMeasure }: { store: InspectStore; measure: Column; tensors: readonly number[]; onMeasure: (id: string) => void }) {
  const rows = store.rows.value;
  const results = store.results.value;
  const scale = store.pageState<"linear" | "log">("spectralMeasureScale", "linear");
  const layered = useMemo(() => tensors.some((tensor) => layerOf(rows[tensor]!.name) !== null), [rows, tensors]);
  const series = useMemo(() => seriesByKind(store, measure, tensors, layered), [rows, results, measure, tensors, layered]);
  const how = tensors.map((tensor) => results.get(tensor)?.spectrum?.how).find((made) => made !== undefined);
  const title = (
    <>
      <select aria-label="Measure" value={measure.id} onChange={(event) => onMeasure(event.currentTarget.value)}>
        {MEASURES.map(({ id, label, title: words }) => <option key={id} value={id} title={words}>{label}</option>)}
      </select>
      <strong>{layered ? "by layer" : "by tensor"}</strong>
      <Choice label="Scale" value={scale.value} onChange={(value) => { scale.value = value; }} options={[{ value: "linear", text: "lin" }, { value: "log", text: "log" }]} />
    </>
  );
  const label = `${measure.title} by ${layered ? "layer" : "tensor"}`;
  if (series.length === 0) return <PlotPlaceholder title={title} label={label}>No spectrum has been computed yet.</PlotPlaceholder>;
  return (
    <LinePlot
      id={`spectra-${measure.id}`}
      title={title}
      label={label}
      {...(how === undefined ? {} : { how: describeHow(how) })}
      xTitle={layered ? "layer" : "matrix, in file order"}
      yTitle={measure.label}
      logY={scale.value === "log"}
      series={series}
      highlighted={store.hovered.value}
      onHover={(tensor) => { store.hovered.value = tensor; }}
      onSelect={(tensor, alt) => (alt ? store.toggleCompared(tensor) : store.select({ kind: "tensor", tensor }))}
      table={() => spectraTable(store, tensors, [measure])}
    />
  );
}

/** One line per kind; tensors outside of any layer are points left of layer 0. Without layers, by place in the file. */
function seriesByKind(store: InspectStore, measure: Column, tensors: readonly number[], layered: boolean) {
  const lines = new Map<string, { layer: number; value: number; tensor: number }[]>();
  for (const [place, tensor] of tensors.entries()) {
    const row = store.rows.value[tensor]!;
    const cell = measure.value(row, store.results.value.get(tensor));
    const value = cell === null ? NaN : toNumber(cell);
    if (!Number.isFinite(value)) continue;
    const kind = kindOf(row.name, row.shape);
    const line = lines.get(kind) ?? [];
    lines.set(kind, line);
    line.push({ layer: layered ? (layerOf(row.name) ?? -1) : place, value, tensor });
  }
  return [...lines].map(([kind, points]) => {
    points.sort((a, b) => a.layer - b.layer || a.tensor - b.tensor);
    return { name: kind, kind, x: points.map(({ layer }) => layer), y: points.map(({ value }) => value), tensors: points.map(({ tensor }) => tensor) };
  });
}

/** The selected tensor and those compared with it; without any, the first of the page that have one. */
function OverlaidSpectra({ store, scope }: { store: InspectStore; scope: readonly number[] }) {
  const scale = store.pageState<SpectrumScale>("overlaidScale", "log");
  const rows = store.rows.value;
  const results = store.results.value;
  const selection = store.selection.value;
  const picked = [...(selection.kind === "tensor" ? [selection.tensor] : []), ...store.compared.value];
  const wanted = picked.length > 0 ? [...new Set(picked)] : scope;
  const curves = useMemo<SpectrumCurve[]>(
    () =>
      wanted.flatMap((tensor) => {
        const spectrum = results.get(tensor)?.spectrum;
        const row = rows[tensor];
        return spectrum === undefined || row === undefined ? [] : [{ name: visibleText(row.name), kind: kindOf(row.name, row.shape), spectrum }];
      }).slice(0, MOST_CURVES),
    [wanted.join(), rows, results],
  );
  const title = (
    <>
      <strong>{picked.length > 0 ? "selected spectra" : "spectra"}</strong>
      <Choice label="Scale of the spectra" value={scale.value} onChange={(value) => { scale.value = value; }} options={SPECTRUM_SCALES} />
    </>
  );
  if (curves.length === 0) {
    return (
      <PlotPlaceholder title={title} label="Singular spectra">
        {picked.length > 0 ? "The selected tensors have no spectrum yet." : "Spectra appear here as they are computed; Alt-click a point or row to compare."}
      </PlotPlaceholder>
    );
  }
  return <SpectrumPlot id="spectra" title={title} label="Singular spectra" how={describeHow(curves[0]!.spectrum.how)} curves={curves} scale={scale.value} />;
}

function useReport(root: { current: HTMLElement | null }, store: InspectStore, scope: readonly number[]): void {
  const latest = useRef(scope);
  latest.current = scope;
  useEffect(() => {
    if (root.current === null) return;
    return addReportPart({ element: root.current.lastElementChild!, title: "Spectra", table: () => spectraTable(store, latest.current, MEASURES) });
  }, [store, root.current]);
}
