import { useMemo } from "preact/hooks";
import type { TableRow } from "../../src/protocol/tensor-table";
import { formatCount, formatInteger, formatShape, formatShare } from "../ui/format";
import { parametersOf } from "./columns";
import { kindsOf, type Kinds } from "../tree/kinds";
import type { InspectStore } from "./store";

export interface KindRow {
  kind: string;
  count: number;
  shapes: readonly (readonly number[])[];
  parameters: number;
}

/** The kinds of tensors, largest share first. */
export function KindTable({ store }: { store: InspectStore }) {
  const kinds = kindsOf(store.rows.value);
  const rows = store.rows.value;
  const table = useMemo(() => (kinds === null ? [] : kindRows(kinds, rows)), [kinds, rows]);
  const total = table.reduce((sum, { parameters }) => sum + parameters, 0);
  if (kinds === null) return <p class="muted" role="status">Sorting the tensors by kind …</p>;
  return (
    <section aria-labelledby="overview-kinds">
      <h2 id="overview-kinds">Kinds</h2>
      <table class="quiet-table">
        <thead>
          <tr><th scope="col">kind</th><th scope="col" class="number">tensors</th><th scope="col">shape</th><th scope="col" class="number">parameters</th><th scope="col" class="number">share</th></tr>
        </thead>
        <tbody>
          {table.map(({ kind, count, shapes, parameters }) => (
            <tr key={kind}>
              <th scope="row">{kind}</th>
              <td class="number">{formatInteger(count)}</td>
              <td title={shapes.slice(0, 40).map(formatShape).join("\n")}>{formatShape(shapes[0] ?? [])}{shapes.length > 1 && <span class="muted"> and {formatInteger(shapes.length - 1)} more</span>}</td>
              <td class="number" title={formatInteger(parameters)}>{formatCount(parameters)}</td>
              <td class="number">{formatShare(total === 0 ? 0 : parameters / total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** One row per kind, by parameters; shapes by how often they occur. */
export function kindRows(kinds: Kinds, rows: readonly TableRow[]): KindRow[] {
  const found = kinds.names.map((kind) => ({ kind, count: 0, parameters: 0, shapes: new Map<string, { shape: readonly number[]; count: number }>() }));
  for (let i = 0; i < rows.length; i++) {
    const entry = found[kinds.kind[i]!]!;
    const { shape } = rows[i]!;
    entry.count++;
    entry.parameters += parametersOf(shape);
    const key = shape.join();
    const seen = entry.shapes.get(key);
    if (seen === undefined) entry.shapes.set(key, { shape, count: 1 });
    else seen.count++;
  }
  return found
    .map(({ shapes, ...row }) => ({ ...row, shapes: [...shapes.values()].sort((a, b) => b.count - a.count).map(({ shape }) => shape) }))
    .sort((a, b) => b.parameters - a.parameters);
}
