/** How a tensor's values are distributed: over the values or over their magnitudes, with the quantiles as a rug below. */
import { useMemo, useRef } from "preact/hooks";
import type { HistogramResult } from "../../src/engine/protocol";
import type { Statistics } from "../../src/protocol/results";
import { formatExact, formatInteger, formatNumber } from "../ui/format";
import { PlotFrame } from "./frame";
import { exponentEdges, histogramTable, linearEdges, rug, steps } from "./histogram-data";
import type { Layout, PlotPoint, Trace } from "./plotly";
import { axis, PlotlyPlot, type PlotlyHandle } from "./plotly-plot";
import { decadeTicks, powerOfTen } from "./scale";
import { theme, withAlpha, type Theme } from "./theme";
import { showTooltip } from "./tooltip";
import type { PlotFrameProps } from "./types";

export interface HistogramProps extends Omit<PlotFrameProps, "table"> {
  result: HistogramResult;
  statistics: Statistics | undefined;
  scale: "linear" | "log";
  logCounts: boolean;
}

interface Curve {
  name: string;
  edges: readonly number[];
  counts: readonly number[];
  colour: "blue" | "orange";
  dash: "solid" | "dot";
}

export function Histogram({ result, statistics, scale, logCounts, ...frame }: HistogramProps) {
  const look = theme.value;
  const plot = useRef<PlotlyHandle>(null);
  const curves = useMemo(() => curvesOf(result, scale), [result, scale]);
  const marks = useMemo(() => (statistics === undefined ? [] : rug(statistics).filter(({ value }) => scale === "linear" ? inside(value, curves[0]!.edges) : value !== 0)), [statistics, scale, curves]);
  const traces = useMemo(() => [...curves.map((curve) => drawCurve(curve, look, logCounts)), drawRug(marks, scale, look)], [curves, marks, scale, look, logCounts]);
  const layout = useMemo(() => layoutOf(curves, scale, logCounts, look), [curves, scale, logCounts, look]);

  const onPoint = (point: PlotPoint | null, x: number, y: number): void => {
    if (point === null) return;
    const curve = curves[point.curveNumber];
    if (curve === undefined) {
      const mark = marks[point.pointNumber];
      if (mark !== undefined) showTooltip(x, y, [[`quantile ${mark.level}`, formatExact(mark.value)]]);
      return;
    }
    const bin = Math.min(curve.counts.length - 1, Math.max(0, point.pointNumber - 1));
    const at = (edge: number): string => formatNumber(scale === "linear" ? curve.edges[edge]! : 10 ** curve.edges[edge]!);
    showTooltip(x, y, [[scale === "linear" ? "values" : curve.name, `${at(bin)} … ${at(bin + 1)}`], ["count", formatInteger(curve.counts[bin]!)]]);
  };
  return (
    <PlotFrame {...frame} table={() => histogramTable(result, scale)} svg={() => plot.current!.svg()}>
      <PlotlyPlot traces={traces} layout={layout} handle={plot} onPoint={onPoint} />
    </PlotFrame>
  );
}

function curvesOf(result: HistogramResult, scale: "linear" | "log"): Curve[] {
  if (scale === "linear") return [{ name: "values", edges: linearEdges(result), counts: result.linear.counts, colour: "blue", dash: "solid" }];
  const edges = exponentEdges(result);
  return [
    { name: "positive |x|", edges, counts: result.logMagnitude.positive, colour: "orange", dash: "solid" },
    { name: "negative |x|", edges, counts: result.logMagnitude.negative, colour: "blue", dash: "dot" },
  ];
}

function inside(value: number, edges: readonly number[]): boolean {
  return value >= edges[0]! && value <= edges.at(-1)!;
}

function drawCurve({ name, edges, counts, colour, dash }: Curve, look: Theme, logCounts: boolean): Trace {
  const { x, y } = steps(edges, counts);
  return {
    type: "scatter",
    mode: "lines",
    name,
    x,
    // An empty bin lies below the lower end of a logarithmic axis.
    y: logCounts ? y.map((count) => (count === 0 ? 0.1 : count)) : y,
    line: { shape: "hvh", width: 1.2, color: look.chart[colour], dash },
    fill: look.highContrast ? "none" : "tozeroy",
    fillcolor: withAlpha(look.chart[colour], 0.2),
    hoverinfo: "none",
  };
}

function drawRug(marks: readonly { level: string; value: number }[], scale: "linear" | "log", look: Theme): Trace {
  return {
    type: "scatter",
    mode: "markers",
    name: "quantiles",
    x: marks.map(({ value }) => (scale === "linear" ? value : Math.log10(Math.abs(value)))),
    y: marks.map(() => 0),
    yaxis: "y2",
    marker: {
      symbol: "line-ns",
      size: marks.map(({ level }) => (level === ".5" ? 13 : level === ".25" || level === ".75" ? 10 : 7)),
      line: { width: 1.4, color: marks.map(({ value }) => (scale === "linear" ? look.foreground : value < 0 ? look.chart.blue : look.chart.orange)) },
    },
    hoverinfo: "none",
    showlegend: false,
  };
}

function layoutOf(curves: readonly Curve[], scale: "linear" | "log", logCounts: boolean, look: Theme): Layout {
  const edges = curves[0]!.edges;
  const most = Math.max(1, ...curves.map(({ counts }) => counts.reduce((a, b) => Math.max(a, b), 0)));
  const ticks = scale === "log" && edges.length > 1 ? decadeTicks(edges[0]!, edges.at(-1)!) : [];
  return {
    uirevision: `${scale} ${logCounts}`,
    hovermode: "x",
    showlegend: scale === "log",
    legend: { orientation: "h", x: 1, y: 1, xanchor: "right", yanchor: "bottom", font: { size: look.fontSize }, bgcolor: "rgba(0,0,0,0)" },
    xaxis: axis(look, scale === "linear" ? "value" : "magnitude", {
      showgrid: false, anchor: "y2",
      ...(ticks.length > 1 ? { tickmode: "array", tickvals: ticks, ticktext: ticks.map(powerOfTen) } : {}),
    }),
    yaxis: axis(look, "count", {
      domain: [0.09, 1],
      exponentformat: "SI",
      ...(logCounts ? { type: "log", range: [Math.log10(0.6), Math.log10(most * 1.4)], dtick: Math.max(1, Math.ceil(Math.log10(most) / 5)) } : { rangemode: "tozero", nticks: 5 }),
    }),
    yaxis2: { domain: [0, 0.07], visible: false, range: [-1, 1], fixedrange: true },
  };
}
