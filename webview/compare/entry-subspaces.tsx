/** How A's and B's singular spaces lie to each other: principal angles, intruders, R, and which vectors resemble which. */
import { useEffect, useMemo } from "preact/hooks";
import type { SubspacesResult } from "../../src/engine/protocol";
import { toNumber } from "../../src/protocol/results";
import { Figures, type Figure } from "../frame/figures";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { Choice } from "../plots/choice";
import { Heatmap } from "../plots/heatmap";
import { LinePlot } from "../plots/line-plot";
import { PlotPlaceholder } from "../plots/message";
import { formatExact, formatInteger, formatNumber } from "../ui/format";
import type { Entry } from "./entries";
import { jobKey, matrixShape, requestSubspaces } from "./entry-requests";
import { decodeFloats, localMatrix } from "./local-matrix";
import type { CompareStore } from "./store";

const DIMENSIONS = [4, 8, 16, 32, 64, 128];
const DEFAULT_DIMENSION = 16;
const MOST_INTRUDERS = 8;

export function SubspacesPanels({ store, pair, entry, quick }: { store: CompareStore; pair: number; entry: Entry; quick: boolean }) {
  const chosen = store.pageState("subspaces.k", DEFAULT_DIMENSION);
  const { rows, columns } = matrixShape(entry.shape);
  const short = Math.min(rows, columns);
  const k = Math.min(chosen.value, short);
  const request = (): void => requestSubspaces(store, pair, k);
  useEffect(() => { if (quick) request(); }, [store, pair, k, quick, store.opened.value]);
  const job = store.jobs.of<SubspacesResult>(jobKey.subspaces(pair, k)).value;
  const title = (
    <>
      <strong>subspace overlap</strong>
      <Choice label="Dimension of the spaces" value={String(k)} onChange={(value) => { chosen.value = Number(value); }}
        options={[...DIMENSIONS.filter((dimension) => dimension < short), ...(short <= DIMENSIONS.at(-1)! ? [short] : [])].map((dimension) => ({ value: String(dimension), text: String(dimension), title: `spaces of the ${dimension} largest singular vectors` }))} />
    </>
  );
  const label = `Overlap of the leading singular spaces of ${entry.name}`;
  if (job.state !== "done") {
    return (
      <div class="tensor-panels pair-panels">
        <PlotPlaceholder title={title} label={label}>
          <JobMessage job={job} busy="Comparing singular spaces" onRetry={() => { store.jobs.stop(jobKey.subspaces(pair, k)); request(); }} onStop={() => store.jobs.stop(jobKey.subspaces(pair, k))}
            idle={quick ? undefined : { text: "Singular vectors of a large matrix: computed on request.", action: "Compute", run: request }} />
        </PlotPlaceholder>
      </div>
    );
  }
  const { value } = job;
  return (
    <>
      <div class="tensor-panels pair-panels">
        <Angles entry={entry} title={title} label={label} result={value} />
        <Alignment key={`${pair} ${k}`} entry={entry} result={value} />
      </div>
      <div class="tensor-figures"><Figures view={store} title="Singular spaces" how={describeHow(value.how)} figures={figuresOf(value)} /></div>
    </>
  );
}

function Angles({ entry, title, label, result }: { entry: Entry; title: preact.ComponentChildren; label: string; result: SubspacesResult }) {
  const series = useMemo(() => (["left", "right"] as const).map((side) => {
    const cosines = result[side].map(toNumber);
    return { name: side, kind: side === "left" ? "side_a" : "side_b", x: cosines.map((_, i) => i + 1), y: cosines.map((cosine) => (Number.isFinite(cosine) ? cosine : null)) };
  }), [result]);
  return (
    <LinePlot
      id={`${entry.name}-principal-angles`}
      title={title}
      label={label}
      how={`cosines of the principal angles between the spaces of the ${result.k} largest singular vectors of A and of B; 1 is the same direction · ${describeHow(result.how)}`}
      xTitle="principal angle"
      yTitle="cosine"
      series={series}
      table={() => [
        { name: "angle", values: result.left.map((_, i) => i + 1) },
        { name: "left cosine", values: result.left },
        { name: "right cosine", values: result.right },
      ]}
    />
  );
}

function Alignment({ entry, result: { alignment, how } }: { entry: Entry; result: SubspacesResult }) {
  const { side } = alignment;
  const loader = useMemo(() => localMatrix(decodeFloats(alignment.values, side * side), side), [alignment]);
  if (side === 0) return null;
  return (
    <Heatmap
      id={`${entry.name}-alignment`}
      title={<><strong>alignment</strong><span class="muted" title="Bright off the diagonal: directions of B that came from elsewhere in A's order">|⟨uᵢ(A), uⱼ(B)⟩|</span></>}
      label={`Alignment of the left singular vectors of ${entry.name}: rows A's, columns B's`}
      how={`absolute cosines of the first ${side} left singular vectors, A's in rows, B's in columns · ${describeHow(how)}`}
      rows={side}
      columns={side}
      pooling="abs"
      loader={loader}
    />
  );
}

function figuresOf({ matching, inner, dot, intruders, k }: SubspacesResult): Figure[] {
  const r = matching.map(({ gamma, sum, count }): Figure => {
    const value = count === 0 ? NaN : toNumber(sum) / count;
    return { label: `R, γ ${gamma}`, title: `R of the weight-matching analysis over σ ≥ ${gamma}·σ₁: 1 when B's singular vectors are A's, 0 when they have nothing to do with each other (${formatInteger(count)} count)`, text: formatNumber(value), exact: formatExact(value) };
  });
  return [
    ...r,
    { label: "⟨A, B⟩", title: "inner product, element by element", text: formatNumber(dot), exact: formatExact(dot) },
    { label: "through σ, u, v", title: "Σ σᵢ(A)·σⱼ(B)·⟨uᵢ, uⱼ⟩⟨vᵢ, vⱼ⟩, which equals ⟨A, B⟩", text: formatNumber(inner), exact: formatExact(inner) },
    {
      label: "intruders",
      title: `B's left singular vectors among the first ${k} that none of A's resembles (cosine below ½; PEFT's intruder dimensions)`,
      text: intruders.length === 0 ? "none" : `${intruders.slice(0, MOST_INTRUDERS).map(({ index }) => formatInteger(index + 1)).join(", ")}${intruders.length > MOST_INTRUDERS ? " …" : ""}`,
      exact: intruders.length === 0 ? "none" : intruders.map(({ index, similarity }) => `${index + 1} (${formatNumber(similarity)})`).join(", "),
    },
  ];
}
