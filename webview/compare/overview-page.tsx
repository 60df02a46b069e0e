/** Both models at a glance: what was found, how much, where. */
import { useEffect, useState } from "preact/hooks";
import { FindingLine } from "../frame/finding-line";
import { Button, Link } from "../ui/button";
import { formatBytes, formatCount, formatExact, formatInteger, formatNumber, formatShare, plural, visibleText } from "../ui/format";
import { ChangeDistribution } from "./change-distribution";
import { ChangeScatter } from "./change-scatter";
import { isRetyped } from "./entries";
import { dtypeText, sectionText, shapeText } from "./entry-texts";
import { MeasureMap } from "./measure-map";
import { measureById } from "./measures";
import type { CompareStore } from "./store";
import type { TreeModel } from "./tree-model";

const MOST_FINDINGS = 5;
const MOST_LISTED = 8;
const DRAWN_AT_ONCE = 20_000;

export function OverviewPage({ store, model }: { store: CompareStore; model: TreeModel }) {
  return (
    <article class="page compare-overview" aria-label="Overview">
      <Summary store={store} />
      <Figures store={store} />
      <Analysis store={store} />
      <Findings store={store} />
      <Charts store={store} />
      <Lists store={store} model={model} />
    </article>
  );
}

/** What was found, in sentences. */
function Summary({ store }: { store: CompareStore }) {
  const summary = store.summary.value;
  const running = store.progress.value?.running === true;
  if (summary.length === 0) return running ? <p class="found muted">Comparing …</p> : null;
  return (
    <section class="found" aria-label="What was found">
      <div role="status">{summary.map((sentence) => <p key={sentence}>{visibleText(sentence)}</p>)}</div>
    </section>
  );
}

function Figures({ store }: { store: CompareStore }) {
  const totals = store.totals.value;
  const { pairs } = store.entries.value;
  const known = totals !== null && totals.tensors > 0;
  const partly = known && totals.tensors < pairs ? `, of ${formatInteger(totals.tensors)} of ${plural(pairs, "pair")} so far` : "";
  const nothing = { value: "–", exact: "Not compared yet" };
  const figures: { label: string; value: string; exact: string }[] = [
    { label: "relative change ‖Δ‖/‖A‖", ...(known ? { value: formatNumber(totals.relative), exact: `‖Δ‖ ${formatExact(totals.norm)}; ‖Δ‖/‖A‖ ${formatExact(totals.relative)}${partly}` } : nothing) },
    { label: "cosine of all parameters", ...(known ? { value: measureById("cosine")!.format(totals.cosine), exact: `${formatExact(totals.cosine)}${partly}` } : nothing) },
    { label: "of the elements changed", ...(known ? { value: totals.parameters === 0 ? "–" : formatShare(totals.changed / totals.parameters), exact: `${formatInteger(totals.changed)} of ${formatInteger(totals.parameters)}, bitwise${partly}` } : nothing) },
    { label: "tensors equal", ...(known ? { value: `${formatCount(totals.equal)} of ${formatCount(totals.tensors)}`, exact: `${formatInteger(totals.equal)} of ${formatInteger(totals.tensors)} pairs are equal bit by bit${partly}` } : nothing) },
  ];
  return (
    <section class="key-figures compare-figures" aria-label="Figures">
      {figures.map(({ label, value, exact }) => (
        <div class="key-figure" title={exact} key={label}><span class="key-figure-value">{value}</span><span class="key-figure-label">{label}</span></div>
      ))}
    </section>
  );
}

/** What is still to be computed, and what it takes. */
function Analysis({ store }: { store: CompareStore }) {
  const { list, pairs } = store.entries.value;
  const results = store.results.value;
  const progress = store.progress.value;
  if (progress?.running === true) return null;
  let open = 0;
  let bytes = 0;
  let matrices = 0;
  let failed = 0;
  for (let i = 0; i < pairs; i++) {
    const entry = list[i]!;
    const update = results.get(i);
    if (entry.unreadable !== undefined) continue;
    if (update?.failed !== undefined && update.numbers === undefined) failed++;
    else if (update?.numbers === undefined) {
      open++;
      bytes += entry.a!.bytes + entry.b!.bytes;
    } else if (!update.numbers.equal && update.spectrum === undefined && entry.shape.length >= 2) matrices++;
  }
  if (open === 0 && matrices === 0 && failed === 0) return null;
  const missing = store.engine.value.state === "missing";
  return (
    <section class="analysis" aria-label="Analysis">
      {open > 0 && <Button icon="play" disabled={missing} onClick={() => store.analyse(["difference", "structure"])}>Compute differences</Button>}
      {open === 0 && matrices > 0 && <Button secondary icon="graph-line" disabled={missing} onClick={() => store.analyse(["spectrum"])}>Compute spectra of the change</Button>}
      <span class="muted">
        {missing ? "Needs the engine."
          : open > 0 ? `Reads ${plural(open, "pair")} once (${formatBytes(bytes)}), the largest change expected first; what is computed is kept.`
          : matrices > 0 ? `Of ${plural(matrices, "changed matrix", "changed matrices")}: singular values, stable and effective rank of Δ.` : ""}
        {failed > 0 && ` ${plural(failed, "pair")} could not be compared; the table says why.`}
      </span>
    </section>
  );
}

function Findings({ store }: { store: CompareStore }) {
  const findings = store.findings.value;
  const shown = findings.filter(({ severity }) => severity !== "info").slice(0, MOST_FINDINGS);
  if (shown.length === 0) return null;
  const rest = findings.length - shown.length;
  return (
    <section aria-labelledby="overview-findings">
      <h2 id="overview-findings">Findings</h2>
      <ul class="findings">{shown.map((finding, i) => <FindingLine key={i} view={store} finding={finding} />)}</ul>
      {rest > 0 && <p class="muted"><Link onClick={() => { store.tab.value = "findings"; }}>{rest} more</Link> on the Findings page.</p>}
    </section>
  );
}

/** What looks at every pair: of very large models it is drawn once the figures are on screen. */
function Charts({ store }: { store: CompareStore }) {
  const [drawn, setDrawn] = useState(store.entries.peek().pairs <= DRAWN_AT_ONCE);
  useEffect(() => {
    const timer = setTimeout(() => setDrawn(true), 50);
    return () => clearTimeout(timer);
  }, []);
  if (!drawn) return null;
  return (
    <>
      <MeasureMap store={store} id="change-by-layer-and-kind" />
      <section class="compare-charts">
        <ChangeScatter store={store} id="change-against-norm" />
        <ChangeDistribution store={store} id="relative-changes" />
      </section>
    </>
  );
}

/** Tensors that are not compared, or of another type: listed, never hidden. */
function Lists({ store, model }: { store: CompareStore; model: TreeModel }) {
  const { list, pairs } = store.entries.value;
  const sections = model.sections.value.filter(({ id }) => id !== "equal");
  const retyped: number[] = [];
  const unreadable: number[] = [];
  for (let i = 0; i < pairs; i++) {
    if (isRetyped(list[i]!)) retyped.push(i);
    if (list[i]!.unreadable !== undefined) unreadable.push(i);
  }
  return (
    <>
      {sections.map((section) => <EntryList key={section.id} store={store} title={sectionText(section)} entries={section.entries} says={(entry) => shapeText(list[entry]!)} />)}
      {retyped.length > 0 && <EntryList store={store} title={`${plural(retyped.length, "tensor")} of another type`} entries={retyped} says={(entry) => dtypeText(list[entry]!)} />}
      {unreadable.length > 0 && <EntryList store={store} title={`${plural(unreadable.length, "pair")} that cannot be compared`} entries={unreadable} says={(entry) => list[entry]!.unreadable!} />}
    </>
  );
}

export function EntryList({ store, title, entries, says }: { store: CompareStore; title: string; entries: readonly number[]; says: (entry: number) => string }) {
  const [all, setAll] = useState(false);
  const { list } = store.entries.value;
  const shown = entries.slice(0, all ? 500 : MOST_LISTED);
  const rest = entries.length - shown.length;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <ul class="entry-list">
        {shown.map((entry) => (
          <li key={entry}>
            <Link title={visibleText(list[entry]!.name)} onClick={() => store.select({ kind: "entry", entry })}><span class="elide-start"><bdi dir="ltr">{visibleText(list[entry]!.name)}</bdi></span></Link>
            <span class="muted" title={visibleText(says(entry))}>{visibleText(says(entry))}</span>
          </li>
        ))}
      </ul>
      {rest > 0 && <p class="muted">{all ? `and ${formatInteger(rest)} others; the Pairs page lists all` : <Link onClick={() => setAll(true)}>{formatInteger(rest)} more</Link>}</p>}
    </section>
  );
}
