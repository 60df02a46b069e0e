/** The tensor's singular spectrum: at once when it is cheap, else by the mode the user picks. */
import { useMemo } from "preact/hooks";
import type { SpectrumMode } from "../../src/protocol/inspect";
import { Choice } from "../plots/choice";
import { PlotPlaceholder } from "../plots/message";
import { SPECTRUM_SCALES, SpectrumPlot, type SpectrumScale } from "../plots/spectrum-plot";
import { kindOf } from "../../src/checkpoint/structure";
import { Button } from "../ui/button";
import { formatDuration, formatInteger, formatNumber } from "../ui/format";
import { hasSpectrum } from "./columns";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { estimateSeconds, spectrumOperations } from "./spectrum-cost";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";
import { jobKey, matrixShape, requestSpectrum, timedSpectra } from "./tensor-page-requests";

const TOP: SpectrumMode = "top:16";

export function SpectrumPanel({ store, tensor }: { store: InspectStore; tensor: number }) {
  const scale = store.pageState<SpectrumScale>("spectrumScale", "linear");
  const row = store.rows.value[tensor]!;
  const spectrum = store.results.value.get(tensor)?.spectrum;
  const key = jobKey.spectrum(tensor);
  const job = jobsOf(store).of(key).value;
  const curves = useMemo(() => (spectrum === undefined ? [] : [{ name: "σ", kind: kindOf(row.name, row.shape), spectrum }]), [spectrum, row]);

  const title = (
    <>
      <strong>spectrum</strong>
      <Choice label="Scale of the spectrum" value={scale.value} onChange={(value) => { scale.value = value; }} options={SPECTRUM_SCALES} />
    </>
  );
  const label = `Singular spectrum of ${row.name}`;
  if (!hasSpectrum(row.shape)) {
    return <PlotPlaceholder title={<strong>spectrum</strong>} label={label}>A {row.shape.length === 0 ? "scalar" : "vector"} has no spectrum.</PlotPlaceholder>;
  }

  const { rows, columns } = matrixShape(row.shape);
  const seconds = (mode: SpectrumMode): number => estimateSeconds(spectrumOperations(rows, columns, mode), timedSpectra);
  const about = (mode: SpectrumMode): string => {
    const estimate = seconds(mode);
    return estimate < 1 ? "under 1 s" : `about ${formatDuration(estimate)}`;
  };
  if (spectrum === undefined || job.state === "running") {
    return (
      <PlotPlaceholder title={title} label={label}>
        {job.state === "idle" || job.state === "done" ? (
          <>
            <span>{formatInteger(rows)} × {formatInteger(columns)}: computed on request.</span>
            <span class="button-row">
              <Button title="All singular values in f64" onClick={() => requestSpectrum(store, tensor, "exact")}>Exact ({about("exact")})</Button>
              <Button secondary title="All singular values in f32, to about 1e-5 of the largest" onClick={() => requestSpectrum(store, tensor, "fast")}>Fast ({about("fast")})</Button>
              {Math.min(rows, columns) > 64 && (
                <Button secondary title="The 16 largest by block Krylov iteration, with residuals; where the spectrum has no gap after them, all are computed" onClick={() => requestSpectrum(store, tensor, TOP)}>Top 16 ({about(TOP)})</Button>
              )}
            </span>
          </>
        ) : (
          <JobMessage job={job} busy="Computing singular values" estimate={seconds(job.state === "running" && job.manner !== undefined ? (job.manner as SpectrumMode) : "exact")} onRetry={() => requestSpectrum(store, tensor, "exact")} onStop={() => jobsOf(store).stop(key)} />
        )}
      </PlotPlaceholder>
    );
  }
  return (
    <SpectrumPlot
      id={`${row.name}-spectrum`}
      title={
        <>
          {title}
          {!spectrum.how.exact && (
            <button type="button" class="link" title={`${describeHow(spectrum.how)}\nCompute all singular values in f64, ${about("exact")}`} onClick={() => requestSpectrum(store, tensor, "exact")}>
              ≈ {spectrum.singularValues.length < Math.min(rows, columns) ? `top ${spectrum.singularValues.length}` : "fast"}: make exact
            </button>
          )}
        </>
      }
      label={label}
      summary={`${spectrum.singularValues.length} singular values, the largest ${formatNumber(spectrum.spectralNorm)}; stable rank ${formatNumber(spectrum.stableRank)}; ${spectrum.marchenkoPastur.above} above the Marchenko–Pastur edge.`}
      how={describeHow(spectrum.how)}
      curves={curves}
      scale={scale.value}
    />
  );
}
