import assert from "node:assert/strict";
import fc from "fast-check";
import { cellSize, fit, pan, pooledRange, readable, refit, visibleWindow, zoomAt, type Frame, type Viewport } from "../../../webview/plots/heatmap-view";

const frame = fc.record({
  rows: fc.integer({ min: 1, max: 200_000 }), columns: fc.integer({ min: 1, max: 200_000 }),
  width: fc.integer({ min: 50, max: 3000 }), height: fc.integer({ min: 50, max: 3000 }),
});
const share = fc.double({ min: 0, max: 1, noNaN: true });
const steps = fc.array(fc.oneof(
  fc.record({ kind: fc.constant("zoom" as const), x: share, y: share, factor: fc.double({ min: 0.05, max: 20, noNaN: true }) }),
  fc.record({ kind: fc.constant("pan" as const), x: fc.double({ min: -2, max: 2, noNaN: true }), y: fc.double({ min: -2, max: 2, noNaN: true }), factor: fc.constant(1) }),
), { maxLength: 20 });

function walk(frame: Frame, moves: typeof steps extends fc.Arbitrary<infer T> ? T : never): Viewport {
  return moves.reduce((view, { kind, x, y, factor }) => (kind === "zoom" ? zoomAt(view, frame, x, y, factor) : pan(view, frame, x, y)), fit(frame));
}

describe("the visible part of a matrix", () => {
  it("stays within the matrix, and its window is whole, not empty and covers it", () => {
    fc.assert(fc.property(frame, steps, (frame, moves) => {
      const view = walk(frame, moves);
      const slack = 1e-6 * Math.max(frame.rows, frame.columns);
      assert.ok(view.top >= 0 && view.left >= 0 && view.bottom <= frame.rows + slack && view.right <= frame.columns + slack);
      assert.ok(view.bottom > view.top && view.right > view.left);
      const window = visibleWindow(view, frame);
      assert.ok(window.rowStart <= view.top && window.rowStop >= Math.min(frame.rows, view.bottom) && window.rowStop > window.rowStart);
      assert.ok(window.columnStart <= view.left && window.columnStop >= Math.min(frame.columns, view.right) && window.columnStop > window.columnStart);
    }));
  });

  it("keeps the element under the pointer when zooming where the edges allow it", () => {
    fc.assert(fc.property(frame, share, share, fc.double({ min: 1, max: 4, noNaN: true }), (frame, x, y, factor) => {
      const before = fit(frame);
      const after = zoomAt(before, frame, x, y, factor);
      const column = (view: Viewport): number => view.left + x * (view.right - view.left);
      const row = (view: Viewport): number => view.top + y * (view.bottom - view.top);
      assert.ok(Math.abs(column(after) - column(before)) <= 1e-9 * frame.columns);
      assert.ok(Math.abs(row(after) - row(before)) <= 1e-9 * frame.rows);
    }));
  });

  it("comes to cells that can be read, in a window the engine answers at once", () => {
    fc.assert(fc.property(frame, (frame) => {
      const view = zoomAt(fit(frame), frame, 0.3, 0.7, 1e9);
      const cell = cellSize(view, frame);
      if (frame.width >= 64 && frame.height >= 22) assert.ok(readable(view, frame));
      assert.ok(cell.width <= Math.max(64, frame.width) + 1e-6);
      const { rowStart, rowStop, columnStart, columnStop } = visibleWindow(view, frame);
      assert.ok((rowStop - rowStart) * (columnStop - columnStart) <= 16_384);
    }));
  });

  it("returns to everything, and is the same part after the panel was resized and back", () => {
    fc.assert(fc.property(frame, steps, (frame, moves) => {
      const view = walk(frame, moves);
      assert.deepEqual(refit(view, frame), view);
      const all = zoomAt(view, frame, 0.5, 0.5, 1e-9);
      assert.ok(Math.abs(all.bottom - all.top - frame.rows) < 1e-6 && Math.abs(all.right - all.left - frame.columns) < 1e-6);
    }));
  });

  it("splits the elements of a window among its pixels: none twice, none missed", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 1e6 }), (pixels, length, start) => {
      fc.pre(pixels <= length);
      let next = start;
      for (let i = 0; i < pixels; i++) {
        const [from, to] = pooledRange(i, pixels, start, length);
        assert.equal(from, next);
        assert.ok(to > from);
        next = to;
      }
      assert.equal(next, start + length);
    }));
  });
});
