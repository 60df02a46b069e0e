/**
 * A virtualised grid or tree grid. Only the rows in view exist; they stand in a layer that sticks to the view, so a fast
 * scroll shows the rows before rather than nothing. Keyboard as in the ARIA Authoring Practices' treegrid, rows first.
 */
import type { ComponentChildren, TargetedKeyboardEvent, TargetedMouseEvent, TargetedPointerEvent } from "preact";
import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Ref } from "preact";
import { scrollToShow, windowAt } from "./grid-window";
import { Icon } from "./icon";
import { useRowFinder } from "./row-finder";

export const ROW_HEIGHT = 22;
const HEADER_HEIGHT = 24;
const LEAST_WIDTH = 44;
/** The first column takes what the others leave, but at least this. */
export const FIRST_WIDTH = 170;

/** Keys of the whole page, which do not start finding a row by its first letters. */
const PAGE_KEYS = " /?g";

export interface GridColumn {
  id: string;
  header: ComponentChildren;
  /** In words, for the tooltip. */
  title: string;
  /** Pixels; the first column's is a minimum. */
  width: number;
  numeric: boolean;
}

export interface GridRow {
  /** Plain text that typing finds. */
  text: string;
  selected: boolean;
  /** Lit because something else on the page points at it. */
  lit?: boolean;
  /** From 1; only in a tree grid. */
  level?: number;
  position?: number;
  siblings?: number;
  /** Absent for a row without children. */
  expanded?: boolean;
}

export interface GridHandle {
  focus(): void;
  /** Moves the cursor to a row and scrolls to it, without taking the focus. */
  show(row: number): void;
  /** The cursor's column, or null when a whole row has the focus. */
  column(): string | null;
}

export interface GridProps {
  label: string;
  tree?: boolean;
  columns: readonly GridColumn[];
  rowCount: number;
  row: (index: number) => GridRow;
  cell: (index: number, column: GridColumn) => ComponentChildren;
  sort: { column: string; descending: boolean } | null;
  onSort: (column: string) => void;
  onResize: (column: string, width: number) => void;
  /** A click or Enter. `alt`: Alt is held. */
  onOpen: (index: number, how: { alt: boolean; double: boolean; key: boolean }) => void;
  onExpand?: (index: number, expanded: boolean) => void;
  onParent?: (index: number) => number;
  onHover?: (index: number) => void;
  onMenu?: (index: number, at: { x: number; y: number }) => void;
  /** A key that the grid has no use for; true when it was used. */
  onKey?: (key: string, index: number, column: string | null) => boolean;
  empty?: ComponentChildren;
  handle?: Ref<GridHandle>;
}

export function Grid(props: GridProps) {
  const { columns, rowCount } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 300 });
  /** Row, and column or −1 for the whole row. */
  const [cursor, setCursor] = useState({ row: 0, column: -1 });
  const takeFocus = useRef(false);
  const latest = useRef({ props, cursor });
  latest.current = { props, cursor };

  useLayoutEffect(() => {
    const element = scroller.current!;
    const measure = (): void => setView({ top: element.scrollTop, height: Math.max(ROW_HEIGHT, element.clientHeight - HEADER_HEIGHT) });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  const moveTo = useCallback((row: number, column: number, focus: boolean): void => {
    const count = latest.current.props.rowCount;
    if (count === 0) return;
    const element = scroller.current!;
    const target = Math.max(0, Math.min(row, count - 1));
    const height = Math.max(ROW_HEIGHT, element.clientHeight - HEADER_HEIGHT);
    element.scrollTop = scrollToShow(target, count, ROW_HEIGHT, height, element.scrollTop);
    setView({ top: element.scrollTop, height });
    takeFocus.current = focus;
    setCursor({ row: target, column });
  }, []);

  useLayoutEffect(() => {
    // Elements are used again for other rows as the grid scrolls: the focus stays with the row, not with the element.
    const focused = document.activeElement;
    const strayed = focused instanceof HTMLElement && focused.tabIndex < 0 && focused.closest(".grid-rows") !== null && scroller.current!.contains(focused);
    if (!takeFocus.current && !strayed) return;
    takeFocus.current = false;
    scroller.current!.querySelector<HTMLElement>(".grid-rows [tabindex='0']")?.focus({ preventScroll: true });
  });

  useImperativeHandle(props.handle ?? null, () => ({
    focus: () => moveTo(latest.current.cursor.row, latest.current.cursor.column, true),
    show: (row) => moveTo(row, latest.current.cursor.column, scroller.current!.contains(document.activeElement)),
    column: () => latest.current.props.columns[latest.current.cursor.column]?.id ?? null,
  }), []);

  const active = Math.min(cursor.row, Math.max(0, rowCount - 1));
  const { finding, find } = useRowFinder(
    (index) => props.row(index).text,
    rowCount,
    active,
    (index) => moveTo(index, -1, true),
  );

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    if (event.altKey && event.key !== "Enter") return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key !== "Home" && event.key !== "End" && !(event.key === "c" && getSelection()?.isCollapsed !== false)) return;
    }
    if ((event.target as Element).closest(".grid-header") !== null) return;
    if (!handleKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
  };

  const handleKey = (event: TargetedKeyboardEvent<HTMLDivElement>): boolean => {
    const { key } = event;
    if (rowCount === 0) return false;
    if (finding && key.length === 1) return find(key);
    const page = Math.max(1, Math.floor(view.height / ROW_HEIGHT) - 1);
    const rowMove = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page }[key];
    if (rowMove !== undefined) moveTo(active + rowMove, cursor.column, true);
    else if (key === "ArrowRight") goRight();
    else if (key === "ArrowLeft") goLeft();
    else if (key === "Home") cursor.column > 0 && !event.ctrlKey ? moveTo(active, 0, true) : moveTo(0, cursor.column, true);
    else if (key === "End") cursor.column >= 0 && !event.ctrlKey ? moveTo(active, columns.length - 1, true) : moveTo(rowCount - 1, cursor.column, true);
    else if (key === "Enter") props.onOpen(active, { alt: event.altKey, double: false, key: true });
    else if (key === " " && props.row(active).expanded !== undefined) props.onExpand?.(active, props.row(active).expanded === false);
    else if (key === "ContextMenu" || (key === "F10" && event.shiftKey)) openMenuAtCursor();
    else if (props.onKey?.(key, active, columns[cursor.column]?.id ?? null) === true) return true;
    else return key.length === 1 && !PAGE_KEYS.includes(key) && !event.ctrlKey && find(key);
    return true;
  };

  const goRight = (): void => {
    const { expanded } = props.row(active);
    if (cursor.column < 0 && expanded === false) props.onExpand?.(active, true);
    else if (cursor.column < 0 && expanded === true && props.tree === true) moveTo(active + 1, -1, true);
    else moveTo(active, Math.min(columns.length - 1, cursor.column + 1), true);
  };
  const goLeft = (): void => {
    if (cursor.column >= 0) moveTo(active, cursor.column - 1, true);
    else if (props.row(active).expanded === true) props.onExpand?.(active, false);
    else if (props.onParent !== undefined) moveTo(Math.max(0, props.onParent(active)), -1, true);
  };
  const openMenuAtCursor = (): void => {
    const box = scroller.current!.querySelector(".grid-rows [tabindex='0']")?.getBoundingClientRect();
    if (box !== undefined) props.onMenu?.(active, { x: box.left + 24, y: box.bottom });
  };

  const indexAt = (event: Event): number => {
    const row = (event.target as Element).closest<HTMLElement>(".grid-row");
    return row === null ? -1 : Number(row.dataset["index"]);
  };
  const onClick = (event: TargetedMouseEvent<HTMLDivElement>): void => {
    const index = indexAt(event);
    if (index < 0) return;
    moveTo(index, -1, true);
    if ((event.target as Element).closest(".twistie") !== null) props.onExpand?.(index, props.row(index).expanded === false);
    else props.onOpen(index, { alt: event.altKey, double: event.detail === 2, key: false });
  };
  const onContextMenu = (event: TargetedMouseEvent<HTMLDivElement>): void => {
    const index = indexAt(event);
    if (index < 0 || props.onMenu === undefined) return;
    event.preventDefault();
    moveTo(index, -1, true);
    props.onMenu(index, { x: event.clientX, y: event.clientY });
  };

  // The tree may have become shorter than where the cursor was.
  useEffect(() => { if (cursor.row !== active) setCursor({ row: active, column: cursor.column }); }, [active, cursor]);

  const at = windowAt(rowCount, ROW_HEIGHT, view.height, view.top);
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  const template = columns.map((column, i) => (i === 0 ? `minmax(${column.width}px, 1fr)` : `${column.width}px`)).join(" ");
  const slots = Math.ceil(view.height / ROW_HEIGHT) + 2;
  const drawn: number[] = [];
  // The row with the focus stays in the page when it is scrolled away: focus must not fall to the body.
  if (rowCount > 0 && active < at.first) drawn.push(active);
  for (let i = at.first; i < at.last; i++) drawn.push(i);
  if (active >= at.last && active < rowCount) drawn.push(active);

  return (
    <div
      ref={scroller}
      class="grid"
      role={props.tree === true ? "treegrid" : "grid"}
      aria-label={props.label}
      aria-rowcount={rowCount + 1}
      aria-colcount={columns.length}
      tabIndex={-1}
      onFocus={(event) => { if (event.target === event.currentTarget) moveTo(active, cursor.column, true); }}
      onScroll={(event) => setView({ top: event.currentTarget.scrollTop, height: view.height })}
      onKeyDown={onKeyDown}
      onClick={onClick}
      onContextMenu={onContextMenu}
      onPointerLeave={() => props.onHover?.(-1)}
      onPointerOver={(event) => props.onHover?.(indexAt(event))}
    >
      <div class="grid-space" style={{ height: `${at.height + HEADER_HEIGHT}px`, minWidth: `${width}px` }}>
        <div class="grid-layer" style={{ height: `${view.height + HEADER_HEIGHT}px` }}>
          <div class="grid-header" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
            {columns.map((column, i) => <Header key={column.id} column={column} index={i} sort={props.sort} onSort={props.onSort} onResize={props.onResize} />)}
          </div>
          <div class="grid-rows" role="rowgroup">
            {drawn.map((i) => {
              const row = props.row(i);
              return (
                <div
                  key={i < at.first || i >= at.last ? "away" : i % slots}
                  class={row.lit === true ? "grid-row grid-row-lit" : "grid-row"}
                  role="row"
                  data-index={i}
                  tabIndex={i === active && cursor.column < 0 ? 0 : -1}
                  aria-rowindex={i + 2}
                  aria-selected={row.selected}
                  {...(row.level === undefined ? {} : { "aria-level": row.level, "aria-posinset": row.position, "aria-setsize": row.siblings })}
                  {...(row.expanded === undefined ? {} : { "aria-expanded": row.expanded })}
                  style={{ gridTemplateColumns: template, transform: `translateY(${at.offset + (i - at.first) * ROW_HEIGHT}px)` }}
                  onFocus={() => { if (i !== cursor.row) setCursor({ row: i, column: cursor.column }); }}
                >
                  {columns.map((column, j) => (
                    <div
                      key={column.id}
                      role={j === 0 ? "rowheader" : "gridcell"}
                      class={column.numeric ? "grid-cell grid-number" : "grid-cell"}
                      tabIndex={i === active && cursor.column === j ? 0 : -1}
                    >
                      {props.cell(i, column)}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
          {rowCount === 0 && <div class="grid-empty">{props.empty}</div>}
        </div>
      </div>
    </div>
  );
}

function Header({ column, index, sort, onSort, onResize }: {
  column: GridColumn;
  index: number;
  sort: GridProps["sort"];
  onSort: (id: string) => void;
  onResize: (id: string, width: number) => void;
}) {
  const sorted = sort?.column === column.id ? (sort.descending ? "descending" : "ascending") : "none";
  const cell = useRef<HTMLDivElement>(null);
  const onPointerMove = (event: TargetedPointerEvent<HTMLSpanElement>): void => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) onResize(column.id, Math.max(LEAST_WIDTH, Math.round(event.clientX - cell.current!.getBoundingClientRect().left)));
  };
  return (
    <div ref={cell} role="columnheader" aria-sort={sorted} aria-colindex={index + 1} class={column.numeric ? "grid-cell grid-number" : "grid-cell"}>
      <button type="button" class="grid-sort" title={`Sort by ${column.title}`} onClick={() => onSort(column.id)}>
        <span class="grid-label">{column.header}</span>
        {sorted !== "none" && <Icon name={sorted === "descending" ? "chevron-down" : "chevron-up"} />}
      </button>
      {index > 0 && (
        <span
          class="grid-resize"
          aria-hidden="true"
          onPointerDown={(event) => { event.preventDefault(); event.currentTarget.setPointerCapture(event.pointerId); }}
          onPointerMove={onPointerMove}
        />
      )}
    </div>
  );
}

