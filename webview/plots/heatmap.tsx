/**
 * A matrix as a picture: pooled to the screen's pixels by the engine, zoomed with the wheel or the keyboard, until every
 * element is a cell with its number.
 */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { formatExact, formatInteger, formatNumber } from "../ui/format";
import { escapeMarkup } from "./escape";
import { PlotFrame } from "./frame";
import { drawHeatmap, MARGIN, type Scene } from "./heatmap-draw";
import { colourLimit, type Pooling } from "./heatmap-picture";
import { HeatmapSource, type HeatmapLoader, type Shown } from "./heatmap-source";
import { heatmapTable } from "./heatmap-table";
import { fit, pan, pooledRange, readable, refit, visibleWindow, zoomAt, type Frame, type Viewport } from "./heatmap-view";
import { theme } from "./theme";
import { hideTooltip, showTooltip } from "./tooltip";
import type { PlotFrameProps } from "./types";

export interface HeatmapProps extends Omit<PlotFrameProps, "table"> {
  rows: number;
  columns: number;
  pooling: Pooling;
  /** Give the component a `key` per matrix: another matrix starts with a view of its own. */
  loader: HeatmapLoader;
  /** Where the view was, to start there again. */
  initial?: Viewport | undefined;
  /** Heat maps of equal shapes that zoom and pan together, and share one colour scale where they say so. */
  link?: HeatmapLink;
  /** Which of the link's colour scales. Default: one of its own. */
  linkScale?: string;
  onViewport?: (view: Viewport) => void;
}

/** What linked heat maps share. */
export class HeatmapLink {
  readonly view = signal<Viewport | null>(null);
  /** Colour limits by scale, then by heat map. */
  readonly #limits = signal<Readonly<Record<string, Readonly<Record<string, number>>>>>({});

  /** The limit that all heat maps of that scale use, once this one has asked for `own`. */
  limit(scale: string, id: string, own: number): number {
    const limits = this.#limits.value[scale];
    return Math.max(own, ...Object.entries(limits ?? {}).flatMap(([other, limit]) => (other === id ? [] : [limit])));
  }

  propose(scale: string, id: string, own: number): void {
    const limits = this.#limits.peek();
    if (limits[scale]?.[id] !== own) this.#limits.value = { ...limits, [scale]: { ...limits[scale], [id]: own } };
  }
}

const WHEEL_STEP = 1.0018;
const KEY_ZOOM = 1.5;
const KEY_PAN = 0.2;

export function Heatmap({ rows, columns, pooling, loader, initial, onViewport, link, linkScale, ...frameProps }: HeatmapProps) {
  const look = theme.value;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const cross = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  const [own, setOwn] = useState<Viewport>(() => initial ?? { top: 0, bottom: rows, left: 0, right: columns });
  const view = link?.view.value ?? own;
  const setView = (next: Viewport): void => { if (link === undefined) setOwn(next); else link.view.value = next; };
  const [shown, setShown] = useState<Shown | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const limit = useRef({ key: "", value: 1 });
  const drag = useRef<{ x: number; y: number; view: Viewport } | null>(null);

  const frame = useMemo<Frame>(
    () => ({ rows, columns, width: Math.max(1, (size?.width ?? 0) - MARGIN.left - MARGIN.right), height: Math.max(1, (size?.height ?? 0) - MARGIN.top - MARGIN.bottom) }),
    [rows, columns, size],
  );
  const source = useMemo(() => new HeatmapSource(loader, (next) => { setFailure(null); setShown(next); }, setFailure), [loader]);
  useEffect(() => () => source.dispose(), [source]);

  useEffect(() => {
    const node = box.current!;
    const observer = new ResizeObserver(() => {
      const { width, height } = node.getBoundingClientRect();
      if (width > 0 && height > 0) setSize((old) => (old?.width === width && old.height === height ? old : { width, height }));
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);

  const current = useMemo(() => refit(view, frame), [view, frame]);
  const asNumbers = readable(current, frame);
  useEffect(() => {
    if (size === null || failure !== null) return;
    source.request(visibleWindow(current, frame), frame.height * devicePixelRatio, frame.width * devicePixelRatio, asNumbers);
    onViewport?.(current);
  }, [source, current, frame, size, failure]);

  // Colours stay while the view is panned; another zoom or pooling may need another range.
  const limitKey = `${pooling} ${shown === null} ${shown === null ? 0 : Math.round(2 * Math.log2((shown.picture.window.rowStop - shown.picture.window.rowStart) * (shown.picture.window.columnStop - shown.picture.window.columnStart)))}`;
  if (shown !== null && limit.current.key !== limitKey) limit.current = { key: limitKey, value: colourLimit(shown.picture, pooling) };

  const shared = link !== undefined && linkScale !== undefined ? { link, scale: linkScale } : null;
  const ownLimit = limit.current.value;
  useEffect(() => { if (shared !== null && shown !== null) shared.link.propose(shared.scale, frameProps.id, ownLimit); }, [shared?.scale, ownLimit, shown === null]);
  const colours = shared === null || shown === null ? ownLimit : shared.link.limit(shared.scale, frameProps.id, ownLimit);

  const scene: Scene = {
    frame, view: current, pooling, limit: colours, look, picture: shown?.picture ?? null,
    values: asNumbers && shown?.values != null ? { rowStart: shown.picture.window.rowStart, columnStart: shown.picture.window.columnStart, rows: shown.values.rows } : null,
  };
  useLayoutEffect(() => {
    if (size !== null) render(canvas.current!, size, scene, devicePixelRatio);
  });

  const fraction = (event: { clientX: number; clientY: number }): { x: number; y: number } => {
    const { left, top } = canvas.current!.getBoundingClientRect();
    return { x: (event.clientX - left - MARGIN.left) / frame.width, y: (event.clientY - top - MARGIN.top) / frame.height };
  };
  const move = (next: Viewport): void => {
    hideTooltip();
    setView(next);
  };

  // A passive listener could not keep the page from scrolling.
  const wheel = useRef<(event: WheelEvent) => void>(() => undefined);
  wheel.current = (event) => {
    const { x, y } = fraction(event);
    if (x < 0 || x > 1 || y < 0 || y > 1) return;
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : 40 * event.deltaY;
    move(zoomAt(current, frame, x, y, WHEEL_STEP ** -pixels));
  };
  useEffect(() => {
    const node = canvas.current!;
    const listener = (event: WheelEvent): void => wheel.current(event);
    node.addEventListener("wheel", listener, { passive: false });
    return () => {
      node.removeEventListener("wheel", listener);
      hideTooltip();
    };
  }, []);

  const onPointerMove = (event: TargetedPointerEvent<HTMLCanvasElement>): void => {
    const { x, y } = fraction(event);
    if (drag.current !== null) {
      const from = drag.current;
      move(pan(from.view, frame, -(event.clientX - from.x) / frame.width, -(event.clientY - from.y) / frame.height));
      return;
    }
    if (x < 0 || x >= 1 || y < 0 || y >= 1 || shown === null) return leave();
    const column = Math.floor(current.left + x * (current.right - current.left));
    const row = Math.floor(current.top + y * (current.bottom - current.top));
    const lines = readout(shown, row, column);
    if (lines === null) return leave();
    showTooltip(event.clientX, event.clientY, lines);
    const mark = cross.current!;
    mark.hidden = false;
    mark.style.setProperty("--x", `${MARGIN.left + x * frame.width}px`);
    mark.style.setProperty("--y", `${MARGIN.top + y * frame.height}px`);
  };
  const leave = (): void => {
    hideTooltip();
    cross.current!.hidden = true;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLCanvasElement>): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions: Record<string, () => Viewport> = {
      "+": () => zoomAt(current, frame, 0.5, 0.5, KEY_ZOOM),
      "=": () => zoomAt(current, frame, 0.5, 0.5, KEY_ZOOM),
      "-": () => zoomAt(current, frame, 0.5, 0.5, 1 / KEY_ZOOM),
      "0": () => fit(frame),
      ArrowLeft: () => pan(current, frame, -KEY_PAN, 0),
      ArrowRight: () => pan(current, frame, KEY_PAN, 0),
      ArrowUp: () => pan(current, frame, 0, -KEY_PAN),
      ArrowDown: () => pan(current, frame, 0, KEY_PAN),
      Home: () => pan(current, frame, -Infinity, -Infinity),
      End: () => pan(current, frame, Infinity, Infinity),
    };
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : undefined;
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(action());
  };

  const seen = visibleWindow(current, frame);
  const where = `rows ${seen.rowStart} to ${seen.rowStop - 1} of ${rows}, columns ${seen.columnStart} to ${seen.columnStop - 1} of ${columns}`;
  return (
    <PlotFrame
      {...frameProps}
      summary={`Shows ${where}${asNumbers ? " as numbers" : ""}.`}
      table={() => (shown === null ? [] : heatmapTable(shown))}
      svg={() => Promise.resolve(size === null ? "" : heatmapSvg(size, scene, frameProps.label))}
    >
      <div class="heatmap" ref={box}>
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-label={`${frameProps.label}, ${where}. Plus and minus zoom, arrows move, 0 shows everything.`}
          data-zoomed={current.bottom - current.top < rows || current.right - current.left < columns}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            drag.current = { x: event.clientX, y: event.clientY, view: current };
            leave();
          }}
          onPointerMove={onPointerMove}
          onPointerUp={() => (drag.current = null)}
          onPointerCancel={() => (drag.current = null)}
          onPointerLeave={leave}
          onDblClick={(event) => { const { x, y } = fraction(event); move(zoomAt(current, frame, x, y, event.shiftKey ? 0.25 : 4)); }}
          onKeyDown={onKeyDown}
          onBlur={leave}
        />
        <div class="heatmap-cross" ref={cross} hidden />
        {shown === null && failure === null && <p class="plot-message plot-late">Reading values …</p>}
        {failure !== null && (
          <p class="plot-message" role="alert">
            {failure} <button type="button" class="plot-link" onClick={() => setFailure(null)}>Retry</button>
          </p>
        )}
      </div>
    </PlotFrame>
  );
}

function render(canvas: HTMLCanvasElement, size: { width: number; height: number }, scene: Scene, ratio: number): void {
  const width = Math.round(size.width * ratio);
  const height = Math.round(size.height * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawHeatmap(context, scene);
}

/** The element under the pointer, or the elements that its pixel pools. */
function readout({ picture, values }: Shown, row: number, column: number): (readonly [string, string])[] | null {
  const { window, height, width } = picture;
  const rows = window.rowStop - window.rowStart;
  const columns = window.columnStop - window.columnStart;
  const i = Math.floor(((row - window.rowStart) * height) / rows);
  const j = Math.floor(((column - window.columnStart) * width) / columns);
  if (i < 0 || j < 0 || i >= height || j >= width) return null;
  if (values !== null || (height === rows && width === columns)) {
    const exact = values?.rows[i]?.[j] ?? picture.mean[i * width + j]!;
    return [["row", formatInteger(row)], ["column", formatInteger(column)], ["value", formatExact(exact)]];
  }
  const range = ([from, to]: [number, number]): string => (to - from === 1 ? formatInteger(from) : `${formatInteger(from)} … ${formatInteger(to - 1)}`);
  const at = i * width + j;
  return [
    ["row", range(pooledRange(i, height, window.rowStart, rows))],
    ["column", range(pooledRange(j, width, window.columnStart, columns))],
    ["min", formatNumber(picture.min[at])],
    ["mean", formatNumber(picture.mean[at])],
    ["max", formatNumber(picture.max[at])],
  ];
}

function heatmapSvg(size: { width: number; height: number }, scene: Scene, label: string): string {
  const canvas = document.createElement("canvas");
  render(canvas, size, scene, 2);
  const { width, height } = size;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img"><title>${escapeMarkup(label)}</title><image width="${width}" height="${height}" href="${canvas.toDataURL("image/png")}"/></svg>`;
}
