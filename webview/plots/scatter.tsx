/** Points of two magnitudes on logarithmic axes, with lines of equal quotient. */
import { useMemo, useRef, useState } from "preact/hooks";
import type { TargetedKeyboardEvent } from "preact";
import { formatNumber } from "../ui/format";
import { escapePlotly } from "./escape";
import { PlotFrame } from "./frame";
import { kindStyle } from "./kinds";
import type { Layout, PlotPoint, Trace } from "./plotly";
import { axis, PlotlyPlot, type PlotlyHandle } from "./plotly-plot";
import { decadeTicks, powerOfTen } from "./scale";
import { theme, type Theme } from "./theme";
import { hideTooltip, showTooltip } from "./tooltip";
import type { PlotFrameProps } from "./types";

export interface ScatterPoint {
  id: number;
  name: string;
  kind: string;
  /** Both positive. */
  x: number;
  y: number;
}

export interface ScatterProps extends PlotFrameProps {
  points: readonly ScatterPoint[];
  xTitle: string;
  yTitle: string;
  /** Lines y = q·x, named. */
  quotients: readonly { value: number; text: string }[];
  highlighted?: number;
  onHover?: (id: number) => void;
  onSelect?: (id: number) => void;
}

export function Scatter({ points, xTitle, yTitle, quotients, highlighted, onHover, onSelect, ...frame }: ScatterProps) {
  const look = theme.value;
  const plot = useRef<PlotlyHandle>(null);
  const [spoken, setSpoken] = useState("");
  const cursor = useRef(-1);
  const groups = useMemo(() => byKind(points), [points]);
  const byId = useMemo(() => new Map(points.map((point) => [point.id, point])), [points]);
  const lit = highlighted === undefined ? undefined : byId.get(highlighted);
  const traces = useMemo(() => [...groups.map((group) => draw(group, look)), ...(lit === undefined ? [] : [ring(lit, look)])], [groups, look, lit]);
  const layout = useMemo(() => layoutOf(points, quotients, xTitle, yTitle, groups.length, look), [points, quotients, xTitle, yTitle, groups.length, look]);

  const describe = ({ name, x, y }: ScatterPoint): (readonly [string, string])[] => [[name, ""], [yTitle, formatNumber(y)], [xTitle, formatNumber(x)], [`${yTitle} / ${xTitle}`, formatNumber(y / x)]];
  const pointAt = (at: PlotPoint | null): ScatterPoint | undefined => (at === null ? undefined : groups[at.curveNumber]?.points[at.pointNumber]);
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.altKey || points.length === 0) return;
    if (step !== undefined) {
      cursor.current = Math.min(points.length - 1, Math.max(0, cursor.current + step));
      const point = points[cursor.current]!;
      const place = plot.current?.locate(Math.log10(point.x), Math.log10(point.y));
      if (place != null) showTooltip(place.x, place.y, describe(point));
      setSpoken(describe(point).map((pair) => pair.join(" ")).join(", "));
      onHover?.(point.id);
    } else if (event.key === "Enter" && cursor.current >= 0) onSelect?.(points[cursor.current]!.id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <PlotFrame {...frame} svg={() => plot.current!.svg()}>
      <div class="plot-keys" tabIndex={0} role="application" aria-label={`${frame.label}. Arrow keys walk the points, Enter selects.`} onKeyDown={onKeyDown} onBlur={() => { hideTooltip(); onHover?.(-1); }}>
        <PlotlyPlot
          traces={traces}
          layout={layout}
          handle={plot}
          onPoint={(at, x, y) => {
            const point = pointAt(at);
            onHover?.(point?.id ?? -1);
            if (point !== undefined) showTooltip(x, y, describe(point));
          }}
          onClick={(at) => { const point = pointAt(at); if (point !== undefined) onSelect?.(point.id); }}
        />
      </div>
      <p class="screen-reader" aria-live="polite">{spoken}</p>
    </PlotFrame>
  );
}

interface Group {
  kind: string;
  points: ScatterPoint[];
}

function byKind(points: readonly ScatterPoint[]): Group[] {
  const groups = new Map<string, Group>();
  for (const point of points) {
    let group = groups.get(point.kind);
    if (group === undefined) groups.set(point.kind, (group = { kind: point.kind, points: [] }));
    group.points.push(point);
  }
  return [...groups.values()];
}

function draw({ kind, points }: Group, look: Theme): Trace {
  const { colour, symbol } = kindStyle(kind);
  const colourCss = look.chart[colour];
  return {
    type: "scatter", mode: "markers", name: escapePlotly(kind),
    x: points.map(({ x }) => x), y: points.map(({ y }) => y),
    marker: { size: points.length > 2000 ? 4 : 6, symbol, color: look.highContrast ? look.background : colourCss, opacity: points.length > 500 ? 0.7 : 1, line: { color: colourCss, width: look.highContrast ? 1.5 : 0 } },
    hoverinfo: "none",
  };
}

function ring({ x, y }: ScatterPoint, look: Theme): Trace {
  return { type: "scatter", mode: "markers", x: [x], y: [y], marker: { symbol: "circle-open", size: 14, color: look.foreground, line: { width: 2 } }, hoverinfo: "skip", showlegend: false };
}

function layoutOf(points: readonly ScatterPoint[], quotients: ScatterProps["quotients"], xTitle: string, yTitle: string, groups: number, look: Theme): Layout {
  const range = (of: (point: ScatterPoint) => number): [number, number] => {
    let [low, high] = [Infinity, -Infinity];
    for (const point of points) {
      const value = Math.log10(of(point));
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const pad = Math.max(0.15, 0.08 * (high - low));
    return low > high ? [-1, 1] : [low - pad, high + pad];
  };
  const [x, y] = [range((point) => point.x), range((point) => point.y)];
  const log = ([low, high]: [number, number]): Layout => {
    const ticks = decadeTicks(low, high);
    // Within one decade plotly's own ticks say more.
    return { type: "log", range: [low, high], ...(ticks.length > 1 ? { tickmode: "array", tickvals: ticks.map((exponent) => 10 ** exponent), ticktext: ticks.map(powerOfTen) } : { nticks: 5 }) };
  };
  const shown = quotients.filter(({ value }) => {
    const at = Math.log10(value);
    return x[0] + at < y[1] && x[1] + at > y[0];
  });
  return {
    uirevision: "scatter",
    showlegend: groups > 1,
    legend: { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom", font: { size: look.fontSize, color: look.foreground }, bgcolor: "rgba(0,0,0,0)" },
    xaxis: axis(look, xTitle, { showgrid: false, ...log(x) }),
    yaxis: axis(look, yTitle, log(y)),
    shapes: shown.map(({ value }) => ({ type: "line", layer: "below", x0: 10 ** x[0], x1: 10 ** x[1], y0: value * 10 ** x[0], y1: value * 10 ** x[1], line: { color: look.muted, width: 1, dash: "dot" } })),
    annotations: shown.map(({ value, text }) => {
      // Where the line leaves the drawing, at its right or at its top.
      const right = x[1] + Math.log10(value) <= y[1];
      return {
        text, showarrow: false, font: { size: look.fontSize - 1, color: look.muted },
        xref: "x", yref: "y", x: right ? x[1] : y[1] - Math.log10(value), y: right ? x[1] + Math.log10(value) : y[1],
        xanchor: "right", yanchor: right ? "bottom" : "top",
      };
    }),
  };
}
