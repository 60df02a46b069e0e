/** A module: its pairs, and, when it is folded, that module across depth. */
import { useMemo } from "preact/hooks";
import { LinePlot } from "../plots/line-plot";
import type { LinePlotProps } from "../plots/types";
import { kindsOf } from "../tree/kinds";
import { Link } from "../ui/button";
import { formatCount, formatInteger, plural, visibleText } from "../ui/format";
import { Cell } from "./tree-pane";
import { measureById, parametersOf, type Measure } from "./measures";
import type { CompareStore } from "./store";
import type { TreeModel } from "./tree-model";

const COLUMNS = ["looks", "relative", "cosine", "changed", "maxAbs", "rank"];
const MOST_ROWS = 400;

export function GroupPage({ store, model, path, entries }: { store: CompareStore; model: TreeModel; path: string; entries: readonly number[] }) {
  const { list } = store.entries.value;
  const parameters = entries.reduce((sum, entry) => sum + parametersOf(list[entry]!.shape), 0);
  const measure = model.spark.value;
  const values = store.values.value;
  const results = store.results.value;
  const sorted = useMemo(() => {
    const numbers = values.numbers(measureById("relative")!);
    return [...entries].sort((a, b) => (numbers[b]! || -1) - (numbers[a]! || -1)).slice(0, MOST_ROWS);
  }, [entries, values, results]);
  const hovered = store.hovered.value;
  const header = (id: string): { label: string; title: string } => (id === "looks" ? { label: "looks like", title: "what the change looks like" } : measureById(id)!);
  return (
    <article class="page" aria-label={`Module ${visibleText(path)}`}>
      <header class="page-header">
        <h2 class="page-title">{visibleText(path)}</h2>
        <p class="muted" title={`${formatInteger(parameters)} parameters`}>{plural(entries.length, "tensor")} · {formatCount(parameters)} parameters</p>
      </header>
      <DepthPlot store={store} measure={measure} entries={entries} />
      <section aria-label="Pairs of the module" class="page-scroll">
        <table class="quiet-table">
          <thead>
            <tr>
              <th scope="col">tensor</th>
              {COLUMNS.map((id) => <th key={id} scope="col" class={id === "looks" ? undefined : "number"} title={header(id).title}>{header(id).label}</th>)}
            </tr>
          </thead>
          <tbody>
            {sorted.map((entry) => (
              <tr key={entry} class={entry === hovered ? "lit" : undefined} onPointerEnter={() => { store.hovered.value = entry; }} onPointerLeave={() => { store.hovered.value = -1; }}>
                <th scope="row"><Link title={visibleText(list[entry]!.name)} onClick={() => store.select({ kind: "entry", entry })}>{visibleText(inside(list[entry]!.name, path))}</Link></th>
                {COLUMNS.map((id) => <td key={id} class={id === "looks" ? undefined : "number"}><Cell store={store} entries={[entry]} column={id} /></td>)}
              </tr>
            ))}
          </tbody>
        </table>
        {entries.length > MOST_ROWS && <p class="muted">and {plural(entries.length - MOST_ROWS, "other")}; the Pairs page lists all.</p>}
      </section>
    </article>
  );
}

/** The name without the module's own path, unless that is folded. */
function inside(name: string, path: string): string {
  return !path.includes("*") && name.startsWith(path) && name.length > path.length ? name.slice(path.length + 1) : name;
}

/** The tree's measure by layer, one line per kind. */
function DepthPlot({ store, measure, entries }: { store: CompareStore; measure: Measure; entries: readonly number[] }) {
  const kinds = kindsOf(store.entries.value.list);
  const results = store.results.value;
  const values = store.values.value;
  const series = useMemo((): LinePlotProps["series"] => {
    if (kinds === null) return [];
    const lines = new Map<number, Map<number, number[]>>();
    for (const entry of entries) {
      const layer = kinds.layer[entry]!;
      if (layer < 0) continue;
      let line = lines.get(kinds.kind[entry]!);
      if (line === undefined) lines.set(kinds.kind[entry]!, (line = new Map<number, number[]>()));
      line.set(layer, [...(line.get(layer) ?? []), entry]);
    }
    return [...lines].filter(([, line]) => line.size > 1).map(([kind, line]) => {
      const layers = [...line].sort((a, b) => a[0] - b[0]);
      return {
        name: kinds.names[kind]!,
        kind: kinds.names[kind]!,
        x: layers.map(([layer]) => layer),
        y: layers.map(([, group]) => { const { value } = values.combine(measure, group); return Number.isFinite(value) ? value : null; }),
        tensors: layers.map(([, group]) => group[0]!),
      };
    }).filter(({ y }) => y.some((value) => value !== null));
  }, [kinds, entries, measure, values, results]);
  if (series.length === 0) return null;
  const layers = [...new Set(series.flatMap(({ x }) => x))].sort((a, b) => a - b);
  return (
    <section class="overview-chart compare-depth">
      <LinePlot
        id="change-by-depth"
        title={<strong>{measure.label} by layer</strong>}
        label={`${measure.title} by layer`}
        xTitle="layer"
        yTitle={measure.label}
        series={series}
        highlighted={store.hovered.value}
        onHover={(entry) => { store.hovered.value = entry; }}
        onSelect={(entry) => store.select({ kind: "entry", entry })}
        table={() => [{ name: "layer", values: layers }, ...series.map(({ name, x, y }) => ({ name, values: layers.map((layer) => y[x.indexOf(layer)] ?? null) }))]}
      />
    </section>
  );
}
