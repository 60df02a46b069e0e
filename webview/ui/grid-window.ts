/** Which rows of a long list are in view. Pure arithmetic; rows all have one height. */

/** Chromium lays out elements up to 2^25 px high; beyond this the scroll bar moves more than one pixel per pixel. */
const TALLEST = 16_000_000;

export interface GridWindow {
  /** Height of the scrolled area in pixels. */
  height: number;
  /** Rows to draw, half-open. */
  first: number;
  last: number;
  /** Top of row `first` in the view, in pixels (≤ 0). */
  offset: number;
}

/** The window at `scrollTop` of a view `viewHeight` pixels high. */
export function windowAt(rows: number, rowHeight: number, viewHeight: number, scrollTop: number): GridWindow {
  const total = rows * rowHeight;
  const height = Math.min(total, TALLEST);
  const top = Math.max(0, Math.min(scrollTop * ratio(total, height, viewHeight), total - viewHeight));
  const first = Math.floor(top / rowHeight);
  return { height, first, last: Math.min(rows, Math.ceil((top + viewHeight) / rowHeight)), offset: first * rowHeight - top };
}

/** The scroll position nearest to `scrollTop` at which row `row` is wholly in view. */
export function scrollToShow(row: number, rows: number, rowHeight: number, viewHeight: number, scrollTop: number): number {
  const total = rows * rowHeight;
  const scale = ratio(total, Math.min(total, TALLEST), viewHeight);
  const top = scrollTop * scale;
  const start = row * rowHeight;
  if (start < top) return start / scale;
  if (start + rowHeight > top + viewHeight) return (start + rowHeight - viewHeight) / scale;
  return scrollTop;
}

function ratio(total: number, height: number, viewHeight: number): number {
  return height === total ? 1 : (total - viewHeight) / (height - viewHeight);
}
