/** A merge at a glance: whether it can run, what it will write, where each layer comes from, with which parameters. */
import type { MergeOverview, MergeSnapshot } from "../../src/protocol/merge";
import { formatBytes, formatDuration, formatInteger, plural, visibleText } from "../ui/format";
import { InputList } from "./input-list";
import { Parameters } from "./parameters";
import { Problems } from "./problems";
import { ProvenanceStrip } from "./provenance-strip";
import { RunBar } from "./run-bar";
import type { MergeStore } from "./store";

export function OverviewPage({ store, snapshot, overview }: { store: MergeStore; snapshot: MergeSnapshot; overview: MergeOverview }) {
  const { plan, method } = overview;
  return (
    <article class="page merge-overview" aria-label="Overview">
      <RunBar store={store} snapshot={snapshot} />
      <Problems store={store} problems={overview.problems} />
      {plan !== null && <Estimate plan={plan} />}
      {overview.provenance.layers.length > 0 && (
        <section class="merge-provenance" aria-label="Provenance">
          <ProvenanceStrip overview={overview} run={store.run.value} />
          <InputList store={store} overview={overview} />
        </section>
      )}
      {overview.provenance.layers.length === 0 && overview.inputs.length > 0 && <InputList store={store} overview={overview} />}
      <Parameters store={store} overview={overview} />
      {method !== null && (
        <section class="merge-method" aria-label="Method">
          <h2>{visibleText(method.name)}</h2>
          <p>{visibleText(method.summary)}</p>
          <pre class="merge-formula">{method.formula}</pre>
          {method.link !== "" && <p class="muted">{visibleText(method.link)}</p>}
        </section>
      )}
    </article>
  );
}

/** Output, disk, memory and time. */
function Estimate({ plan }: { plan: NonNullable<MergeOverview["plan"]> }) {
  const room = plan.freeBytes === null ? "" : ` · ${formatBytes(plan.freeBytes)} free`;
  const figures: [string, string, string][] = [
    [formatBytes(plan.outputBytes), `${plural(plan.files.length, "file")}, ${plural(plan.tensors, "tensor")}`, `${formatInteger(plan.outputBytes)} bytes: ${plan.files.join(", ")}`],
    [formatBytes(plan.inputBytes), "to read", `${formatInteger(plan.inputBytes)} bytes`],
    [formatBytes(plan.peakMemoryBytes), "memory at most", `${formatInteger(plan.peakMemoryBytes)} bytes of the engine, whatever the size of the models`],
    [plan.seconds < 0.01 ? formatDuration(plan.seconds) : `≈ ${formatDuration(plan.seconds)}`, "on this machine", "from measured rates"],
  ];
  return (
    <dl class="key-figures merge-estimate" aria-label="Estimate">
      {figures.map(([value, label, exact], i) => (
        <div class="key-figure" key={label} title={visibleText(exact)}>
          <dd class="key-figure-value">{value}</dd>
          <dt class="key-figure-label">{label}{i === 0 ? room : ""}</dt>
        </div>
      ))}
    </dl>
  );
}
