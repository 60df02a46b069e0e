/** Histograms of A, B and the change over one another. */
import type { HistogramResult } from "../../src/engine/protocol";
import type { Of } from "../../src/protocol/compare";
import { toNumber } from "../../src/protocol/results";
import { JobMessage } from "../frame/job-message";
import { Choice, Toggle } from "../plots/choice";
import { exponentEdges, linearEdges } from "../plots/histogram-data";
import { PlotPlaceholder } from "../plots/message";
import { StepPlot, type StepCurve } from "../plots/step-plot";
import type { PlotColumn } from "../plots/types";
import { describeHow } from "../frame/how";
import type { Entry } from "./entries";
import { isSmall, jobKey, requestHistograms, SIDES } from "./entry-requests";
import type { CompareStore } from "./store";

export const NAMES: Readonly<Record<Of, string>> = { a: "A", b: "B", delta: "Δ" };
export const KINDS: Readonly<Record<Of, string>> = { a: "side_a", b: "side_b", delta: "delta" };

interface Settings {
  scale: "linear" | "log";
  counts: "linear" | "log";
}
const DEFAULTS: Settings = { scale: "log", counts: "linear" };
/** Beyond this, the arithmetic of an axis overflows. */
const WIDEST = 1e300;

export function DistributionPanel({ store, pair, entry }: { store: CompareStore; pair: number; entry: Entry }) {
  const settings = store.pageState<Settings>("distribution", DEFAULTS);
  const { scale, counts } = settings.value;
  const jobs = SIDES.map((of) => store.jobs.of<HistogramResult>(jobKey.histogram(pair, of)).value);
  const title = (
    <>
      <strong>distribution</strong>
      <Choice label="Scale of the values" value={scale} onChange={(value) => { settings.value = { scale: value, counts: value === "linear" ? "log" : "linear" }; }} options={[
        { value: "log", text: "log", title: "by magnitude, bins of equal factors" },
        { value: "linear", text: "lin", title: "by value; density, since the bins of A, B and Δ differ" },
      ]} />
      <Toggle text="log n" title="the vertical axis logarithmic" on={counts === "log"} onChange={(on) => { settings.value = { scale, counts: on ? "log" : "linear" }; }} />
    </>
  );
  const label = `Distributions of A, B and the change of ${entry.name}`;
  const open = jobs.find(({ state }) => state !== "done");
  if (open !== undefined) {
    const retry = (): void => { for (const of of SIDES) store.jobs.stop(jobKey.histogram(pair, of)); requestHistograms(store, pair); };
    return (
      <PlotPlaceholder title={title} label={label}>
        <JobMessage job={jobs.find(({ state }) => state === "failed") ?? open} busy="Counting values" onRetry={retry} onStop={() => { for (const of of SIDES) store.jobs.stop(jobKey.histogram(pair, of)); }}
          idle={isSmall(entry) ? undefined : { text: "", action: "Read Both", run: () => requestHistograms(store, pair) }} />
      </PlotPlaceholder>
    );
  }
  const results = jobs.flatMap((job) => (job.state === "done" ? [job.value] : []));
  const curves = results.flatMap((result, i) => curveOf(result, SIDES[i]!, scale));
  if (curves.length === 0) return <PlotPlaceholder title={title} label={label}>{scale === "log" ? "All values are zero or not finite." : "The values span too wide a range for a linear axis."}</PlotPlaceholder>;
  return (
    <StepPlot
      id={`${entry.name}-distributions`}
      title={title}
      label={label}
      how={`histograms · ${describeHow(results[0]!.how)}`}
      curves={curves}
      xTitle={scale === "log" ? "magnitude" : "value"}
      yTitle={scale === "log" ? "count" : "density"}
      logX={scale === "log"}
      logY={counts === "log"}
      table={() => tableOf(curves, scale === "log")}
    />
  );
}

function curveOf(result: HistogramResult, of: Of, scale: "linear" | "log"): StepCurve[] {
  const common = { name: scale === "log" ? `|${NAMES[of]}|` : NAMES[of], kind: KINDS[of] };
  if (scale === "log") {
    const { positive, negative } = result.logMagnitude;
    return positive.length === 0 ? [] : [{ ...common, edges: exponentEdges(result), counts: positive.map((count, i) => count + negative[i]!) }];
  }
  const width = (toNumber(result.linear.high) - toNumber(result.linear.low)) / result.linear.counts.length;
  if (!(width > 0) || width > WIDEST) return [];
  const total = result.linear.counts.reduce((sum, count) => sum + count, 0);
  return [{ ...common, edges: linearEdges(result), counts: result.linear.counts.map((count) => count / width / total) }];
}

function tableOf(curves: readonly StepCurve[], log: boolean): PlotColumn[] {
  return curves.flatMap(({ name, edges, counts }) => [
    { name: `${name} from`, values: edges.slice(0, -1).map((edge) => (log ? 10 ** edge : edge)) },
    { name: `${name} to`, values: edges.slice(1).map((edge) => (log ? 10 ** edge : edge)) },
    { name: `${name} ${log ? "count" : "density"}`, values: counts },
  ]);
}
