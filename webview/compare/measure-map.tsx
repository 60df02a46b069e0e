/** A measure by layer and kind of tensor. */
import { useMemo } from "preact/hooks";
import { CellMap } from "../plots/cell-map";
import { PlotPlaceholder } from "../plots/message";
import { kindsOf } from "../tree/kinds";
import { visibleText } from "../ui/format";
import { cellsOf, scaleOf } from "./cells";
import { COMPUTED, measureById } from "./measures";
import type { CompareStore } from "./store";

/** What a column outside of all layers is called. */
const OUTSIDE = "–";

export function MeasureMap({ store, id, entries }: { store: CompareStore; id: string; entries?: readonly number[] }) {
  const chosen = store.pageState("map.measure", "relative");
  const measure = measureById(chosen.value) ?? COMPUTED[0]!;
  const all = store.entries.value;
  const kinds = kindsOf(all.list);
  const results = store.results.value;
  const values = store.values.value;
  const cells = useMemo(() => (kinds === null ? null : cellsOf(kinds, entries ?? Array.from({ length: all.pairs }, (_, i) => i), all.pairs)), [kinds, entries, all]);
  const numbers = useMemo(() => cells?.entries.map((group) => (group.length === 0 ? NaN : values.combine(measure, group).value)) ?? [], [cells, measure, values, results]);
  const scale = useMemo(() => scaleOf(numbers, measure), [numbers, measure]);
  const hovered = store.hovered.value;
  const title = (
    <>
      <select class="select" aria-label="Measure" value={measure.id} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
        {COMPUTED.map(({ id: value, label, title: words }) => <option key={value} value={value}>{label} · {words}</option>)}
      </select>
      <span>by layer and kind</span>
    </>
  );
  const label = `${measure.title} by layer and kind of tensor`;
  if (cells === null) return <PlotPlaceholder title={title} label={label}>Sorting the tensors by kind …</PlotPlaceholder>;
  if (cells.kinds.length === 0) return null;
  const height = cells.kinds.length * 20 + 74;
  const waiting = numbers.every(Number.isNaN);
  const pick = (cell: number): void => {
    const group = cells.entries[cell]!;
    if (group.length === 1) store.select({ kind: "entry", entry: group[0]! });
    else if (group.length > 1) store.select({ kind: "group", path: cellPath(store, group), entries: group });
  };
  return (
    <div class="measure-map" style={{ height: `${height}px` }}>
      <CellMap
        id={id}
        title={<>{title}{waiting && <span class="muted">{measure.part === "spectrum" ? "not computed: the menu above has “Compute all spectra of the change”" : "nothing has arrived yet"}</span>}</>}
        label={label}
        how={`${measure.title}; several tensors in one cell: taken together`}
        rows={cells.kinds}
        columns={cells.layers.map((layer) => (layer < 0 ? OUTSIDE : String(layer)))}
        xTitle="layer"
        shares={numbers.map(scale.share)}
        scale={{ low: scale.low, high: scale.high }}
        text={(cell) => (Number.isNaN(numbers[cell]!) ? "" : measure.format(numbers[cell]!))}
        describe={(cell) => {
          const group = cells.entries[cell]!;
          const column = cells.layers[cell % cells.layers.length]!;
          return [
            [`${cells.kinds[Math.floor(cell / cells.layers.length)]!}${column < 0 ? "" : `, layer ${column}`}`, group.length === 0 ? "no tensor" : group.length === 1 ? visibleText(all.list[group[0]!]!.name) : `${group.length} tensors`],
            [measure.label, group.length === 0 || Number.isNaN(numbers[cell]!) ? "not known" : measure.format(numbers[cell]!)],
          ];
        }}
        lit={(cell) => hovered >= 0 && cells.entries[cell]!.includes(hovered)}
        onHover={(cell) => { store.hovered.value = cells.entries[cell]?.[0] ?? -1; }}
        onSelect={pick}
        table={() => [
          { name: "kind", values: cells.entries.map((_, i) => cells.kinds[Math.floor(i / cells.layers.length)]!) },
          { name: "layer", values: cells.entries.map((_, i) => { const layer = cells.layers[i % cells.layers.length]!; return layer < 0 ? null : layer; }) },
          { name: "tensors", values: cells.entries.map(({ length }) => length) },
          { name: measure.id, values: numbers.map((value) => (Number.isNaN(value) ? null : value)) },
        ]}
      />
    </div>
  );
}

/** The group's page is found again by a path: that which its tensors share, folded. */
function cellPath(store: CompareStore, group: readonly number[]): string {
  const { separator } = store.modules.peek();
  const names = group.map((entry) => store.entries.peek().list[entry]!.name.split(separator));
  const first = names[0]!;
  return first.map((part, i) => (names.every((name) => name[i] === part) ? part : /^\d+$/.test(part) ? "*" : part)).join(separator);
}
