/** A flat line of values over indices, with marks: the norms of rows and columns, a tensor among its siblings. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { TargetedKeyboardEvent } from "preact";
import { PlotFrame } from "./frame";
import { extent, position, sparklinePath } from "./sparkline-path";
import { theme } from "./theme";
import { hideTooltip, showTooltip } from "./tooltip";
import type { PlotFrameProps } from "./types";

export interface StripMark {
  /** Index into `values`; fractions fall between. */
  at: number;
  /** `mark`: a ring, this is the one. `outlier`: a triangle. `dead`: a tick at the bottom. */
  look: "mark" | "outlier" | "dead";
}

export interface StripProps extends PlotFrameProps {
  values: readonly (number | null)[];
  marks: readonly StripMark[];
  /** What the tooltip says of value `i`. */
  describe: (i: number) => (readonly [string, string])[];
  onHover?: (i: number) => void;
  onSelect?: (i: number, alt: boolean) => void;
}

const HEIGHT = 56;
const PAD = 6;

export function Strip({ values, marks, describe, onHover, onSelect, ...frame }: StripProps) {
  const look = theme.value;
  const box = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
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

  const inner = Math.max(1, width - 2 * PAD);
  const tall = HEIGHT - 2 * PAD;
  const path = useMemo(() => sparklinePath(values, inner, tall), [values, inner]);
  const { low, high } = useMemo(() => extent(values), [values]);
  const x = (i: number): number => PAD + (values.length > 1 ? (i * inner) / (values.length - 1) : 0);
  const y = (i: number): number => {
    const value = values[Math.round(i)];
    return value == null || low === null || !Number.isFinite(value) ? HEIGHT - PAD : PAD + position(value, low, high, tall);
  };
  const few = values.length <= inner / 8;

  const go = (i: number, place?: { x: number; y: number }): void => {
    setCursor(i);
    onHover?.(i);
    const at = svg.current!.getBoundingClientRect();
    showTooltip(place?.x ?? at.left + x(i), place?.y ?? at.top + y(i), describe(i));
  };
  const leave = (): void => {
    setCursor(-1);
    hideTooltip();
    onHover?.(-1);
  };
  const nearest = (event: MouseEvent): number => {
    const fraction = (event.clientX - svg.current!.getBoundingClientRect().left - PAD) / inner;
    return Math.min(values.length - 1, Math.max(0, Math.round(fraction * (values.length - 1))));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (event.altKey && step !== 0) return;
    if (step !== 0) go(Math.min(values.length - 1, Math.max(0, cursor + step)));
    else if (event.key === "Enter" && cursor >= 0 && onSelect !== undefined) onSelect(cursor, event.altKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <PlotFrame {...frame} svg={() => Promise.resolve(standalone(svg.current!))}>
      <div
        class="strip"
        ref={box}
        tabIndex={0}
        role="application"
        aria-label={`${frame.label}. Arrow keys walk the values.`}
        onKeyDown={onKeyDown}
        onBlur={leave}
        onPointerMove={(event) => { if (values.length > 0) go(nearest(event), { x: event.clientX, y: event.clientY }); }}
        onPointerLeave={leave}
        onClick={(event) => { if (values.length > 0) onSelect?.(nearest(event), event.altKey); }}
        data-selectable={onSelect !== undefined}
      >
        {/* Colours as attributes: the exported file has no style sheet. */}
        <svg ref={svg} width={Math.max(1, width)} height={HEIGHT} viewBox={`0 0 ${Math.max(1, width)} ${HEIGHT}`} aria-hidden="true">
          <line x1={PAD} x2={PAD + inner} y1={HEIGHT - 1.5} y2={HEIGHT - 1.5} stroke={look.grid} />
          <path d={path} transform={`translate(${PAD} ${PAD})`} fill="none" stroke={look.chart.blue} stroke-width={few ? 1 : 1.2} stroke-linejoin="round" />
          {few && values.map((value, i) => (value == null || !Number.isFinite(value) ? null : <circle key={i} cx={x(i)} cy={y(i)} r="2" fill={look.chart.blue} />))}
          {marks.map((mark, i) =>
            mark.look === "mark" ? <circle key={i} cx={x(mark.at)} cy={y(mark.at)} r="5" fill="none" stroke={look.foreground} stroke-width="1.8" />
            : mark.look === "outlier" ? <path key={i} d={`M${x(mark.at) - 3.5} ${y(mark.at) - 3}h7l-3.5 5.5z`} fill={look.chart.orange} stroke={look.background} stroke-width=".6" />
            : <line key={i} x1={x(mark.at)} x2={x(mark.at)} y1={HEIGHT - 7} y2={HEIGHT - 1} stroke={look.chart.red} stroke-width="1.4" />,
          )}
          {cursor >= 0 && <line x1={x(cursor)} x2={x(cursor)} y1="0" y2={HEIGHT} stroke={look.foreground} stroke-opacity=".4" />}
        </svg>
      </div>
    </PlotFrame>
  );
}

function standalone(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}
