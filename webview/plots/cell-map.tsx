/** A number for each of few rows and columns (kinds of tensors by layer, models by models) as coloured cells with a scale beside them. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { TargetedKeyboardEvent } from "preact";
import { css, entry, lightness, MAP_SIZE, type ColourMap } from "./colour";
import { PlotFrame } from "./frame";
import { indexTicks } from "./scale";
import { theme, type Theme } from "./theme";
import { hideTooltip, showTooltip } from "./tooltip";
import type { PlotFrameProps } from "./types";

export interface CellMapProps extends PlotFrameProps {
  rows: readonly string[];
  columns: readonly string[];
  /** Where in the scale each cell lies, 0…1, row-major; null for a cell without a number. */
  shares: readonly (number | null)[];
  /** What the colour bar says at its ends. */
  scale: { low: string; high: string; signed?: true };
  /** A few characters inside a cell that has room for them; empty for none. */
  text?: (cell: number) => string;
  /** The tooltip's lines. */
  describe: (cell: number) => (readonly [string, string])[];
  /** Cells ringed because something else on the page points at them. */
  lit?: (cell: number) => boolean;
  onHover?: (cell: number) => void;
  onSelect?: (cell: number) => void;
  /** Under the columns. */
  xTitle?: string;
}

const ROW = 20;
const BAR = 96;
const TICKS = 16;
/** Narrower columns are not labelled one by one. */
const LABELLED = 26;
const WIDEST = 64;
const LETTER = 7.2;

export function CellMap({ rows, columns, shares, scale, text, describe, lit, onHover, onSelect, xTitle, ...frame }: CellMapProps) {
  const look = theme.value;
  const box = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(0);
  const [cursor, setCursor] = useState(-1);
  useEffect(() => {
    const node = box.current!;
    const observer = new ResizeObserver(() => setWidth(node.clientWidth));
    observer.observe(node);
    return () => {
      observer.disconnect();
      hideTooltip();
    };
  }, []);

  const left = Math.min(200, 12 + LETTER * rows.reduce((most, row) => Math.max(most, row.length), 0));
  const cell = Math.max(1, Math.min(WIDEST, (width - left - 2) / Math.max(1, columns.length)));
  const bottom = rows.length * ROW + TICKS + 4;
  const height = bottom + ROW;
  const barWidth = BAR + 12 + LETTER * (scale.low.length + scale.high.length);
  const barRight = Math.min(Math.max(1, width) - 2, Math.max(left + cell * columns.length, left + barWidth + LETTER * ((xTitle?.length ?? 0) + 3)));
  const map = scale.signed === true ? look.diverging : look.sequential;
  const ticks = useMemo(() => labelled(columns, cell), [columns, cell]);

  const at = (event: MouseEvent): number => {
    const bounds = svg.current!.getBoundingClientRect();
    const [column, row] = [Math.floor((event.clientX - bounds.left - left) / cell), Math.floor((event.clientY - bounds.top) / ROW)];
    return column < 0 || column >= columns.length || row < 0 || row >= rows.length ? -1 : row * columns.length + column;
  };
  const go = (index: number, place?: { x: number; y: number }): void => {
    if (index < 0 || shares[index] === undefined) return leave();
    setCursor(index);
    onHover?.(index);
    const bounds = svg.current!.getBoundingClientRect();
    showTooltip(place?.x ?? bounds.left + left + (index % columns.length) * cell, place?.y ?? bounds.top + Math.floor(index / columns.length) * ROW, describe(index));
  };
  const leave = (): void => {
    setCursor(-1);
    hideTooltip();
    onHover?.(-1);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const n = columns.length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: n, ArrowUp: -n }[event.key];
    if (event.altKey && step !== undefined) return;
    if (step !== undefined) {
      const next = cursor < 0 ? 0 : cursor + step;
      const sameRow = Math.abs(step) === n || Math.floor(next / n) === Math.floor(cursor / n) || cursor < 0;
      if (next >= 0 && next < shares.length && sameRow) go(next);
    } else if (event.key === "Enter" && cursor >= 0) onSelect?.(cursor);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <PlotFrame {...frame} svg={() => Promise.resolve(standalone(svg.current!))}>
      <div
        class="cell-map"
        ref={box}
        tabIndex={0}
        role="application"
        aria-label={`${frame.label}. Arrow keys walk the cells${onSelect === undefined ? "" : ", Enter selects"}.`}
        onKeyDown={onKeyDown}
        onBlur={leave}
        onPointerMove={(event) => go(at(event), { x: event.clientX, y: event.clientY })}
        onPointerLeave={leave}
        onClick={(event) => { const index = at(event); if (index >= 0) onSelect?.(index); }}
        data-selectable={onSelect !== undefined}
      >
        {/* Colours and fonts as attributes: the exported file has no style sheet. */}
        <svg ref={svg} width={Math.max(1, width)} height={height} viewBox={`0 0 ${Math.max(1, width)} ${height}`} aria-hidden="true" font-family={look.font} font-size={look.fontSize}>
          {rows.map((name, row) => (
            <text key={row} x={left - 6} y={row * ROW + ROW / 2} text-anchor="end" dominant-baseline="central" fill={look.muted}>{shortened(name, left - 10)}</text>
          ))}
          {shares.map((share, i) => {
            const [x, y] = [left + (i % columns.length) * cell, Math.floor(i / columns.length) * ROW];
            const inset = cell > 6 ? 1 : 0;
            const colour = share === null ? "none" : css(map, entry(share));
            const words = share === null || text === undefined ? "" : text(i);
            return (
              <g key={i}>
                <rect x={x} y={y + 1} width={Math.max(0.5, cell - inset)} height={ROW - 2} fill={colour} stroke={share === null ? "none" : look.highContrast ? look.foreground : "none"} stroke-width={look.highContrast ? 0.5 : 0} />
                {words !== "" && words.length * LETTER < cell - 4 && (
                  <text x={x + (cell - inset) / 2} y={y + ROW / 2} text-anchor="middle" dominant-baseline="central" fill={inkOn(map, share!)}>{words}</text>
                )}
                {(i === cursor || lit?.(i) === true) && <rect x={x + 0.5} y={y + 1.5} width={Math.max(2, cell - inset - 1)} height={ROW - 3} fill="none" stroke={look.foreground} stroke-width="1.5" />}
              </g>
            );
          })}
          {ticks.map((column) => (
            <text key={column} x={left + (column + 0.5) * cell} y={rows.length * ROW + TICKS / 2 + 2} text-anchor="middle" dominant-baseline="central" fill={look.muted}>{columns[column]}</text>
          ))}
          {xTitle !== undefined && <text x={left} y={bottom + ROW / 2} dominant-baseline="central" fill={look.muted}>{xTitle}</text>}
          <ColourBar look={look} map={map} right={barRight} y={bottom} {...scale} />
        </svg>
      </div>
    </PlotFrame>
  );
}

function ColourBar({ look, map, right, y, low, high }: { look: Theme; map: ColourMap; right: number; y: number; low: string; high: string }) {
  const end = right - 6 - LETTER * high.length;
  const steps = 32;
  return (
    <g>
      <text x={right} y={y + ROW / 2} text-anchor="end" dominant-baseline="central" fill={look.muted}>{high}</text>
      {Array.from({ length: steps }, (_, i) => (
        <rect key={i} x={end - BAR + (i * BAR) / steps} y={y + ROW / 2 - 4} width={BAR / steps + 0.3} height="8" fill={css(map, Math.round((i * (MAP_SIZE - 1)) / (steps - 1)))} />
      ))}
      <rect x={end - BAR} y={y + ROW / 2 - 4} width={BAR} height="8" fill="none" stroke={look.border} stroke-width="0.5" />
      <text x={end - BAR - 6} y={y + ROW / 2} text-anchor="end" dominant-baseline="central" fill={look.muted}>{low}</text>
    </g>
  );
}

/** Black or white, whichever is read on that colour. */
function inkOn(map: ColourMap, share: number): string {
  const i = 3 * entry(share);
  return lightness([map[i]!, map[i + 1]!, map[i + 2]!]) > 0.62 ? "#000" : "#fff";
}

/** Which columns have room for their label. */
function labelled(columns: readonly string[], cell: number): number[] {
  const longest = columns.reduce((most, column) => Math.max(most, column.length), 1);
  const room = Math.max(LABELLED, LETTER * longest + 8);
  if (cell >= room || columns.length === 1) return columns.map((_, i) => i);
  return indexTicks(0, columns.length - 1, Math.max(2, Math.floor((columns.length * cell) / room)));
}

function shortened(text: string, width: number): string {
  const most = Math.max(3, Math.floor(width / LETTER));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function standalone(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}
