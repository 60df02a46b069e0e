/** The tensor's values as a picture of a matrix; short vectors as a line. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ValuesResult, Window } from "../../src/engine/protocol";
import type { MatrixView } from "../../src/protocol/inspect";
import { toNumber } from "../../src/protocol/results";
import type { TableRow } from "../../src/protocol/tensor-table";
import { Choice } from "../plots/choice";
import { Heatmap } from "../plots/heatmap";
import { POOLINGS, type Pooling } from "../plots/heatmap-picture";
import type { Viewport } from "../plots/heatmap-view";
import { LinePlot } from "../plots/line-plot";
import { PlotPlaceholder } from "../plots/message";
import { JobMessage } from "../frame/job-message";
import { AxisPicker } from "../ui/axis-picker";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";

/** Elements the host gives in one answer; longer vectors are drawn as a picture of one row. */
const MOST_VALUES = 16_384;

interface Kept {
  tensor: string;
  view: Viewport;
  matrix: MatrixView;
}

export function ValuesPanel({ store, tensor }: { store: InspectStore; tensor: number }) {
  const row = store.rows.value[tensor]!;
  if (row.shape.length === 1 && row.shape[0]! <= MOST_VALUES) return <VectorPanel store={store} tensor={tensor} row={row} />;
  return <MatrixPanel key={row.shape.join()} store={store} tensor={tensor} row={row} />;
}

function MatrixPanel({ store, tensor, row }: { store: InspectStore; tensor: number; row: TableRow }) {
  const pooling = store.pageState<Pooling>("pooling", "mean");
  const kept = store.pageState<Kept | null>("heatmap", null);
  const restored = useMemo(() => (kept.peek()?.tensor === row.name && fits(kept.peek()!.matrix, row.shape) ? kept.peek() : null), [row.name]);
  const [matrix, setMatrix] = useState<MatrixView>(() => restored?.matrix ?? { rowAxis: 0, columnAxis: Math.min(1, Math.max(0, row.shape.length - 1)), indices: row.shape.map(() => 0) });
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const revision = store.overview.value;
  const loader = useMemo(
    () => ({
      picture: (window: Window, height: number, width: number, signal: AbortSignal) => store.host.call("picture", { tensor, view: matrix, window, height, width }, signal),
      values: (window: Window, signal: AbortSignal) => store.host.call("values", { tensor, view: matrix, window }, signal),
    }),
    [store, tensor, matrix, revision],
  );
  const [rows, columns] = row.shape.length < 2 ? [1, row.shape[0] ?? 1] : [row.shape[matrix.rowAxis]!, row.shape[matrix.columnAxis]!];
  return (
    <Heatmap
      key={`${tensor} ${matrix.rowAxis} ${matrix.columnAxis}`}
      id={`${row.name}-values`}
      title={
        <>
          <strong>values</strong>
          <Choice label="What a pixel shows of its elements" value={pooling.value} onChange={(value) => { pooling.value = value; }}
            options={POOLINGS.map((value) => ({ value, text: value, title: value === "abs" ? "largest magnitude under a pixel" : `${value} of the elements under a pixel` }))} />
          {row.shape.length > 2 && <AxisPicker shape={row.shape} view={matrix} onChange={setMatrix} />}
        </>
      }
      label={`Values of ${row.name}`}
      how="Each pixel shows the min, mean or max of all elements under it; cells show stored values exactly."
      rows={rows}
      columns={columns}
      pooling={pooling.value}
      loader={loader}
      initial={restored?.view}
      onViewport={(view) => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => { kept.value = { tensor: row.name, view, matrix }; }, 300);
      }}
    />
  );
}

/** True when a remembered view still fits the tensor. */
function fits(view: MatrixView, shape: readonly number[]): boolean {
  const axis = (a: number): boolean => Number.isInteger(a) && a >= 0 && a < Math.max(1, shape.length);
  return axis(view.rowAxis) && axis(view.columnAxis) && view.indices.length === shape.length && view.indices.every((index, a) => index >= 0 && index < shape[a]!);
}

function VectorPanel({ store, tensor, row }: { store: InspectStore; tensor: number; row: TableRow }) {
  const key = `vector ${tensor}`;
  const length = row.shape[0]!;
  const load = (): void =>
    jobsOf(store).ensure<ValuesResult>(key, (signal) =>
      store.host.call("values", { tensor, view: { rowAxis: 0, columnAxis: 0, indices: [0] }, window: { rowStart: 0, rowStop: 1, columnStart: 0, columnStop: length } }, signal),
    );
  useEffect(load, [store, tensor, store.overview.value]);
  const job = jobsOf(store).of<ValuesResult>(key).value;
  const series = useMemo(() => {
    if (job.state !== "done") return [];
    const values = (job.value.rows[0] ?? []).map(toNumber);
    return [{ name: "value", kind: "value", x: values.map((_, i) => i), y: values.map((value) => (Number.isFinite(value) ? value : null)) }];
  }, [job]);
  const title = <strong>values</strong>;
  const label = `Values of ${row.name}`;
  if (job.state !== "done") {
    return (
      <PlotPlaceholder title={title} label={label}>
        <JobMessage job={job} busy="Reading values" onRetry={() => { jobsOf(store).stop(key); load(); }} onStop={() => jobsOf(store).stop(key)} />
      </PlotPlaceholder>
    );
  }
  return (
    <LinePlot
      id={`${row.name}-values`}
      title={title}
      label={label}
      how="stored values, exactly"
      xTitle="index"
      yTitle="value"
      series={series}
      table={() => [{ name: "index", values: series[0]!.x }, { name: "value", values: job.value.rows[0] ?? [] }]}
    />
  );
}
