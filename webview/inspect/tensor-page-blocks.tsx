/** Of tensors in quantised blocks: how their scales are distributed, and how many codes are at the ends of their range. */
import { useEffect } from "preact/hooks";
import { BLOCK_TYPES, type BlockScalesResult } from "../../src/engine/protocol";
import { formatExact, formatInteger, formatNumber, formatShare } from "../ui/format";
import { Figures, type Figure } from "../frame/figures";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";
import { isSmall } from "./tensor-page-requests";

const HEIGHT = 36;
const BAR = 8;

/** Whether values of this dtype are stored as codes under block scales; points of a grid (IQ1, IQ2, IQ3) are not. */
export function hasBlockScales(dtype: string): boolean {
  return (BLOCK_TYPES as readonly string[]).includes(dtype) && !/^IQ[123]/.test(dtype);
}

export function BlockFigures({ store, tensor }: { store: InspectStore; tensor: number }) {
  const row = store.rows.value[tensor]!;
  const key = `blockScales ${tensor}`;
  const request = (): void => jobsOf(store).ensure(key, (signal) => store.host.call("blockScales", { tensor }, signal));
  useEffect(() => {
    if (isSmall(row)) request();
  }, [store, tensor, row]);
  const job = jobsOf(store).of<BlockScalesResult>(key).value;
  const scales = job.state === "done" ? job.value : undefined;
  return (
    <Figures view={store} title="Block scales" figures={figuresOf(scales)} how={scales && describeHow(scales.how)}>
      {scales !== undefined ? <ScaleBars scales={scales} /> : (
        <JobMessage job={job} busy="Reading scales" onRetry={() => { jobsOf(store).stop(key); request(); }} onStop={() => jobsOf(store).stop(key)}
          idle={isSmall(row) ? undefined : { text: "Large tensor: read on request.", action: "Read it", run: request }} />
      )}
    </Figures>
  );
}

function figuresOf(scales: BlockScalesResult | undefined): Figure[] {
  const figure = (label: string, title: string, value: (of: BlockScalesResult) => { text: string; exact: string; alarming?: boolean }): Figure =>
    scales === undefined ? { label, title, text: null, exact: "" } : { label, title, ...value(scales) };
  const count = (value: number, alarming = false) => ({ text: formatInteger(value), exact: String(value), alarming });
  const share = (part: number, whole: number) => ({ text: whole === 0 ? "–" : formatShare(part / whole), exact: `${part} of ${whole}` });
  return [
    figure("scales", "Number of scales, one or more to a block", (of) => count(of.scales)),
    figure("zero", "Scales equal to 0: all their elements are equal", (of) => count(of.zeros)),
    figure("not finite", "Scales that are NaN or infinite", (of) => count(of.nonFinite, of.nonFinite > 0)),
    figure("smallest", "Least magnitude of a scale other than 0", (of) => ({ text: formatNumber(of.min), exact: formatExact(of.min) })),
    figure("largest", "Greatest magnitude of a scale", (of) => ({ text: formatNumber(of.max), exact: formatExact(of.max) })),
    figure("lowest code", "Elements with the lowest code of their range", (of) => share(of.lowest, of.codes)),
    figure("highest code", "Elements with the highest code of their range", (of) => share(of.highest, of.codes)),
  ];
}

/** Counts of scales, four bars to a factor of two. */
function ScaleBars({ scales: { histogram, min, max } }: { scales: BlockScalesResult }) {
  const { counts } = histogram;
  const most = Math.max(1, ...counts);
  if (counts.length === 0) return null;
  const label = `Scales by magnitude, from ${formatNumber(min)} to ${formatNumber(max)}, ${histogram.binsPerOctave} bars to a factor of two`;
  const edge = (bin: number): number => 2 ** (histogram.minExponent + Math.floor(bin / histogram.binsPerOctave)) * (1 + (bin % histogram.binsPerOctave) / histogram.binsPerOctave);
  return (
    <svg class="block-scales" role="img" aria-label={label} viewBox={`0 0 ${counts.length * BAR} ${HEIGHT}`} preserveAspectRatio="none" height={HEIGHT}>
      {counts.map((count, bin) => (
        <rect key={bin} x={bin * BAR} width={BAR - 1} y={HEIGHT - (count / most) * HEIGHT} height={(count / most) * HEIGHT}>
          <title>{`${formatInteger(count)} from ${formatNumber(edge(bin))} to ${formatNumber(edge(bin + 1))}`}</title>
        </rect>
      ))}
    </svg>
  );
}
