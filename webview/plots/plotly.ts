/** Loads plotly.js when the first plot is drawn, under a policy that allows neither inline styles nor evaluated code. */

export type Trace = Readonly<Record<string, unknown>>;
export type Layout = Readonly<Record<string, unknown>>;

export interface PlotPoint {
  curveNumber: number;
  pointNumber: number;
  /** Treemap only: the node's id. */
  id?: string;
}

export interface PointEvent {
  points: PlotPoint[];
  event: MouseEvent;
}

/** Pixels of a plot's axis; part of plotly's layout, stable since version 1. */
export interface PlotAxis {
  d2p(value: number): number;
  _offset: number;
}

/** The element that holds a plot, after the first drawing. */
export interface PlotElement extends HTMLDivElement {
  on(event: "plotly_hover" | "plotly_unhover" | "plotly_click" | "plotly_treemapclick", listener: (event: PointEvent) => boolean | void): void;
  removeAllListeners(event: string): void;
  _fullLayout?: { xaxis?: PlotAxis; yaxis?: PlotAxis };
}

export interface PlotlyApi {
  react(element: HTMLElement, traces: readonly Trace[], layout: Layout, config: Readonly<Record<string, unknown>>): Promise<PlotElement>;
  purge(element: HTMLElement): void;
  toImage(element: HTMLElement, options: { format: "svg"; width: number; height: number; imageDataOnly: true }): Promise<string>;
}

// Only while the script runs can it see where it came from and under which nonce.
const script = typeof document === "undefined" ? null : (document.currentScript as HTMLScriptElement | null);
const source = script === null ? null : new URL("plots.js", script.src).href;
const nonce = script?.nonce;

let loading: Promise<PlotlyApi> | undefined;

/**
 * The plotting library; one download for all plots. A failed load may be tried again.
 * @throws Error with one sentence when the script cannot be loaded.
 */
export function loadPlotly(): Promise<PlotlyApi> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

function load(): Promise<PlotlyApi> {
  // Plotly writes its rules into a style element unless one of this id and class is there; ours are in plotly.css.
  if (document.getElementById("plotly.js-style-global") === null) {
    const marker = document.createElement("meta");
    marker.id = "plotly.js-style-global";
    marker.className = "no-inline-styles";
    document.head.append(marker);
  }
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = source ?? "plots.js";
    if (nonce !== undefined) element.nonce = nonce;
    element.onload = () => {
      const api = (globalThis as { weightLoupePlotly?: PlotlyApi }).weightLoupePlotly;
      if (api === undefined) reject(new Error("The plotting library was loaded but did not start; reopen the file."));
      else resolve(api);
    };
    element.onerror = () => {
      element.remove();
      reject(new Error("The plotting library (plots.js) could not be loaded from the extension's folder."));
    };
    document.head.append(element);
  });
}
