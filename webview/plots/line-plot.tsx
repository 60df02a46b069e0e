/** Lines over an axis of whole steps, mostly the layers of a model: one per kind of tensor. */
import { useMemo, useRef, useState } from "preact/hooks";
import type { TargetedKeyboardEvent } from "preact";
import { formatInteger, formatNumber } from "../ui/format";
import { escapePlotly } from "./escape";
import { PlotFrame } from "./frame";
import { kindStyle } from "./kinds";
import type { Layout, PlotPoint, Trace } from "./plotly";
import { axis, PlotlyPlot, type PlotlyHandle } from "./plotly-plot";
import { indexTicks } from "./scale";
import { theme, type Theme } from "./theme";
import { hideTooltip, showTooltip } from "./tooltip";
import type { LinePlotProps } from "./types";

/** With more points than this a line is drawn without markers. */
const MOST_MARKERS = 120;

/** Longer axes are no layers, and get ticks that follow the zoom. */
const MOST_LABELLED = 1000;
/** What an x below 0 is called. */
const OUTSIDE = "none";

type Series = LinePlotProps["series"];

export function LinePlot(props: LinePlotProps) {
  const { series, xTitle, yTitle, logY = false, highlighted, onHover, onSelect } = props;
  const look = theme.value;
  const plot = useRef<PlotlyHandle>(null);
  const [spoken, setSpoken] = useState("");
  const cursor = useRef({ series: 0, point: 0 });
  const traces = useMemo(() => drawSeries(series, look, logY, highlighted), [series, look, logY, highlighted]);
  const layout = useMemo(() => layoutOf(props, look), [xTitle, yTitle, logY, look, series]);

  const describe = (at: number, i: number): (readonly [string, string])[] => {
    const line = series[at]!;
    return [[line.name, formatNumber(line.y[i])], [xTitle, line.x[i]! < 0 ? OUTSIDE : formatInteger(line.x[i]!)]];
  };
  const onPoint = (point: PlotPoint | null, x: number, y: number): void => {
    const line = point === null ? undefined : series[point.curveNumber];
    if (point === null || line === undefined) {
      onHover?.(-1);
      return;
    }
    showTooltip(x, y, describe(point.curveNumber, point.pointNumber));
    onHover?.(line.tensors?.[point.pointNumber] ?? -1);
  };
  const choose = (at: number, i: number, alt: boolean): void => {
    const tensor = series[at]?.tensors?.[i];
    if (tensor !== undefined) onSelect?.(tensor, alt);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const moves: Record<string, [number, number]> = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const move = moves[event.key];
    const at = cursor.current;
    if (move !== undefined && !event.altKey && series.length > 0) {
      at.series = clamp(at.series + move[0], series.length);
      at.point = nextPoint(series[at.series]!.y, at.point, move[1]);
      const line = series[at.series]!;
      const value = line.y[at.point];
      if (value !== null && value !== undefined) {
        const place = plot.current?.locate(line.x[at.point]!, logY ? Math.log10(value) : value);
        if (place != null) showTooltip(place.x, place.y, describe(at.series, at.point));
      }
      setSpoken(describe(at.series, at.point).map((pair) => pair.join(" ")).join(", "));
      onHover?.(line.tensors?.[at.point] ?? -1);
    } else if (event.key === "Enter") choose(at.series, at.point, event.altKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <PlotFrame {...props} svg={() => plot.current!.svg()}>
      <div
        class="plot-keys"
        tabIndex={0}
        role="application"
        aria-label={`${props.label}. Arrow keys walk the points${onSelect === undefined ? "" : ", Enter selects"}.`}
        onKeyDown={onKeyDown}
        onBlur={() => { hideTooltip(); onHover?.(-1); }}
      >
        <PlotlyPlot
          traces={traces}
          layout={layout}
          handle={plot}
          onPoint={onPoint}
          onClick={(point, alt) => choose(point.curveNumber, point.pointNumber, alt)}
        />
      </div>
      <p class="screen-reader" aria-live="polite">{spoken}</p>
    </PlotFrame>
  );
}

function drawSeries(series: Series, look: Theme, logY: boolean, highlighted: number | undefined): Trace[] {
  const traces: Trace[] = series.map((line) => {
    const { colour, dash, symbol } = kindStyle(line.kind, line.variant);
    const colourCss = look.chart[colour];
    return {
      type: "scatter",
      mode: line.x.length > MOST_MARKERS ? "lines" : "lines+markers",
      name: escapePlotly(line.name),
      x: line.x,
      // A logarithmic axis has no place for what is not positive.
      y: logY ? line.y.map((value) => (value !== null && value > 0 ? value : null)) : line.y,
      line: { color: colourCss, width: 1.5, dash },
      marker: { color: look.highContrast ? look.background : colourCss, line: { color: colourCss, width: look.highContrast ? 1.5 : 0 }, symbol, size: 6 },
      connectgaps: false,
      hoverinfo: "none",
    };
  });
  const found = highlighted === undefined || highlighted < 0 ? undefined : locate(series, highlighted);
  if (found !== undefined) {
    traces.push({
      type: "scatter",
      mode: "markers",
      x: [found.x],
      y: [found.y],
      marker: { symbol: "circle-open", size: 14, color: look.foreground, line: { width: 2 } },
      hoverinfo: "skip",
      showlegend: false,
    });
  }
  return traces;
}

function locate(series: Series, tensor: number): { x: number; y: number } | undefined {
  for (const line of series) {
    const i = line.tensors?.indexOf(tensor) ?? -1;
    const y = i < 0 ? null : line.y[i];
    if (y !== null && y !== undefined) return { x: line.x[i]!, y };
  }
  return undefined;
}

function layoutOf({ id, xTitle, yTitle, logY, series }: LinePlotProps, look: Theme): Layout {
  return {
    uirevision: `${id} ${yTitle} ${logY === true}`,
    xaxis: axis(look, escapePlotly(xTitle), { showgrid: false, ...layerTicks(series) }),
    yaxis: axis(look, escapePlotly(yTitle), logY === true ? { type: "log" } : {}),
    showlegend: series.length > 1,
    legend: {
      orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom",
      font: { size: look.fontSize, color: look.foreground }, bgcolor: "rgba(0,0,0,0)", itemwidth: 30,
    },
  };
}

/** Few whole steps are labelled as such; what lies before step 0 belongs to no layer. */
function layerTicks(series: Series): Layout {
  let low = Infinity;
  let high = -Infinity;
  for (const { x } of series) {
    for (const at of x) {
      if (!Number.isInteger(at)) return {};
      low = Math.min(low, at);
      high = Math.max(high, at);
    }
  }
  if (high === -Infinity || high - low > MOST_LABELLED) return {};
  const ticks = indexTicks(Math.max(0, low), Math.max(0, high), 10);
  return {
    tickmode: "array",
    tickvals: low < 0 ? [low, ...ticks] : ticks,
    ticktext: [...(low < 0 ? [OUTSIDE] : []), ...ticks.map(String)],
    range: [low - 0.5, Math.max(high, low + 1) + 0.5],
  };
}

function clamp(index: number, length: number): number {
  return Math.min(length - 1, Math.max(0, index));
}

/** The next index in that direction that has a value; the same one when there is none. */
function nextPoint(values: readonly (number | null)[], from: number, step: number): number {
  for (let i = from + step; step !== 0 && i >= 0 && i < values.length; i += step) if (values[i] != null) return i;
  return clamp(from, values.length);
}
