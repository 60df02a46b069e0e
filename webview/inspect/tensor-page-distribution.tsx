/** The tensor's histogram, by value or by magnitude. */
import { useEffect } from "preact/hooks";
import type { HistogramResult } from "../../src/engine/protocol";
import { toNumber } from "../../src/protocol/results";
import { Choice, Toggle } from "../plots/choice";
import { Histogram } from "../plots/histogram";
import { PlotPlaceholder } from "../plots/message";
import { formatCount, formatNumber, plural } from "../ui/format";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";
import { isSmall, jobKey, requestAll, requestHistogram } from "./tensor-page-requests";

interface Settings {
  scale: "linear" | "log";
  counts: "linear" | "log";
  range: "full" | "central";
}
/** Beyond this, the arithmetic of an axis overflows. */
const WIDEST = 1e300;
const DEFAULTS: Settings = { scale: "linear", counts: "linear", range: "full" };

export function DistributionPanel({ store, tensor }: { store: InspectStore; tensor: number }) {
  const settings = store.pageState<Settings>("distribution", DEFAULTS);
  const { scale, counts, range } = { ...DEFAULTS, ...settings.value };
  const set = (change: Partial<Settings>): void => { settings.value = { ...DEFAULTS, ...settings.peek(), ...change }; };
  const row = store.rows.value[tensor]!;
  const statistics = store.results.value.get(tensor)?.statistics;

  const low = toNumber(statistics?.quantiles[".001"] ?? "NaN");
  const high = toNumber(statistics?.quantiles[".999"] ?? "NaN");
  const central = range === "central" && scale === "linear" && low < high ? ([low, high] as [number, number]) : undefined;
  useEffect(() => {
    if (central !== undefined) requestHistogram(store, tensor, central);
  }, [store, tensor, central?.join()]);
  const job = jobsOf(store).of<HistogramResult>(jobKey.histogram(tensor, central)).value;

  const left = job.state !== "done" ? [] : [
    ...(scale === "log" && job.value.zeros > 0 ? [plural(job.value.zeros, "zero")] : []),
    ...(job.value.nonFinite > 0 ? [`${formatCount(job.value.nonFinite)} not finite`] : []),
  ];
  const title = (
    <>
      <strong>
        distribution
        {left.length > 0 && <span class="plot-aside" title="These are in no bin.">without {left.join(", ")}</span>}
      </strong>
      <Choice label="Scale of the values" value={scale} onChange={(value) => set({ scale: value })} options={[
        { value: "linear", text: "lin", title: "by value" },
        { value: "log", text: "log", title: "by magnitude, signs apart" },
      ]} />
      {scale === "linear" && <Toggle text="99.8 %" title="only between the quantiles .001 and .999" on={range === "central"} onChange={(on) => set({ range: on ? "central" : "full" })} />}
      <Toggle text="log n" title="counts on a logarithmic axis" on={counts === "log"} onChange={(on) => set({ counts: on ? "log" : "linear" })} />
    </>
  );
  const label = `Distribution of ${row.name}`;
  if (job.state !== "done") {
    return (
      <PlotPlaceholder title={title} label={label}>
        <JobMessage
          job={job}
          busy="Counting values"
          onRetry={() => requestHistogram(store, tensor, central)}
          onStop={() => jobsOf(store).stop(jobKey.histogram(tensor, central))}
          idle={isSmall(row) ? undefined : { text: "Large tensor: read on request.", action: "Read it", run: () => requestAll(store, tensor) }}
        />
      </PlotPlaceholder>
    );
  }
  const { value } = job;
  if (scale === "linear" && !(toNumber(value.linear.high) - toNumber(value.linear.low) < WIDEST)) {
    return <PlotPlaceholder title={title} label={label}>The values span too wide a range for a linear axis; log shows them.</PlotPlaceholder>;
  }
  return (
    <Histogram
      id={`${row.name}-distribution`}
      title={title}
      label={label}
      summary={`From ${formatNumber(value.linear.low)} to ${formatNumber(value.linear.high)}${statistics === undefined ? "" : `, median ${formatNumber(statistics.quantiles[".5"])}`}.`}
      how={`histogram · ${describeHow(value.how)}`}
      result={value}
      statistics={statistics}
      scale={scale}
      logCounts={counts === "log"}
    />
  );
}
