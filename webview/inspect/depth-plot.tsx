/** A statistic by layer, one line per kind of tensor, with the statistic picked in the title. */
import { useMemo } from "preact/hooks";
import { LinePlot } from "../plots/line-plot";
import type { LinePlotProps } from "../plots/types";
import { Button } from "../ui/button";
import { formatBytes, plural, visibleText } from "../ui/format";
import { columnById, COMPUTED, hasSpectrum, type Column } from "./columns";
import type { ColumnValues } from "./column-values";
import { kindsOf, type Kinds } from "../tree/kinds";
import type { InspectStore } from "./store";

/** `tensors`: those to draw; all of the model by default. */
export function DepthPlot({ store, id, tensors }: { store: InspectStore; id: string; tensors?: readonly number[] }) {
  const chosen = store.pageState("depth.statistic", "l2");
  const column = columnById(chosen.value) ?? COMPUTED[0]!;
  const kinds = kindsOf(store.rows.value);
  const results = store.results.value;
  const values = store.values.value;
  const layered = useMemo(() => (kinds === null ? [] : byKindAndLayer(kinds, tensors)), [kinds, tensors]);
  const series = useMemo(() => drawSeries(layered, column, values), [layered, column, values, results]);
  if (layered.length === 0) return null;
  const drawn = series.filter((line) => line.y.some((y) => y !== null));
  const title = (
    <>
      <select class="select" aria-label="Statistic" value={column.id} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
        {COMPUTED.map(({ id, label, title }) => <option key={id} value={id}>{label === title ? title : `${label} · ${title}`}</option>)}
      </select>
      <span>by depth</span>
    </>
  );
  const label = `${column.title} by layer`;
  if (drawn.length === 0) return <Uncomputed store={store} title={title} column={column} tensors={layered.flatMap(({ layers }) => layers.flatMap((layer) => layer.tensors))} />;
  return (
    <div class="depth-plot">
      <LinePlot
        id={id}
        title={title}
        label={label}
        xTitle="layer"
        yTitle={column.label}
        series={drawn}
        highlighted={store.hovered.value}
        onHover={(tensor) => { store.hovered.value = tensor; }}
        onSelect={(tensor, alt) => (alt ? store.toggleCompared(tensor) : store.select({ kind: "tensor", tensor }))}
        table={() => tableOf(drawn)}
      />
    </div>
  );
}

function Uncomputed({ store, title, column, tensors }: { store: InspectStore; title: preact.ComponentChildren; column: Column; tensors: readonly number[] }) {
  const rows = store.rows.value;
  const spectral = column.part === "spectrum";
  const known = store.results.value;
  const part = spectral ? "spectrum" : "statistics";
  const usable = tensors.filter((tensor) => rows[tensor]!.unreadable === undefined && known.get(tensor)?.[part] === undefined && (!spectral || hasSpectrum(rows[tensor]!.shape)));
  const bytes = usable.reduce((sum, tensor) => sum + rows[tensor]!.bytes, 0);
  return (
    <figure class="depth-plot depth-empty">
      <figcaption>{title}</figcaption>
      <div>
        {usable.length === 0 ? <p>{column.title}: no tensor here has a finite one.</p> : store.progress.value?.running === true ? <p>{column.title}: nothing has arrived yet.</p> : (
          <>
            <p>{column.title} has not been computed. It takes reading {plural(usable.length, spectral ? "matrix" : "tensor", spectral ? "matrices" : "tensors")}, {formatBytes(bytes)}.</p>
            <Button secondary icon="play" disabled={store.engine.value.state === "missing"} onClick={() => store.analyse(spectral ? ["spectrum"] : ["statistics", "norms"], usable)}>Compute</Button>
          </>
        )}
      </div>
    </figure>
  );
}

export interface KindLayers {
  kind: string;
  layers: { layer: number; tensors: number[] }[];
}

/** Tensors inside layers, by kind and by layer ascending; kinds that are in fewer than two layers make no line. */
export function byKindAndLayer(kinds: Kinds, tensors?: readonly number[]): KindLayers[] {
  const found = new Map<number, Map<number, number[]>>();
  const add = (tensor: number): void => {
    const layer = kinds.layer[tensor]!;
    if (layer < 0) return;
    const kind = kinds.kind[tensor]!;
    let layers = found.get(kind);
    if (layers === undefined) found.set(kind, (layers = new Map<number, number[]>()));
    const group = layers.get(layer);
    if (group === undefined) layers.set(layer, [tensor]);
    else group.push(tensor);
  };
  if (tensors === undefined) for (let i = 0; i < kinds.kind.length; i++) add(i);
  else tensors.forEach(add);
  return [...found].filter(([, layers]) => layers.size > 1).map(([kind, layers]) => ({
    kind: kinds.names[kind]!,
    layers: [...layers].map(([layer, group]) => ({ layer, tensors: group })).sort((a, b) => a.layer - b.layer),
  }));
}

function drawSeries(layered: readonly KindLayers[], column: Column, values: ColumnValues): LinePlotProps["series"] {
  return layered.map(({ kind, layers }) => ({
    name: visibleText(kind),
    kind,
    x: layers.map(({ layer }) => layer),
    y: layers.map(({ tensors }) => {
      const { value } = values.combine(column, tensors);
      return Number.isFinite(value) ? value : null;
    }),
    // A point made of several tensors stands for the first of them.
    tensors: layers.map(({ tensors }) => tensors[0]!),
  }));
}

function tableOf(series: LinePlotProps["series"]): ReturnType<LinePlotProps["table"]> {
  const layers = [...new Set(series.flatMap(({ x }) => x))].sort((a, b) => a - b);
  return [
    { name: "layer", values: layers },
    ...series.map(({ name, x, y }) => {
      const byLayer = new Map(x.map((layer, i) => [layer, y[i] ?? null]));
      return { name, values: layers.map((layer) => byLayer.get(layer) ?? null) };
    }),
  ];
}
