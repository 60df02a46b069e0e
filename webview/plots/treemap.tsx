/** Nested rectangles by number of parameters. A click goes into a part, the path above leads back. */
import { useMemo, useRef, useState } from "preact/hooks";
import { formatCount, formatInteger, formatShare, visibleText } from "../ui/format";
import { escapePlotly } from "./escape";
import { PlotFrame } from "./frame";
import { kindStyle } from "./kinds";
import type { PlotPoint, Trace } from "./plotly";
import { PlotlyPlot, type PlotlyHandle } from "./plotly-plot";
import { mix, theme, type Theme } from "./theme";
import { showTooltip } from "./tooltip";
import { foldTreemap } from "./treemap-data";
import type { TreemapNode, TreemapProps } from "./types";

const MOST_LEAVES = 1500;
const LAYOUT = { margin: { l: 0, r: 0, t: 0, b: 0 } };

export function Treemap(props: TreemapProps) {
  const look = theme.value;
  const plot = useRef<PlotlyHandle>(null);
  const [level, setLevel] = useState("");
  const nodes = useMemo(() => foldTreemap(props.nodes, MOST_LEAVES), [props.nodes]);
  const parents = useMemo(() => new Map(nodes.map((node) => [node.id, node.parent])), [nodes]);
  const traces = useMemo(() => draw(nodes, parents.has(level) ? level : "", look), [nodes, parents, level, look]);
  const total = useMemo(() => nodes.reduce((sum, node) => (node.parent === "" ? sum + node.value : sum), 0), [nodes]);

  const at = (point: PlotPoint): TreemapNode | undefined => nodes[point.pointNumber];
  const onPoint = (point: PlotPoint | null, x: number, y: number): void => {
    const node = point === null ? undefined : at(point);
    if (node === undefined) return;
    showTooltip(x, y, [
      [visibleText(node.label), `${formatInteger(node.value)} parameters`],
      ["share", formatShare(node.value / total)],
    ]);
  };
  const onClick = (point: PlotPoint): void => {
    const node = at(point);
    if (node === undefined) return;
    const isLeaf = ![...parents.values()].includes(node.id);
    if (!isLeaf) setLevel(node.id === level ? (parents.get(node.id) ?? "") : node.id);
    if (!node.id.endsWith("\u0000rest")) props.onSelect?.(node.id);
  };
  return (
    <PlotFrame {...props} svg={() => plot.current!.svg()}>
      <PlotlyPlot traces={traces} layout={LAYOUT} handle={plot} onPoint={onPoint} onClick={onClick} />
    </PlotFrame>
  );
}

function draw(nodes: readonly TreemapNode[], level: string, look: Theme): Trace[] {
  return [
    {
      type: "treemap",
      ids: nodes.map((node) => node.id),
      labels: nodes.map((node) => escapePlotly(visibleText(node.label))),
      parents: nodes.map((node) => node.parent),
      values: nodes.map((node) => node.value),
      text: nodes.map((node) => formatCount(node.value)),
      branchvalues: "total",
      level,
      textinfo: "label+text",
      hoverinfo: "none",
      textfont: { color: look.foreground, size: look.fontSize },
      pathbar: { visible: level !== "", textfont: { color: look.foreground, size: look.fontSize } },
      tiling: { pad: 1, packing: "squarify" },
      marker: {
        colors: nodes.map((node) => fill(node, look)),
        line: { width: 1, color: look.highContrast ? look.border : look.background },
        pad: { t: look.fontSize + 6, l: 2, r: 2, b: 2 },
        cornerradius: 2,
      },
    },
  ];
}

/** Quiet tints by kind for tensors, none for what holds them; in high contrast the borders speak. */
function fill(node: TreemapNode, look: Theme): string {
  if (look.highContrast) return look.background;
  return node.tensor === undefined ? mix(look.foreground, look.background, 0.06) : mix(look.chart[kindStyle(node.kind ?? node.label).colour], look.background, 0.35);
}
