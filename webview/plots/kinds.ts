/** How each kind of tensor looks in every chart: a colour of the theme, and dash and symbol as the second cue. */

/** The six chart colours every VS Code theme defines, and its foreground. */
export const CHART_COLOURS = ["blue", "purple", "green", "orange", "yellow", "red", "foreground"] as const;
export type ChartColour = (typeof CHART_COLOURS)[number];
export type Dash = "solid" | "dash" | "dot" | "dashdot";
export type Marker = "circle" | "square" | "diamond" | "triangle-up" | "cross" | "x";

export interface KindStyle {
  colour: ChartColour;
  dash: Dash;
  symbol: Marker;
}

const style = (colour: ChartColour, dash: Dash, symbol: Marker): KindStyle => ({ colour, dash, symbol });

const KNOWN: Readonly<Record<string, KindStyle>> = {
  q: style("blue", "solid", "circle"),
  k: style("purple", "solid", "square"),
  v: style("green", "solid", "diamond"),
  o: style("orange", "solid", "triangle-up"),
  qkv: style("blue", "dashdot", "cross"),
  gate: style("yellow", "dash", "circle"),
  up: style("red", "dash", "square"),
  down: style("foreground", "dash", "diamond"),
  norm: style("purple", "dot", "triangle-up"),
  embed: style("green", "dot", "cross"),
  head: style("orange", "dot", "x"),
  kv: style("purple", "dashdot", "square"),
  gate_up: style("yellow", "dashdot", "x"),
  fc: style("orange", "dash", "square"),
  conv: style("blue", "dash", "triangle-up"),
  rnn: style("green", "dash", "circle"),
  router: style("red", "dot", "diamond"),
  position: style("yellow", "dot", "cross"),
  lora_a: style("blue", "dot", "circle"),
  lora_b: style("red", "solid", "square"),
  bias: style("foreground", "dot", "circle"),
  scale: style("orange", "dashdot", "x"),
  buffer: style("foreground", "dashdot", "x"),
  /** A plain line of numbers that belong to no kind. */
  value: style("blue", "solid", "circle"),
  /** The two sides of a comparison, and their difference. */
  side_a: style("blue", "solid", "circle"),
  side_b: style("orange", "dash", "square"),
  delta: style("green", "solid", "diamond"),
  other: style("foreground", "solid", "circle"),
  /** What goes into a merge, in order, and what comes out by one method or several. */
  input_0: style("blue", "dash", "circle"),
  input_1: style("orange", "dash", "square"),
  input_2: style("green", "dot", "diamond"),
  input_3: style("purple", "dot", "triangle-up"),
  input_4: style("yellow", "dashdot", "cross"),
  input_5: style("red", "dashdot", "x"),
  result_0: style("foreground", "solid", "circle"),
  result_1: style("purple", "solid", "square"),
  result_2: style("red", "solid", "diamond"),
  result_3: style("yellow", "solid", "triangle-up"),
};

const DASHES: readonly Dash[] = ["solid", "dash", "dot", "dashdot"];
const MARKERS: readonly Marker[] = ["circle", "square", "diamond", "triangle-up", "cross", "x"];

/**
 * The look of `kind`; the same in every chart and session, also for kinds that are not in the list.
 * @param variant Of several lines of one kind: the same colour with another dash and symbol.
 */
export function kindStyle(kind: string, variant = 0): KindStyle {
  const own = Object.hasOwn(KNOWN, kind) ? KNOWN[kind]! : hashed(kind);
  return variant === 0 ? own : style(own.colour, DASHES[(DASHES.indexOf(own.dash) + variant) % DASHES.length]!, MARKERS[(MARKERS.indexOf(own.symbol) + variant) % MARKERS.length]!);
}

function hashed(kind: string): KindStyle {
  // FNV-1a: any string gets a stable place.
  let hash = 0x811c9dc5;
  for (let i = 0; i < kind.length; i++) hash = Math.imul(hash ^ kind.charCodeAt(i), 0x01000193) >>> 0;
  return style(
    CHART_COLOURS[hash % CHART_COLOURS.length]!,
    DASHES[Math.floor(hash / 7) % DASHES.length]!,
    MARKERS[Math.floor(hash / 28) % MARKERS.length]!,
  );
}
