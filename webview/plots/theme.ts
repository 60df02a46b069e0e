/** The colours and fonts of the VS Code theme, read from its CSS variables and read again whenever it changes. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { diverging, legible, sequential, type ColourMap, type Rgb } from "./colour";
import { CHART_COLOURS, type ChartColour } from "./kinds";

export interface Theme {
  dark: boolean;
  highContrast: boolean;
  foreground: string;
  /** Secondary text: axis titles, ticks. */
  muted: string;
  background: string;
  grid: string;
  border: string;
  focus: string;
  error: string;
  font: string;
  monospace: string;
  /** Pixels. */
  fontSize: number;
  chart: Readonly<Record<ChartColour, string>>;
  sequential: ColourMap;
  diverging: ColourMap;
}

const FALLBACK: Readonly<Record<ChartColour, string>> = {
  blue: "#3794ff", purple: "#b180d7", green: "#89d185", orange: "#d18616", yellow: "#cca700", red: "#f14c4c", foreground: "#888888",
};

let scratch: CanvasRenderingContext2D | null = null;

/** What the browser makes of any CSS colour; translucent ones lie on `ground`. */
export function toRgb(colour: string, ground = "#000"): Rgb {
  scratch ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  if (scratch === null) return [128, 128, 128];
  for (const layer of [ground, colour]) {
    scratch.fillStyle = layer;
    scratch.fillRect(0, 0, 1, 1);
  }
  const [red, green, blue] = scratch.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}

/** `colour` with that opacity (0…1). */
export function withAlpha(colour: string, alpha: number): string {
  const [red, green, blue] = toRgb(colour);
  return `rgba(${red},${green},${blue},${alpha})`;
}

/** `share` (0…1) of `colour` over `ground`, opaque. */
export function mix(colour: string, ground: string, share: number): string {
  const over = toRgb(colour);
  const under = toRgb(ground);
  return `rgb(${over.map((component, i) => Math.round(share * component + (1 - share) * under[i]!)).join()})`;
}

function readTheme(): Theme {
  const computed = getComputedStyle(document.documentElement);
  const variable = (name: string, fallback: string): string => computed.getPropertyValue(`--vscode-${name}`).trim() || fallback;
  const kind = document.body.dataset["vscodeThemeKind"] ?? "";
  const highContrast = kind.includes("high-contrast");
  const dark = kind === "" ? matchMedia("(prefers-color-scheme: dark)").matches : !kind.includes("light");
  const foreground = variable("foreground", dark ? "#cccccc" : "#333333");
  const background = variable("editor-background", dark ? "#1e1e1e" : "#ffffff");
  // Some themes' chart colours are translucent, or too close to the background for a thin line.
  const chartColour = (name: ChartColour): string => `rgb(${legible(toRgb(variable(`charts-${name}`, FALLBACK[name]), background), toRgb(background)).join()})`;
  const chart = Object.fromEntries(CHART_COLOURS.map((name) => [name, chartColour(name)])) as Record<ChartColour, string>;
  const ground = { dark, highContrast };
  return {
    dark,
    highContrast,
    foreground,
    muted: highContrast ? foreground : variable("descriptionForeground", foreground),
    background,
    grid: withAlpha(foreground, highContrast ? 0.35 : 0.13),
    border: highContrast ? variable("contrastBorder", foreground) : variable("panel-border", withAlpha(foreground, 0.25)),
    focus: variable("focusBorder", chart.blue),
    error: variable("errorForeground", chart.red),
    font: variable("font-family", "system-ui, sans-serif"),
    monospace: variable("editor-font-family", "monospace"),
    fontSize: Math.max(10, Math.round(parseFloat(variable("font-size", "13px")) - 2)),
    chart,
    sequential: sequential(ground),
    diverging: diverging(ground),
  };
}

const current = signal<Theme>(readTheme());

/** The theme now; plots that read it are drawn again when the user picks another. */
export const theme: ReadonlySignal<Theme> = current;

let pending = false;
const observer = new MutationObserver(() => {
  if (pending) return;
  // VS Code swaps the class and several hundred variables one after the other.
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    current.value = readTheme();
  });
});
observer.observe(document.body, { attributes: true, attributeFilter: ["class", "data-vscode-theme-kind", "data-vscode-theme-id"] });
observer.observe(document.documentElement, { attributes: true, attributeFilter: ["style", "class"] });
