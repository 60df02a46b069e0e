/** What every plot component takes. Plots follow the theme, carry their data table, and export themselves. */
import type { ComponentChildren } from "preact";

/** One column of the table behind a plot; also its CSV. */
export interface PlotColumn {
  name: string;
  values: readonly (number | string | null)[];
}

/** Frame around a plot: title (which may hold a picker), toolbar (table, copy, save as PNG/SVG/CSV/JSON, expand). */
export interface PlotFrameProps {
  /** Unique within the page: file name of exports, key of remembered state. */
  id: string;
  title: ComponentChildren;
  /** Plain text for screen readers and exports. */
  label: string;
  /** What the plot shows, in a sentence for screen readers. */
  summary?: string;
  /** How the numbers were made; shown on hover and in exports. */
  how?: string;
  /** The data behind the plot. */
  table: () => PlotColumn[];
}

/** Line chart: x is usually the layer. */
export interface LinePlotProps extends PlotFrameProps {
  xTitle: string;
  yTitle: string;
  logY?: boolean;
  series: { name: string; kind: string; x: readonly number[]; y: readonly (number | null)[]; tensors?: readonly number[]; /** Tells lines of one kind apart by dash and symbol. */ variant?: number }[];
  onHover?: (tensor: number) => void;
  /** `alt`: add to the comparison set instead of selecting. */
  onSelect?: (tensor: number, alt: boolean) => void;
  highlighted?: number;
}

export interface TreemapNode {
  id: string;
  parent: string;
  label: string;
  value: number;
  tensor?: number;
  /** Picks the colour; default: the label. */
  kind?: string;
}
export interface TreemapProps extends PlotFrameProps {
  nodes: readonly TreemapNode[];
  onSelect?: (id: string) => void;
}

/** Tiny inline line without axes, in a tree row or beside a figure. */
export interface SparklineProps {
  values: readonly (number | null)[];
  width?: number;
  height?: number;
  label: string;
  marked?: number;
}
