/** Flat strips: norms of rows and of columns, and this tensor among its siblings. */
import { useMemo } from "preact/hooks";
import type { AxisNorms, NormsResult } from "../../src/engine/protocol";
import { toNumber } from "../../src/protocol/results";
import { layerOf } from "../../src/checkpoint/structure";
import { PlotPlaceholder } from "../plots/message";
import { Strip, type StripMark } from "../plots/strip";
import { formatExact, formatInteger, formatNumber, plural, visibleText } from "../ui/format";
import { columnById, COMPUTED, hasSpectrum } from "./columns";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { siblingsOf, standing } from "./siblings";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";
import { isSmall, jobKey, requestNorms } from "./tensor-page-requests";

/** Norms this many median absolute deviations (6.7 standard deviations of a normal distribution) from the median are marked. */
const OUTLIER_DEVIATIONS = 10;

function outliersOf(norms: AxisNorms): AxisNorms["outliers"] {
  return norms.outliers.filter(({ deviations }) => Math.abs(toNumber(deviations)) >= OUTLIER_DEVIATIONS);
}

/** Norms of rows and columns. A tensor of fewer than two axes has none. */
export function NormStrips({ store, tensor }: { store: InspectStore; tensor: number }) {
  const row = store.rows.value[tensor]!;
  const norms = store.results.value.get(tensor)?.norms;
  const key = jobKey.norms(tensor);
  const job = jobsOf(store).of(key).value;
  if (!hasSpectrum(row.shape) || row.unreadable !== undefined) return null;
  return (
    <>
      {(["rows", "columns"] as const).map((axis) =>
        norms === undefined ? (
          <PlotPlaceholder key={axis} title={<strong>{axis === "rows" ? "row norms" : "column norms"}</strong>} label={`${axis} norms of ${row.name}`}>
            <JobMessage job={job} busy="Measuring rows and columns" onRetry={() => { jobsOf(store).stop(key); requestNorms(store, tensor); }} onStop={() => jobsOf(store).stop(key)}
              idle={isSmall(row) ? undefined : { text: "", action: "Measure", run: () => requestNorms(store, tensor) }} />
          </PlotPlaceholder>
        ) : (
          <NormStrip key={axis} name={row.name} axis={axis} norms={norms} />
        ),
      )}
    </>
  );
}

function NormStrip({ name, axis, norms: result }: { name: string; axis: "rows" | "columns"; norms: NormsResult }) {
  const norms = result[axis];
  const word = axis === "rows" ? "row" : "column";
  const values = useMemo(() => norms.pooled.map((value) => toNumber(value)), [norms]);
  const marks = useMemo(() => normMarks(norms), [norms]);
  const outliers = outliersOf(norms);
  const bounds = (i: number): [number, number] => [Math.floor((i * norms.count) / values.length), Math.max(Math.floor((i * norms.count) / values.length), Math.floor(((i + 1) * norms.count) / values.length) - 1)];
  const remarks = [
    ...(norms.dead > 0 ? [`${formatInteger(norms.dead)} dead`] : []),
    ...(outliers.length > 0 ? [plural(outliers.length, "outlier")] : []),
  ];
  return (
    <Strip
      id={`${name}-${word}-norms`}
      title={<><strong>{word} norms</strong><span title="median norm ± median absolute deviation">{formatNumber(norms.median)} ± {formatNumber(norms.mad)}</span>{remarks.length > 0 && <span title={`dead: all zero; outlier: ${OUTLIER_DEVIATIONS} or more median absolute deviations from the median`}>{remarks.join(", ")}</span>}</>}
      label={`L2 norms of the ${axis} of ${name}`}
      summary={`${norms.count} ${axis}; median ${formatNumber(norms.median)}; ${norms.dead} dead; ${outliers.length} outliers.`}
      how={`L2 norms · ${describeHow(result.how)}`}
      values={values}
      marks={marks}
      describe={(i) => {
        const [from, to] = bounds(i);
        return [
          [from === to ? `${word} ${formatInteger(from)}` : `${axis} ${formatInteger(from)} … ${formatInteger(to)}, largest`, formatExact(norms.pooled[i])],
          ...outliers.filter(({ index }) => index >= from && index <= to).map(({ index, norm, deviations }) => [`outlier ${formatInteger(index)}`, `${formatNumber(norm)} (${formatNumber(deviations)} MAD)`] as const),
          ...norms.deadIndices.filter((index) => index >= from && index <= to).slice(0, 5).map((index) => [`${word} ${formatInteger(index)}`, "all zero"] as const),
        ];
      }}
      table={() => [
        { name: `${word} from`, values: values.map((_, i) => bounds(i)[0]) },
        { name: `${word} to`, values: values.map((_, i) => bounds(i)[1]) },
        { name: "largest norm", values: norms.pooled },
      ]}
    />
  );
}

function normMarks(norms: AxisNorms): StripMark[] {
  const { count, pooled, deadIndices } = norms;
  const at = (index: number): number => Math.min(pooled.length - 1, Math.floor((index * pooled.length) / count));
  return [
    ...deadIndices.map((index) => ({ at: at(index), look: "dead" as const })),
    ...outliersOf(norms).map(({ index }) => ({ at: at(index), look: "outlier" as const })),
  ];
}

/** Answers "is this one odd?": the same tensor of every layer by a chosen statistic. */
export function SiblingStrip({ store, tensor }: { store: InspectStore; tensor: number }) {
  const rows = store.rows.value;
  const results = store.results.value;
  const chosen = store.pageState("siblingStatistic", "rms");
  const column = columnById(chosen.value) ?? columnById("rms")!;
  const family = useMemo(() => siblingsOf(rows, tensor), [rows, tensor]);
  const row = rows[tensor]!;
  if (family.length < 2) return null;
  const cells = family.map((member) => column.value(rows[member]!, results.get(member)));
  const values = cells.map((cell) => (cell === null ? null : toNumber(cell)));
  const { part } = column;
  const missing = part === "structure" ? [] : family.filter((member) => rows[member]!.unreadable === undefined && results.get(member)?.[part] === undefined);
  const own = family.indexOf(tensor);
  const place = standing(values[own] ?? null, values);
  const busy = store.progress.value?.running === true;
  return (
    <Strip
      id={`${row.name}-siblings`}
      title={
        <>
          <strong>siblings</strong>
          <select aria-label="Statistic of the siblings" value={column.id} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
            {COMPUTED.filter(({ part }) => part !== "spectrum" || hasSpectrum(row.shape)).map(({ id, label, title }) => <option key={id} value={id} title={title}>{label}</option>)}
          </select>
          {place !== null && place.of > 2 && (
            <span title={`median ${formatExact(place.median)}`}>
              {formatInteger(place.rank)}. largest of {formatInteger(place.of)}
              {place.deviations !== null && `, ${place.deviations >= 0 ? "+" : ""}${formatNumber(place.deviations)} MAD`}
            </span>
          )}
          {missing.length > 0 && part !== "structure" && (
            <button type="button" class="link" disabled={busy} onClick={() => store.analyse([part], missing)}>
              compute {missing.length === family.length ? `all ${family.length}` : `${missing.length} more`}
            </button>
          )}
        </>
      }
      label={`${column.title} of ${row.name} and its siblings`}
      {...(place === null ? {} : { summary: `This tensor is number ${place.rank} of ${place.of}, the median is ${formatNumber(place.median)}.` })}
      values={values}
      marks={[{ at: own, look: "mark" }]}
      describe={(i) => [[visibleText(rows[family[i]!]!.name), ""], [column.title, cells[i] == null ? "not computed" : formatExact(cells[i])]]}
      onHover={(i) => { store.hovered.value = i < 0 ? -1 : family[i]!; }}
      onSelect={(i, alt) => (alt ? store.toggleCompared(family[i]!) : store.select({ kind: "tensor", tensor: family[i]! }))}
      table={() => [
        { name: "tensor", values: family.map((member) => rows[member]!.name) },
        { name: "layer", values: family.map((member) => layerOf(rows[member]!.name)) },
        { name: column.title, values: cells },
      ]}
    />
  );
}
