/** Which model each layer comes from and by what share, as stacked columns over the depth; while the merge is written, how far each is. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { TargetedKeyboardEvent } from "preact";
import type { MergeOverview, RunState } from "../../src/protocol/merge";
import { PlotFrame } from "../plots/frame";
import { kindStyle } from "../plots/kinds";
import { indexTicks } from "../plots/scale";
import { theme } from "../plots/theme";
import { hideTooltip, showTooltip } from "../plots/tooltip";
import { formatShare, plural } from "../ui/format";
import { inputLooks } from "./inputs";

const HEIGHT = 84;
const TICKS = 18;
const WIDEST = 56;
/** A segment with less room has no letter. */
const LETTERED = 16;
/** Layers that are labelled one by one. */
const LABELLED = 24;

export function ProvenanceStrip({ overview, run }: { overview: MergeOverview; run: RunState }) {
  const look = theme.value;
  const box = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
  const id = useId();
  const [width, setWidth] = useState(0);
  const [cursor, setCursor] = useState(-1);
  useEffect(() => {
    const node = box.current!;
    const observer = new ResizeObserver(() => setWidth(node.clientWidth));
    observer.observe(node);
    return () => {
      observer.disconnect();
      hideTooltip();
    };
  }, []);
  const { layers, tensors, shares } = overview.provenance;
  const inputs = inputLooks(overview.inputs);
  const done = run.state === "running" ? run.layers : null;
  // A gap sets off what lies outside of the layers.
  const outside = layers.at(-1) === null && layers.length > 1 ? 14 : 0;
  const column = Math.max(1, Math.min(WIDEST, (width - outside) / Math.max(1, layers.length)));
  const inset = column > 6 ? 1.5 : column > 3 ? 0.5 : 0;
  const left = (i: number): number => i * column + (i === layers.length - 1 ? outside : 0);
  const labelOf = (i: number): string => (layers[i] === null ? (layers.length === 1 ? "all" : "other") : String(layers[i]));

  const describe = (i: number): (readonly [string, string])[] => [
    [layers[i] === null ? "outside of layers" : `layer ${layers[i]}`, plural(tensors[i]!, "tensor")],
    ...inputs.flatMap(({ name, letter }, j) => (shares[i]![j]! > 0 ? [[`${letter} ${name}`, formatShare(shares[i]![j]!)] as const] : [])),
    ...(done === null ? [] : [["written", formatShare(done[i] ?? 0)] as const]),
  ];
  const go = (i: number, place?: { x: number; y: number }): void => {
    if (i < 0 || i >= layers.length) return leave();
    setCursor(i);
    const bounds = svg.current!.getBoundingClientRect();
    showTooltip(place?.x ?? bounds.left + left(i) + column / 2, place?.y ?? bounds.top, describe(i));
  };
  const leave = (): void => {
    setCursor(-1);
    hideTooltip();
  };
  const at = (event: MouseEvent): number => {
    const x = event.clientX - svg.current!.getBoundingClientRect().left;
    const i = Math.floor(x / column);
    return i < layers.length - 1 ? i : x >= left(layers.length - 1) && x < left(layers.length - 1) + column ? layers.length - 1 : -1;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined || event.altKey) return;
    go(Math.min(layers.length - 1, Math.max(0, cursor + step)));
    event.preventDefault();
    event.stopPropagation();
  };
  const ticks = layers.length * 8 <= LABELLED * 8 && column >= 20 ? layers.map((_, i) => i) : [...indexTicks(0, layers.length - (outside > 0 ? 2 : 1), Math.max(2, Math.floor(width / 60))), ...(outside > 0 ? [layers.length - 1] : [])];
  return (
    <div class="provenance">
      <PlotFrame
        id="provenance"
        title={<strong>{done === null ? "Where each layer comes from" : "Written, layer by layer"}</strong>}
        label="Share of each model in each layer"
        how="weights as the recipe sets them, before values are looked at; a layer's tensors weighed by their elements"
        table={() => [{ name: "layer", values: layers }, { name: "tensors", values: tensors }, ...overview.inputs.map(({ label }, j) => ({ name: label, values: shares.map((row) => row[j]!) }))]}
        svg={() => Promise.resolve(standalone(svg.current!))}
      >
        <div class="cell-map" ref={box} tabIndex={0} role="application" aria-label="Share of each model in each layer. Arrow keys walk the layers." onKeyDown={onKeyDown} onBlur={leave} onPointerMove={(event) => go(at(event), { x: event.clientX, y: event.clientY })} onPointerLeave={leave}>
          <svg ref={svg} width={Math.max(1, width)} height={HEIGHT + TICKS} viewBox={`0 0 ${Math.max(1, width)} ${HEIGHT + TICKS}`} aria-hidden="true" font-family={look.font} font-size={look.fontSize}>
            <defs>
              {inputs.map(({ pattern, kind }, j) => <Hatch key={j} id={`${id}-${j}`} pattern={pattern} colour={look.highContrast ? look.chart[kindStyle(kind).colour] : look.background} />)}
            </defs>
            {layers.map((_, i) => {
              let top = 0;
              return (
                <g key={i} opacity={done === null || (done[i] ?? 0) >= 1 ? 1 : 0.35}>
                  {inputs.map(({ kind, letter }, j) => {
                    const height = shares[i]![j]! * HEIGHT;
                    if (height <= 0) return null;
                    const y = top;
                    top += height;
                    const colour = look.chart[kindStyle(kind).colour];
                    const place = { x: left(i), y: y + 0.5, width: Math.max(0.5, column - inset), height: Math.max(0.5, height - 1) };
                    return (
                      <g key={j}>
                        <rect {...place} fill={look.highContrast ? look.background : colour} stroke={look.highContrast ? colour : "none"} />
                        <rect {...place} fill={`url(#${id}-${j})`} />
                        {column >= LETTERED && height >= LETTERED && (
                          <g>
                            <rect x={left(i) + (column - inset) / 2 - 7} y={y + height / 2 - 8} width="14" height="16" rx="3" fill={look.background} opacity="0.82" />
                            <text x={left(i) + (column - inset) / 2} y={y + height / 2} text-anchor="middle" dominant-baseline="central" fill={look.foreground}>{letter}</text>
                          </g>
                        )}
                      </g>
                    );
                  })}
                </g>
              );
            })}
            {done !== null && layers.map((_, i) => <rect key={i} x={left(i)} y={HEIGHT} width={Math.max(0.5, (column - inset) * (done[i] ?? 0))} height="3" fill={look.focus} />)}
            {cursor >= 0 && <rect x={left(cursor) + 0.5} y="0.5" width={Math.max(2, column - inset - 1)} height={HEIGHT - 1} fill="none" stroke={look.foreground} stroke-width="1.5" />}
            {ticks.map((i) => <text key={i} x={left(i) + (column - inset) / 2} y={HEIGHT + TICKS / 2 + 3} text-anchor="middle" dominant-baseline="central" fill={look.muted}>{labelOf(i)}</text>)}
          </svg>
        </div>
      </PlotFrame>
    </div>
  );
}

/** The second cue beside the colour. The first is plain. */
function Hatch({ id, pattern, colour }: { id: string; pattern: number; colour: string }) {
  const strokes = ["", "M0 6L6 0", "M0 0L6 6", "M0 3H6", "M3 0V6", "M0 6L6 0M0 0L6 6"];
  return (
    <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse">
      <path d={strokes[pattern] ?? ""} stroke={colour} stroke-width="1" stroke-opacity="0.45" fill="none" />
    </pattern>
  );
}

function standalone(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}
