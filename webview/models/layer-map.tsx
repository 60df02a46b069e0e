/** One number of the models' relations by layer and kind of tensor. */
import { useMemo } from "preact/hooks";
import type { Relations, RelationsOfTensor } from "../../src/protocol/results";
import { CellMap } from "../plots/cell-map";
import { formatNumber, visibleText } from "../ui/format";
import type { ModelsStore } from "./store";

interface Measure {
  id: string;
  title: string;
  signed?: true;
  value(tensor: RelationsOfTensor): number | null;
}

/** More pairs of models are not offered one by one. */
const MOST_PAIRS = 15;

function measuresOf(models: readonly string[]): Measure[] {
  const pairs = models.flatMap((_, i) => models.slice(i + 1).map((__, k) => [i, i + 1 + k] as const)).slice(0, MOST_PAIRS);
  return [
    { id: "conflict", title: "sign conflict among all", value: ({ signConflict }) => signConflict },
    ...pairs.map(([i, j]): Measure => ({ id: `cosine-${i}-${j}`, title: `cosine of ${models[i]!} and ${models[j]!}`, signed: true, value: ({ cosine }) => cosine[i]![j]! })),
    ...pairs.map(([i, j]): Measure => ({ id: `overlap-${i}-${j}`, title: `overlap of ${models[i]!} and ${models[j]!}`, value: ({ overlap }) => overlap[i]![j]! })),
    ...models.map((name, i): Measure => ({ id: `norm-${i}`, title: `‖τ‖ of ${name}`, value: ({ norms }) => norms[i]! })),
  ];
}

export function LayerMap({ store, relations, models }: { store: ModelsStore; relations: Relations; models: readonly string[] }) {
  const chosen = store.pageState("layers.measure", "conflict");
  const measures = useMemo(() => measuresOf(models), [models.join("\0")]);
  const measure = measures.find(({ id }) => id === chosen.value) ?? measures[0]!;
  const { kinds, layers, cells } = useMemo(() => grouped(relations.tensors), [relations]);
  const values = useMemo(() => cells.map((tensors) => mean(tensors, measure)), [cells, measure]);
  const largest = values.reduce((most: number, value) => Math.max(most, value ?? 0), 0);
  const bounded = measure.signed === true || !measure.id.startsWith("norm");
  const share = (value: number | null): number | null => (value === null ? null : measure.signed === true ? (value + 1) / 2 : bounded ? value : largest === 0 ? 0 : value / largest);
  if (kinds.length === 0) return null;
  return (
    <div class="layer-map" style={{ height: `${kinds.length * 20 + 82}px` }}>
      <CellMap
        id={`by-layer-${measure.id}`}
        title={
          <>
            <select class="select" aria-label="Measure" value={measure.id} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
              {measures.map(({ id, title }) => <option key={id} value={id}>{visibleText(title)}</option>)}
            </select>
            <span>by layer and kind</span>
          </>
        }
        label={`${measure.title} by layer and kind of tensor`}
        how={`${measure.title}; several tensors in one cell: their mean, weighted by their elements`}
        rows={kinds}
        columns={layers.map((layer) => (layer === null ? "–" : String(layer)))}
        xTitle="layer"
        shares={values.map(share)}
        scale={measure.signed === true ? { low: "−1", high: "1", signed: true } : { low: "0", high: bounded ? "1" : formatNumber(largest) }}
        text={(cell) => { const value = values[cell]!; return value === null ? "" : value.toPrecision(2); }}
        describe={(cell) => {
          const layer = layers[cell % layers.length]!;
          const tensors = cells[cell]!;
          return [
            [`${kinds[Math.floor(cell / layers.length)]!}${layer === null ? "" : `, layer ${layer}`}`, tensors.length === 0 ? "no tensor" : tensors.length === 1 ? visibleText(tensors[0]!.name) : `${tensors.length} tensors`],
            [measure.title, values[cell] === null ? "not defined: nothing changed" : formatNumber(values[cell])],
          ];
        }}
        onSelect={(cell) => { const [tensor] = cells[cell]!; if (tensor !== undefined) store.host.notify("inspect", { model: -1, tensor: tensor.name }); }}
        table={() => [
          { name: "kind", values: cells.map((_, i) => kinds[Math.floor(i / layers.length)]!) },
          { name: "layer", values: cells.map((_, i) => layers[i % layers.length]!) },
          { name: measure.title, values },
        ]}
      />
    </div>
  );
}

function grouped(tensors: readonly RelationsOfTensor[]): { kinds: string[]; layers: (number | null)[]; cells: RelationsOfTensor[][] } {
  const kinds = [...new Set(tensors.map(({ kind }) => kind))];
  const numbered = [...new Set(tensors.flatMap(({ layer }) => layer ?? []))].sort((x, y) => x - y);
  const layers = [...numbered, ...(tensors.some(({ layer }) => layer === null) ? [null] : [])];
  const column = new Map(layers.map((layer, i) => [layer, i]));
  const cells = Array.from({ length: kinds.length * layers.length }, (): RelationsOfTensor[] => []);
  for (const tensor of tensors) cells[kinds.indexOf(tensor.kind) * layers.length + column.get(tensor.layer)!]!.push(tensor);
  return { kinds, layers, cells };
}

function mean(tensors: readonly RelationsOfTensor[], { value }: Measure): number | null {
  let [sum, weight] = [0, 0];
  for (const tensor of tensors) {
    const own = value(tensor);
    if (own === null) continue;
    sum += own * tensor.parameters;
    weight += tensor.parameters;
  }
  return weight === 0 ? null : sum / weight;
}
