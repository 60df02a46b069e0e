/** Singular values in descending order, or their density, with the marks that read them. */
import { useMemo, useRef } from "preact/hooks";
import { toNumber, type Spectrum } from "../../src/protocol/results";
import { formatExact, formatInteger, formatNumber } from "../ui/format";
import { escapePlotly } from "./escape";
import { PlotFrame } from "./frame";
import { steps } from "./histogram-data";
import { kindStyle } from "./kinds";
import type { Layout, PlotPoint, Trace } from "./plotly";
import { axis, PlotlyPlot, type PlotlyHandle } from "./plotly-plot";
import { bulk, density, marchenkoPasturDensity, spectrumTable, tailCurve, tailLength } from "./spectrum-data";
import { theme, withAlpha, type Theme } from "./theme";
import { showTooltip } from "./tooltip";
import type { PlotColumn, PlotFrameProps } from "./types";

export type SpectrumScale = "linear" | "log" | "loglog" | "density";

export const SPECTRUM_SCALES: readonly { value: SpectrumScale; text: string; title: string }[] = [
  { value: "linear", text: "lin", title: "σ against i" },
  { value: "log", text: "log", title: "σ on a logarithmic axis" },
  { value: "loglog", text: "log-log", title: "both axes logarithmic: a power law is a straight line" },
  { value: "density", text: "density", title: "how many singular values lie where" },
];

export interface SpectrumCurve {
  name: string;
  kind: string;
  spectrum: Spectrum & { residuals?: number[] };
}

export interface SpectrumPlotProps extends Omit<PlotFrameProps, "table"> {
  /** The marks (Marchenko–Pastur edge, tail, energy ranks) belong to the first; with several curves they are left out. */
  curves: readonly SpectrumCurve[];
  scale: SpectrumScale;
}

export function SpectrumPlot({ curves, scale, ...frame }: SpectrumPlotProps) {
  const look = theme.value;
  const plot = useRef<PlotlyHandle>(null);
  const traces = useMemo(() => draw(curves, scale, look), [curves, scale, look]);
  const layout = useMemo(() => layoutOf(curves, scale, look), [curves, scale, look]);
  const onPoint = (point: PlotPoint | null, x: number, y: number): void => {
    const curve = point === null ? undefined : curves[point.curveNumber];
    if (point === null || curve === undefined || scale === "density") return;
    const sigma = curve.spectrum.singularValues[point.pointNumber];
    if (sigma === undefined) return;
    const residual = curve.spectrum.residuals?.[point.pointNumber];
    showTooltip(x, y, [
      ...(curves.length > 1 ? [[curve.name, ""] as const] : []),
      ["i", formatInteger(point.pointNumber + 1)],
      ["σ", formatExact(sigma)],
      ...(residual === undefined ? [] : [["residual", formatNumber(residual)] as const]),
    ]);
  };
  return (
    <PlotFrame {...frame} table={() => tableOf(curves)} svg={() => plot.current!.svg()}>
      <PlotlyPlot traces={traces} layout={layout} handle={plot} onPoint={onPoint} />
    </PlotFrame>
  );
}

function tableOf(curves: readonly SpectrumCurve[]): PlotColumn[] {
  if (curves.length === 1) return spectrumTable(curves[0]!.spectrum);
  const longest = curves.reduce((most, { spectrum }) => Math.max(most, spectrum.singularValues.length), 0);
  return [
    { name: "i", values: Array.from({ length: longest }, (_, i) => i + 1) },
    ...curves.map(({ name, spectrum }) => ({ name, values: spectrum.singularValues })),
  ];
}

function draw(curves: readonly SpectrumCurve[], scale: SpectrumScale, look: Theme): Trace[] {
  const traces: Trace[] = curves.map(({ name, kind, spectrum }, i) => {
    const style = curves.length === 1 ? { colour: "blue" as const, dash: "solid" as const } : kindStyle(kind);
    const colour = look.chart[style.colour];
    // Two curves of one kind still differ.
    const dash = curves.length > 1 && curves.slice(0, i).some((other) => other.kind === kind) ? (["dash", "dot", "dashdot"] as const)[i % 3]! : style.dash;
    const common = { type: "scatter", name: escapePlotly(name), hoverinfo: "none", showlegend: curves.length > 1, line: { color: colour, width: 1.5, dash } };
    if (scale === "density") {
      const { edges, values } = density(spectrum.singularValues);
      return {
        ...common, ...steps(edges, values), mode: "lines", line: { ...common.line, shape: "hvh" },
        fill: look.highContrast || curves.length > 1 ? "none" : "tozeroy", fillcolor: withAlpha(colour, 0.2), hoverinfo: "skip",
      };
    }
    const values = spectrum.singularValues;
    return {
      ...common,
      mode: values.length <= 80 ? "lines+markers" : "lines",
      marker: { size: 4, color: colour },
      x: values.map((_, index) => index + 1),
      y: scale === "linear" ? values : values.map((sigma) => (sigma > 0 ? sigma : null)),
    };
  });
  const only = curves.length === 1 ? curves[0]!.spectrum : undefined;
  if (only === undefined) return traces;
  if (scale === "density") traces.push(bulkCurve(only, look));
  else {
    const tail = tailCurve(only);
    if (tail.x.length > 0) {
      traces.push({
        type: "scatter", mode: "lines", ...tail, name: `power law, α ${formatNumber(only.powerLaw!.alpha)}`,
        line: { color: look.chart.orange, width: 2, dash: "dash" }, hoverinfo: "skip",
      });
    }
  }
  return traces;
}

function bulkCurve(spectrum: Spectrum, look: Theme): Trace {
  const { low, high } = bulk(spectrum);
  const x = Array.from({ length: 161 }, (_, i) => low + ((high - low) * i) / 160);
  return {
    type: "scatter", mode: "lines", name: "Marchenko–Pastur", x, y: x.map((sigma) => marchenkoPasturDensity(spectrum, sigma)),
    line: { color: look.foreground, width: 1.3, dash: "dot" }, hoverinfo: "skip",
  };
}

function layoutOf(curves: readonly SpectrumCurve[], scale: SpectrumScale, look: Theme): Layout {
  const log = scale === "log" || scale === "loglog";
  return {
    uirevision: scale,
    // Room for the names of the energy ranks.
    ...(curves.length === 1 && scale !== "density" ? { margin: { l: 40, r: 8, t: 20, b: 30, pad: 0 } } : {}),
    hovermode: "closest",
    hoverdistance: 60,
    showlegend: curves.length > 1 || scale === "density",
    // Above the plot: several curves end where a corner of it would be.
    legend: { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom", font: { size: look.fontSize }, bgcolor: "rgba(0,0,0,0)" },
    xaxis: axis(look, scale === "density" ? "σ" : "i", { showgrid: false, type: scale === "loglog" ? "log" : "linear", ...(scale === "loglog" ? { dtick: 1 } : { rangemode: "tozero" }) }),
    yaxis: axis(look, scale === "density" ? "density" : "σ", log ? { type: "log" } : { rangemode: "tozero", nticks: 6 }),
    ...(curves.length === 1 ? marks(curves[0]!.spectrum, scale, look) : {}),
  };
}

/** Lines at the Marchenko–Pastur edge and at the energy ranks, each with its name. */
function marks(spectrum: Spectrum, scale: SpectrumScale, look: Theme): Layout {
  const edge = toNumber(spectrum.marchenkoPastur.edge);
  const line = (colour: string, dash: string): Layout => ({ color: colour, width: 1, dash });
  const text = (label: string, place: Layout): Layout => ({ text: label, showarrow: false, font: { size: look.fontSize - 1, color: look.muted }, ...place });
  const shapes: Layout[] = [];
  const annotations: Layout[] = [];
  if (scale === "density") {
    if (edge > 0) shapes.push({ type: "line", xref: "x", yref: "paper", x0: edge, x1: edge, y0: 0, y1: 1, line: line(look.foreground, "dot") });
    return { shapes, annotations };
  }
  const logX = scale === "loglog";
  const logY = scale !== "linear";
  if (edge > 0) {
    shapes.push({ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: edge, y1: edge, line: line(look.foreground, "dot") });
    const high = logY || edge > 0.7 * toNumber(spectrum.spectralNorm);
    annotations.push(text(`MP edge, ${formatInteger(spectrum.marchenkoPastur.above)} above`, {
      xref: "paper", x: 1, xanchor: "right", yref: "y", y: logY ? Math.log10(edge) : edge, yanchor: high ? "top" : "bottom",
    }));
  }
  const tail = tailLength(spectrum);
  if (spectrum.powerLaw !== null && tail > 1) {
    const n = spectrum.singularValues.length;
    const x = logX ? Math.log10(tail) : tail;
    // A descending curve leaves room to its upper right, and to its lower left.
    const right = x < 0.6 * (logX ? Math.log10(n) : n);
    const sigma = spectrum.singularValues[tail - 1]!;
    annotations.push(text(`power law, α ${formatNumber(spectrum.powerLaw.alpha)}`, {
      xref: "x", x, xanchor: right ? "left" : "right", xshift: right ? 4 : -6, yref: "y", y: logY ? Math.log10(sigma) : sigma, yanchor: right ? "bottom" : "top",
    }));
  }
  const width = logX ? Math.log10(spectrum.singularValues.length) : spectrum.singularValues.length;
  let labelled = -Infinity;
  for (const [level, name] of [["0.9", "k₉₀"], ["0.95", "k₉₅"], ["0.99", "k₉₉"]] as const) {
    const k = spectrum.energyRank[level];
    if (!(k >= 1)) continue;
    const x = logX ? Math.log10(k) : k;
    shapes.push({ type: "line", xref: "x", yref: "paper", x0: k, x1: k, y0: 1, y1: 0.95, line: line(look.chart.purple, "solid") });
    // Marks that stand close together share the first one's name.
    if (x - labelled < 0.1 * width) continue;
    labelled = x;
    annotations.push(text(name, { xref: "x", x, xanchor: "center", yref: "paper", y: 1, yanchor: "bottom" }));
  }
  return { shapes, annotations };
}
