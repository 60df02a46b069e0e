/** Spectral measures of many matrices as a sortable table. Only the rows in view are in the page. */
import { useMemo, useRef, useState } from "preact/hooks";
import { kindOf, layerOf } from "../../src/checkpoint/structure";
import { toNumber } from "../../src/protocol/results";
import type { PlotColumn } from "../plots/types";
import { ABSENT, formatExact, formatShape } from "../ui/format";
import { Name } from "../ui/name";
import { COMPUTED, type Column } from "./columns";
import { describeHow } from "../frame/how";
import type { InspectStore } from "./store";

const MEASURES = COMPUTED.filter(({ part }) => part === "spectrum");
const ROW_HEIGHT = 22;
const OVERSCAN = 10;

/** Name, kind, layer, shape and the measures, as exported. */
export function spectraTable(store: InspectStore, tensors: readonly number[], measures: readonly Column[]): PlotColumn[] {
  const rows = store.rows.peek();
  const results = store.results.peek();
  return [
    { name: "tensor", values: tensors.map((tensor) => rows[tensor]!.name) },
    { name: "kind", values: tensors.map((tensor) => kindOf(rows[tensor]!.name, rows[tensor]!.shape)) },
    { name: "layer", values: tensors.map((tensor) => layerOf(rows[tensor]!.name)) },
    { name: "shape", values: tensors.map((tensor) => formatShape(rows[tensor]!.shape)) },
    ...measures.map((measure) => ({ name: measure.title, values: tensors.map((tensor) => measure.value(rows[tensor]!, results.get(tensor))) })),
  ];
}

export function SpectraTable({ store, tensors, sortedBy }: { store: InspectStore; tensors: readonly number[]; sortedBy: Column }) {
  const rows = store.rows.value;
  const results = store.results.value;
  const [sort, setSort] = useState<{ id: string; descending: boolean } | null>(null);
  const [range, setRange] = useState({ top: 0, height: 400 });
  const frame = useRef(0);
  const order = useMemo(() => {
    if (sort === null) return tensors;
    const column = MEASURES.find(({ id }) => id === sort.id)!;
    const numbers = new Map(tensors.map((tensor) => [tensor, toNumber(column.value(rows[tensor]!, results.get(tensor)) ?? NaN)]));
    const sign = sort.descending ? -1 : 1;
    // What is not known stays below, whichever way.
    return [...tensors].sort((a, b) => {
      const x = numbers.get(a)!;
      const y = numbers.get(b)!;
      return Number.isNaN(x) || Number.isNaN(y) ? Number(Number.isNaN(x)) - Number(Number.isNaN(y)) : sign * (x - y);
    });
  }, [tensors, sort, rows, results]);
  const first = Math.max(0, Math.floor(range.top / ROW_HEIGHT) - OVERSCAN);
  const last = Math.min(order.length, Math.ceil((range.top + range.height) / ROW_HEIGHT) + OVERSCAN);
  const selected = store.selection.value.kind === "tensor" ? store.selection.value.tensor : -1;
  return (
    <div
      class="spectra-table data-table"
      tabIndex={0}
      role="region"
      aria-label="Spectral measures by tensor"
      onScroll={(event) => {
        const { scrollTop: top, clientHeight: height } = event.currentTarget;
        cancelAnimationFrame(frame.current);
        frame.current = requestAnimationFrame(() => setRange({ top, height }));
      }}
    >
      <table aria-rowcount={order.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">tensor</th>
            <th scope="col">shape</th>
            {MEASURES.map((measure) => {
              const now = sort?.id === measure.id ? sort : null;
              return (
                <th key={measure.id} scope="col" class="number" aria-sort={now === null ? "none" : now.descending ? "descending" : "ascending"} data-chosen={measure === sortedBy}>
                  <button type="button" title={measure.title} onClick={() => setSort(now === null ? { id: measure.id, descending: true } : now.descending ? { id: measure.id, descending: false } : null)}>
                    {measure.label}{now === null ? "" : now.descending ? " ▾" : " ▴"}
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW_HEIGHT}px` }} />}
          {order.slice(first, last).map((tensor, i) => {
            const row = rows[tensor]!;
            const spectrum = results.get(tensor)?.spectrum;
            return (
              <tr
                key={tensor}
                aria-rowindex={first + i + 2}
                data-hovered={store.hovered.value === tensor || selected === tensor}
                data-compared={store.compared.value.includes(tensor)}
                onPointerEnter={() => { store.hovered.value = tensor; }}
                onPointerLeave={() => { store.hovered.value = -1; }}
              >
                <td>
                  <button type="button" class="link" title="Select; Alt-click compares" onClick={(event) => (event.altKey ? store.toggleCompared(tensor) : store.select({ kind: "tensor", tensor }))}>
                    <Name text={row.name} />
                  </button>
                </td>
                <td>{formatShape(row.shape)}</td>
                {MEASURES.map((measure) => {
                  if (spectrum === undefined) return <td key={measure.id} class="number"><span class="pending" title={`${measure.title}: not computed yet`} /></td>;
                  const value = measure.value(row, results.get(tensor));
                  return (
                    <td key={measure.id} class="number" title={`${measure.title}: ${value === null ? "not defined" : formatExact(value)}\n${describeHow(spectrum.how)}`}>
                      {value === null ? ABSENT : `${spectrum.how.exact ? "" : "≈ "}${measure.format(value)}`}
                    </td>
                  );
                })}
              </tr>
            );
          })}
          {last < order.length && <tr aria-hidden="true" style={{ height: `${(order.length - last) * ROW_HEIGHT}px` }} />}
        </tbody>
      </table>
    </div>
  );
}
