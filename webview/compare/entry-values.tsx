/** A, B and the change as pictures that zoom and pan together; A and B share their colours. */
import { useMemo, useState } from "preact/hooks";
import type { Window } from "../../src/engine/protocol";
import type { Of } from "../../src/protocol/compare";
import type { MatrixView } from "../../src/protocol/inspect";
import { Choice } from "../plots/choice";
import { Heatmap, HeatmapLink } from "../plots/heatmap";
import { POOLINGS, type Pooling } from "../plots/heatmap-picture";
import { AxisPicker } from "../ui/axis-picker";
import type { Entry } from "./entries";
import { NAMES } from "./entry-distribution";
import { SIDES } from "./entry-requests";
import type { CompareStore } from "./store";

export function ValuesPanels({ store, pair, entry }: { store: CompareStore; pair: number; entry: Entry }) {
  const { shape } = entry;
  const pooling = store.pageState<Pooling>("pooling", "mean");
  const [matrix, setMatrix] = useState<MatrixView>({ rowAxis: 0, columnAxis: Math.min(1, Math.max(0, shape.length - 1)), indices: shape.map(() => 0) });
  const link = useMemo(() => new HeatmapLink(), [pair, matrix]);
  const opened = store.opened.value;
  const loaders = useMemo(() => new Map(SIDES.map((of) => [of, loaderOf(store, pair, of, matrix)])), [store, pair, matrix, opened]);
  const [rows, columns] = shape.length < 2 ? [1, shape[0] ?? 1] : [shape[matrix.rowAxis]!, shape[matrix.columnAxis]!];
  return (
    <div class="tensor-panels pair-values">
      {SIDES.map((of) => (
        <Heatmap
          key={`${of} ${pair} ${matrix.rowAxis} ${matrix.columnAxis}`}
          id={`${entry.name}-${of === "delta" ? "change" : of}`}
          title={
            <>
              <strong>{NAMES[of]}</strong>
              {of === "a" && (
                <Choice label="What a pixel shows of its elements" value={pooling.value} onChange={(value) => { pooling.value = value; }}
                  options={POOLINGS.map((value) => ({ value, text: value, title: value === "abs" ? "largest magnitude under a pixel" : `${value} of the elements under a pixel` }))} />
              )}
              {of === "b" && <span class="muted">same colours as A</span>}
              {of === "delta" && <span class="muted">B − A, colours of its own</span>}
              {of === "a" && shape.length > 2 && <AxisPicker shape={shape} view={matrix} onChange={setMatrix} />}
            </>
          }
          label={`Values of ${NAMES[of]} of ${entry.name}`}
          how="Each pixel shows the min, mean or max of all elements under it; cells show values exactly. The three zoom and pan together."
          rows={rows}
          columns={columns}
          pooling={pooling.value}
          loader={loaders.get(of)!}
          link={link}
          {...(of === "delta" ? {} : { linkScale: `sides ${pooling.value}` })}
        />
      ))}
    </div>
  );
}

function loaderOf(store: CompareStore, pair: number, of: Of, view: MatrixView): Parameters<typeof Heatmap>[0]["loader"] {
  return {
    picture: (window: Window, height: number, width: number, signal: AbortSignal) => store.host.call("picture", { pair, of, view, window, height, width }, signal),
    values: (window: Window, signal: AbortSignal) => store.host.call("values", { pair, of, view, window }, signal),
  };
}
