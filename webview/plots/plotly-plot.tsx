/** One plotly.js drawing in the page: mounted, resized, themed, exported and cleaned up. */
import { useEffect, useImperativeHandle, useRef, useState } from "preact/hooks";
import type { Ref } from "preact";
import { loadPlotly, type Layout, type PlotElement, type PlotlyApi, type PlotPoint, type Trace } from "./plotly";
import { theme, type Theme } from "./theme";
import { hideTooltip } from "./tooltip";

export interface PlotlyHandle {
  /** The drawing as a standalone SVG document. */
  svg(): Promise<string>;
  /** Window position (CSS pixels) of a data point, or null before the first drawing. */
  locate(x: number, y: number): { x: number; y: number } | null;
}

export interface PlotlyPlotProps {
  traces: readonly Trace[];
  /** Merged over `baseLayout`. */
  layout: Layout;
  /** The pointer came to a point (window position in CSS pixels), or left (null). */
  onPoint?: (point: PlotPoint | null, x: number, y: number) => void;
  onClick?: (point: PlotPoint, alt: boolean) => void;
  handle?: Ref<PlotlyHandle>;
}

const CONFIG = { displayModeBar: false, displaylogo: false, showTips: false, doubleClick: "reset", scrollZoom: false };

/** Axis settings that follow the theme. */
export function axis(look: Theme, title: string, extra: Layout = {}): Layout {
  return {
    title: { text: title, font: { size: look.fontSize, color: look.muted }, standoff: 3 },
    tickfont: { size: look.fontSize, color: look.muted },
    gridcolor: look.grid,
    linecolor: look.border,
    zerolinecolor: look.grid,
    showline: true,
    zeroline: false,
    ticks: "outside",
    ticklen: 3,
    tickcolor: look.border,
    exponentformat: "e",
    automargin: true,
    ...extra,
  };
}

function baseLayout(look: Theme): Layout {
  return {
    autosize: false,
    margin: { l: 40, r: 8, t: 8, b: 30, pad: 0 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.font, size: look.fontSize, color: look.foreground },
    hovermode: "closest",
    hoverdistance: 24,
    dragmode: "zoom",
    showlegend: false,
    separators: ".\u2009",
  };
}

export function PlotlyPlot({ traces, layout, onPoint, onClick, handle }: PlotlyPlotProps) {
  const element = useRef<HTMLDivElement>(null);
  const [api, setApi] = useState<PlotlyApi | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  const look = theme.value;
  const handlers = useRef<Handlers>({ onPoint, onClick });
  handlers.current = { onPoint, onClick };

  useEffect(() => {
    let mounted = true;
    if (failure === null) {
      loadPlotly().then(
        (loaded) => { if (mounted) setApi(loaded); },
        (error: unknown) => { if (mounted) setFailure(error instanceof Error ? error.message : String(error)); },
      );
    }
    return () => { mounted = false; };
  }, [failure]);

  useEffect(() => {
    const node = element.current!;
    const observer = new ResizeObserver(() => {
      const { width, height } = node.getBoundingClientRect();
      if (width >= 40 && height >= 40) setSize((old) => (old?.width === width && old.height === height ? old : { width, height }));
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (api === null || size === null) return;
    let mounted = true;
    const node = element.current!;
    api.react(node, traces, { ...baseLayout(look), ...layout, ...size }, CONFIG).then(
      (plot) => { if (mounted) listen(plot, handlers); },
      (error: unknown) => { if (mounted) setFailure(error instanceof Error ? error.message : String(error)); },
    );
    return () => { mounted = false; };
  }, [api, size, traces, layout, look]);

  useEffect(() => {
    if (api === null) return;
    const node = element.current!;
    return () => {
      hideTooltip();
      api.purge(node);
    };
  }, [api]);

  useImperativeHandle(handle ?? null, () => ({
    async svg() {
      const library = await loadPlotly();
      const { width, height } = element.current!.getBoundingClientRect();
      // A hidden plot has no size of its own.
      return library.toImage(element.current!, { format: "svg", width: width || 640, height: height || 400, imageDataOnly: true });
    },
    locate(x, y) {
      const full = (element.current as PlotElement | null)?._fullLayout;
      if (full?.xaxis === undefined || full.yaxis === undefined) return null;
      const box = element.current!.getBoundingClientRect();
      return { x: box.left + full.xaxis._offset + full.xaxis.d2p(x), y: box.top + full.yaxis._offset + full.yaxis.d2p(y) };
    },
  }), []);

  return (
    <div class="plotly-host">
      <div class="plotly-canvas" ref={element} />
      {failure !== null && (
        <p class="plot-message" role="alert">
          {failure} <button type="button" class="plot-link" onClick={() => setFailure(null)}>Retry</button>
        </p>
      )}
    </div>
  );
}

interface Handlers {
  onPoint: PlotlyPlotProps["onPoint"] | undefined;
  onClick: PlotlyPlotProps["onClick"] | undefined;
}

function listen(plot: PlotElement, handlers: { current: Handlers }): void {
  for (const event of ["plotly_hover", "plotly_unhover", "plotly_click", "plotly_treemapclick"]) plot.removeAllListeners(event);
  plot.on("plotly_hover", ({ points, event }) => {
    if (points[0] !== undefined) handlers.current.onPoint?.(points[0], event.clientX, event.clientY);
  });
  plot.on("plotly_unhover", () => {
    hideTooltip();
    handlers.current.onPoint?.(null, 0, 0);
  });
  plot.on("plotly_click", ({ points, event }) => {
    if (points[0] !== undefined) handlers.current.onClick?.(points[0], event.altKey);
  });
  // `false` keeps plotly from animating into the node: the page decides what is shown.
  plot.on("plotly_treemapclick", ({ points, event }) => {
    if (points[0] !== undefined) handlers.current.onClick?.(points[0], event.altKey);
    return false;
  });
}
