/** Rank usage of an adapter: a bar per module, used rank by layer, and the ranks that would do. */
import "./rank-page.css";
import { useEffect, useMemo } from "preact/hooks";
import { kindOf, layerOf } from "../../src/checkpoint/structure";
import type { AdapterSummary } from "../../src/protocol/inspect";
import type { RankModule, RankUsage } from "../../src/protocol/rank";
import { DEFAULT_ENERGY, suggestion, withSuggestions, type RankTarget } from "../../src/protocol/rank-suggestion";
import { toNumber } from "../../src/protocol/results";
import { Choice } from "../plots/choice";
import { LinePlot } from "../plots/line-plot";
import type { PlotColumn } from "../plots/types";
import { Button } from "../ui/button";
import { formatInteger, formatNumber, formatShape, plural, visibleText } from "../ui/format";
import { RANK_BASE, rankKey } from "./adapter-modules";
import { FindingLine } from "../frame/finding-line";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { nameOf, RankBars } from "./rank-bars";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";

export function RankPage({ store }: { store: InspectStore }) {
  const adapter = store.adapter.value;
  const base = store.pageState<string | null>(RANK_BASE, null);
  const key = rankKey(base.value);
  const job = jobsOf(store).of(key).value;
  const compute = (): void => jobsOf(store).start<RankUsage>(key, (signal) => store.host.call("rankUsage", { base: base.peek() }, signal));
  const mergeable = adapter !== null && adapter.notMergeable === undefined;
  useEffect(() => {
    // An adapter is small: its numbers come without being asked for.
    if (mergeable && jobsOf(store).of(key).peek().state === "idle") compute();
  }, [store, key, mergeable]);

  if (adapter === null) return <p class="empty">This checkpoint is not an adapter, so no rank is allocated in it.</p>;
  const chooseBase = (): void => {
    store.host.call("chooseBase", {}).then(
      ({ path }) => { if (path !== null) base.value = path; },
      (error: unknown) => store.say(error instanceof Error ? error.message : String(error), true),
    );
  };
  return (
    <article class="page rank-page" aria-label="Ranks">
      <Header adapter={adapter} base={base.value} onBase={chooseBase} />
      {!mergeable && <p>{`There is no weight update to look at: ${visibleText(adapter.notMergeable ?? "")}.`}</p>}
      {mergeable && (job.state === "done"
        ? <Usage store={store} usage={job.value as RankUsage} />
        : <p class="rank-message"><JobMessage job={job} busy="Computing the spectra of the updates" onRetry={compute} onStop={() => jobsOf(store).stop(key)} idle={{ text: "Not computed.", action: "Compute", run: compute }} /></p>)}
    </article>
  );
}

function Header({ adapter, base, onBase }: { adapter: AdapterSummary; base: string | null; onBase: () => void }) {
  const named = base ?? adapter.base;
  return (
    <header class="page-header">
      <h2 class="page-title">{visibleText(adapter.type)} adapter{named !== null && <span class="muted"> of {visibleText(named)}</span>}</h2>
      {adapter.notMergeable === undefined && (
        <p class="page-actions">
          <Button secondary={!adapter.needsBase || base !== null} icon="folder-opened" onClick={onBase}>{base === null ? "Choose Base Model…" : "Choose Another Base Model…"}</Button>
          {base === null && <span class="muted">{adapter.needsBase ? "Some updates depend on the base's weights." : "With it, updates are also measured against the weights they change."}</span>}
        </p>
      )}
    </header>
  );
}

function Usage({ store, usage }: { store: InspectStore; usage: RankUsage }) {
  const by = store.pageState<"energy" | "budget">("ranks.by", "energy");
  const energy = store.pageState("ranks.energy", DEFAULT_ENERGY);
  const allocated = usage.modules.reduce((sum, { rank }) => sum + (rank ?? 0), 0);
  const budget = store.pageState("ranks.budget", Math.max(allocated, 1));
  const target: RankTarget = by.value === "energy" ? { energy: energy.value } : { budget: budget.value };
  const modules = useMemo(() => byDepth(withSuggestions(usage.modules, target)), [usage, by.value, energy.value, budget.value]);
  const made = usage.modules[0]?.spectrum.how;
  const series = useMemo(() => seriesByKind(modules), [modules]);
  return (
    <>
      {usage.findings.length > 0 && <ul class="findings">{usage.findings.map((finding, i) => <FindingLine key={i} view={store} finding={finding} />)}</ul>}
      {modules.length > 0 && (
        <>
          <p class="rank-target">
            <Choice label="Suggest by" value={by.value} onChange={(value) => { by.value = value; }} options={[{ value: "energy", text: "energy", title: "Keep a share of Σσ² in every module" }, { value: "budget", text: "budget", title: "Share a number of ranks by EVA's rule, on the spectra of ΔW: EVA itself uses activations" }]} />
            {by.value === "energy" ? (
              <label>keep <input type="range" min="0.5" max="0.999" step="0.001" value={energy.value} onInput={(event) => { energy.value = Number(event.currentTarget.value); }} /> <output>{(100 * energy.value).toFixed(1)} % of Σσ²</output></label>
            ) : (
              <label><input type="number" min="1" step="1" value={budget.value} onInput={(event) => { budget.value = Math.max(1, Math.floor(Number(event.currentTarget.value)) || 1); }} /> ranks in all{allocated > 0 && <span class="muted">, {formatInteger(allocated)} now</span>}</label>
            )}
          </p>
          {by.value === "budget" && <p class="muted">Shared by EVA's rule over the spectra of ΔW alone: EVA itself ranks directions of activations, which no checkpoint holds.</p>}
          <RankBars modules={modules} />
          <Suggestion store={store} usage={usage} modules={modules} target={target} />
          {series.length > 0 && (
            <div class="rank-chart">
              <LinePlot
                id="used-rank"
                title={<strong>used rank (.99) by layer</strong>}
                label="Used rank by layer"
                {...(made === undefined ? {} : { how: describeHow(made) })}
                xTitle="layer"
                yTitle="rank"
                series={series}
                table={() => rankTable(modules)}
              />
            </div>
          )}
        </>
      )}
    </>
  );
}

function Suggestion({ store, usage, modules, target }: { store: InspectStore; usage: RankUsage; modules: readonly RankModule[]; target: RankTarget }) {
  const suggested = suggestion(modules, usage.rootScaled);
  const { rank_pattern, alpha_pattern, parametersNow, parametersThen } = suggested;
  const patterns = JSON.stringify({ rank_pattern, alpha_pattern }, null, 2);
  const share = parametersNow > 0 ? ` (${((100 * parametersThen) / parametersNow).toPrecision(3)} %)` : "";
  const exported = (): string => JSON.stringify({ ...usage, target, modules, suggestion: suggested }, null, 2);
  return (
    <section class="rank-suggestion" aria-label="Suggested ranks">
      <h3>{plural(Object.keys(rank_pattern).length, "module")}: {formatInteger(parametersThen)} parameters as LoRA, {formatInteger(parametersNow)} now{share}</h3>
      <pre tabIndex={0} aria-label="rank_pattern and alpha_pattern">{patterns.split("\n").map(visibleText).join("\n")}</pre>
      <p class="page-actions">
        <Button icon="copy" onClick={() => store.copy(patterns, "rank_pattern and alpha_pattern")}>Copy</Button>
        <Button secondary icon="export" onClick={() => store.save("rank-usage.json", exported())}>Export JSON…</Button>
      </p>
    </section>
  );
}

/** By layer, those outside of any first; in the adapter's order within a layer. */
function byDepth(modules: readonly RankModule[]): RankModule[] {
  const depth = ({ module }: RankModule): number => layerOf(module) ?? -1;
  return [...modules].sort((a, b) => depth(a) - depth(b));
}

function seriesByKind(modules: readonly RankModule[]) {
  const lines = new Map<string, { layer: number; rank: number }[]>();
  for (const { module, tensor, shape, spectrum } of modules) {
    const layer = layerOf(module);
    if (layer === null) continue;
    const kind = kindOf(tensor, shape);
    const line = lines.get(kind) ?? [];
    lines.set(kind, line);
    line.push({ layer, rank: spectrum.energyRank["0.99"] });
  }
  return [...lines].map(([kind, points]) => ({ name: kind, kind, x: points.map(({ layer }) => layer), y: points.map(({ rank }) => rank) }));
}

/** The numbers behind bars and lines, as exported. */
function rankTable(modules: readonly RankModule[]): PlotColumn[] {
  const column = (name: string, value: (module: RankModule) => number | string | null): PlotColumn => ({ name, values: modules.map(value) });
  return [
    column("module", nameOf),
    column("shape", ({ shape }) => formatShape(shape)),
    column("rank", ({ rank }) => rank),
    column("used .9", ({ spectrum }) => spectrum.energyRank["0.9"]),
    column("used .95", ({ spectrum }) => spectrum.energyRank["0.95"]),
    column("used .99", ({ spectrum }) => spectrum.energyRank["0.99"]),
    column("unused", ({ unused }) => unused),
    column("suggested", ({ suggestedRank }) => suggestedRank),
    column("stable rank", ({ spectrum }) => toNumber(spectrum.stableRank)),
    column("effective rank", ({ spectrum }) => toNumber(spectrum.effectiveRank)),
    column("‖ΔW‖", ({ deltaNorm }) => deltaNorm),
    column("‖ΔW‖/‖W‖", ({ relativeNorm }) => relativeNorm ?? null),
    column("‖AAᵀ − I‖", ({ orthogonalityDrift }) => orthogonalityDrift ?? null),
    column("largest direction", ({ perRankNorms }) => (perRankNorms === undefined ? null : formatNumber(Math.max(...perRankNorms.map(toNumber))))),
  ];
}
