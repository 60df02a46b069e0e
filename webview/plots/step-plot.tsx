/** Distributions drawn over one another on shared axes: outlines of counts over bins. */
import { useMemo, useRef } from "preact/hooks";
import { formatInteger, formatNumber } from "../ui/format";
import { escapePlotly } from "./escape";
import { PlotFrame } from "./frame";
import { steps } from "./histogram-data";
import { kindStyle } from "./kinds";
import type { Layout, PlotPoint, Trace } from "./plotly";
import { axis, PlotlyPlot, type PlotlyHandle } from "./plotly-plot";
import { decadeTicks, powerOfTen } from "./scale";
import { theme, withAlpha, type Theme } from "./theme";
import { showTooltip } from "./tooltip";
import type { PlotFrameProps } from "./types";

export interface StepCurve {
  name: string;
  /** Picks colour and dash. */
  kind: string;
  /** One more than counts; exponents of ten on a logarithmic axis. */
  edges: readonly number[];
  counts: readonly number[];
}

export interface StepPlotProps extends PlotFrameProps {
  curves: readonly StepCurve[];
  xTitle: string;
  yTitle: string;
  logX: boolean;
  logY: boolean;
}

export function StepPlot({ curves, xTitle, yTitle, logX, logY, ...frame }: StepPlotProps) {
  const look = theme.value;
  const plot = useRef<PlotlyHandle>(null);
  const traces = useMemo(() => curves.map((curve) => draw(curve, look, logY, curves.length > 1)), [curves, look, logY]);
  const layout = useMemo(() => layoutOf(curves, xTitle, yTitle, logX, logY, look), [curves, xTitle, yTitle, logX, logY, look]);
  const onPoint = (point: PlotPoint | null, x: number, y: number): void => {
    const curve = point === null ? undefined : curves[point.curveNumber];
    if (point === null || curve === undefined) return;
    const bin = Math.min(curve.counts.length - 1, Math.max(0, point.pointNumber - 1));
    const at = (edge: number): string => formatNumber(logX ? 10 ** curve.edges[edge]! : curve.edges[edge]!);
    showTooltip(x, y, [[curve.name, `${at(bin)} … ${at(bin + 1)}`], [yTitle, Number.isInteger(curve.counts[bin]!) ? formatInteger(curve.counts[bin]!) : formatNumber(curve.counts[bin])]]);
  };
  return (
    <PlotFrame {...frame} svg={() => plot.current!.svg()}>
      <PlotlyPlot traces={traces} layout={layout} handle={plot} onPoint={onPoint} />
    </PlotFrame>
  );
}

function draw({ name, kind, edges, counts }: StepCurve, look: Theme, logY: boolean, several: boolean): Trace {
  const { colour, dash } = kindStyle(kind);
  const { x, y } = steps(edges, counts);
  return {
    type: "scatter", mode: "lines", name: escapePlotly(name), x,
    // An empty bin lies below the lower end of a logarithmic axis.
    y: logY ? y.map((count) => (count === 0 ? 0.1 : count)) : y,
    line: { shape: "hvh", width: 1.4, color: look.chart[colour], dash },
    fill: look.highContrast ? "none" : "tozeroy",
    fillcolor: withAlpha(look.chart[colour], several ? 0.1 : 0.2),
    hoverinfo: "none",
  };
}

function layoutOf(curves: readonly StepCurve[], xTitle: string, yTitle: string, logX: boolean, logY: boolean, look: Theme): Layout {
  const low = Math.min(...curves.map(({ edges }) => edges[0] ?? 0));
  const high = Math.max(...curves.map(({ edges }) => edges.at(-1) ?? 1));
  const most = Math.max(1, ...curves.map(({ counts }) => counts.reduce((a, b) => Math.max(a, b), 0)));
  const ticks = logX ? decadeTicks(low, high) : [];
  return {
    uirevision: `${logX} ${logY}`,
    hovermode: "closest",
    hoverdistance: 40,
    showlegend: curves.length > 1,
    legend: { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom", font: { size: look.fontSize, color: look.foreground }, bgcolor: "rgba(0,0,0,0)" },
    xaxis: axis(look, xTitle, { showgrid: false, ...(ticks.length > 1 ? { tickmode: "array", tickvals: ticks, ticktext: ticks.map(powerOfTen) } : {}) }),
    yaxis: axis(look, yTitle, {
      exponentformat: "SI",
      ...(logY ? { type: "log", range: [Math.log10(0.6), Math.log10(most * 1.4)], dtick: Math.max(1, Math.ceil(Math.log10(most) / 5)) } : { rangemode: "tozero", nticks: 5 }),
    }),
  };
}
