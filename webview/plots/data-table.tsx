/** The data behind a plot as a table: only the rows in view are in the page, so a million rows scroll like ten. */
import { useRef, useState } from "preact/hooks";
import { formatExact, formatInteger, formatNumber, visibleText } from "../ui/format";
import { rowCount } from "./table-data";
import type { PlotColumn } from "./types";

const ROW_HEIGHT = 22;
const OVERSCAN = 12;
/** Browsers cannot lay out much taller elements. */
const MOST_ROWS = 500_000;

export function DataTable({ columns, label }: { columns: readonly PlotColumn[]; label: string }) {
  const [range, setRange] = useState({ top: 0, height: 600 });
  const frame = useRef(0);
  const total = rowCount(columns);
  const shown = Math.min(total, MOST_ROWS);
  const first = Math.max(0, Math.floor(range.top / ROW_HEIGHT) - OVERSCAN);
  const last = Math.min(shown, Math.ceil((range.top + range.height) / ROW_HEIGHT) + OVERSCAN);
  const onScroll = (event: Event): void => {
    const { scrollTop: top, clientHeight: height } = event.currentTarget as HTMLElement;
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => setRange({ top, height }));
  };
  const rows = [];
  for (let i = first; i < last; i++) {
    rows.push(
      <tr key={i} aria-rowindex={i + 2}>
        {columns.map((column, j) => {
          const value = column.values[i] ?? null;
          return typeof value === "number" ? (
            <td key={j} class="number" title={formatExact(value)}>{Number.isSafeInteger(value) ? formatInteger(value) : formatNumber(value)}</td>
          ) : (
            <td key={j} title={value === null ? "" : visibleText(value)}>{value === null ? "" : visibleText(value)}</td>
          );
        })}
      </tr>,
    );
  }
  return (
    <div class="data-table" tabIndex={0} onScroll={onScroll} role="region" aria-label={`${label}: data`}>
      <table aria-rowcount={total + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column, j) => (
              <th key={j} scope="col" class={typeof (column.values[0] ?? null) === "string" ? "" : "number"}>{visibleText(column.name)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW_HEIGHT}px` }} />}
          {rows}
          {last < shown && <tr aria-hidden="true" style={{ height: `${(shown - last) * ROW_HEIGHT}px` }} />}
        </tbody>
      </table>
      {total > shown && <p class="plot-message">The first {MOST_ROWS} of {total} rows; saving writes all.</p>}
    </div>
  );
}
