/** Spectra of the mode-n unfoldings of a tensor with more than two axes: the ranks of a Tucker decomposition. */
import { useMemo } from "preact/hooks";
import type { SpectrumResult } from "../../src/engine/protocol";
import type { Of } from "../../src/protocol/compare";
import { JobMessage } from "../frame/job-message";
import { describeHow } from "../frame/how";
import { Choice } from "../plots/choice";
import { PlotPlaceholder } from "../plots/message";
import { SpectrumPlot } from "../plots/spectrum-plot";
import { formatInteger } from "../ui/format";
import type { Entry } from "./entries";
import { NAMES } from "./entry-distribution";
import { jobKey } from "./entry-requests";
import type { CompareStore } from "./store";

/** How the axes are told apart. */
const KIND = ["side_a", "side_b", "delta", "norm", "gate"];

export function ModesPanel({ store, pair, entry }: { store: CompareStore; pair: number; entry: Entry }) {
  const of = store.pageState<Of>("modes.of", "delta");
  const axes = entry.shape.map((_, axis) => axis);
  const keys = axes.map((axis) => jobKey.mode(pair, of.value, axis));
  const jobs = keys.map((key) => store.jobs.of<SpectrumResult>(key).value);
  const request = (): void => {
    for (const axis of axes) store.jobs.ensure<SpectrumResult>(jobKey.mode(pair, of.peek(), axis), (signal) => store.host.call("modeSpectrum", { pair, of: of.peek(), axis }, signal));
  };
  const curves = useMemo(() => jobs.flatMap((job, axis) => (job.state === "done" ? [{ name: `mode ${axis} (${formatInteger(entry.shape[axis]!)}), rank ${formatInteger(job.value.matrixRank)}`, kind: KIND[axis % KIND.length]!, spectrum: job.value }] : [])), jobs);
  const title = (
    <>
      <strong>mode-n spectra</strong>
      <Choice label="Of which tensor" value={of.value} onChange={(value) => { of.value = value; }} options={(["a", "b", "delta"] as const).map((value) => ({ value, text: NAMES[value], title: `unfoldings of ${NAMES[value]}` }))} />
    </>
  );
  const label = `Spectra of the mode-n unfoldings of ${entry.name}`;
  const open = jobs.find(({ state }) => state !== "done");
  return (
    <div class="tensor-panels pair-panels">
      {open !== undefined ? (
        <PlotPlaceholder title={title} label={label}>
          <JobMessage job={jobs.find(({ state }) => state === "failed") ?? open} busy="Computing the unfoldings' spectra" onRetry={() => { for (const key of keys) store.jobs.stop(key); request(); }} onStop={() => { for (const key of keys) store.jobs.stop(key); }}
            idle={{ text: `One spectrum for each of ${entry.shape.length} axes.`, action: "Compute", run: request }} />
        </PlotPlaceholder>
      ) : (
        <SpectrumPlot id={`${entry.name}-modes`} title={title} label={label} how={`singular values of the unfolding along each axis; their numbers are the ranks of a Tucker decomposition · ${describeHow(curves[0]!.spectrum.how)}`} curves={curves} scale="log" />
      )}
    </div>
  );
}
