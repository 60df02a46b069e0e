import assert from "node:assert/strict";
import fc from "fast-check";
import { scrollToShow, windowAt } from "../../../webview/ui/grid-window";

const ROW = 22;
const rows = fc.integer({ min: 1, max: 5_000_000 });
const view = fc.integer({ min: 22, max: 2000 });

describe("the window of a long list", () => {
  it("covers the view without a gap, wherever the scroll bar stands", () => {
    fc.assert(
      fc.property(rows, view, fc.double({ min: 0, max: 1, noNaN: true }), (count, height, share) => {
        const all = windowAt(count, ROW, height, 0).height;
        const top = share * Math.max(0, all - height);
        const { first, last, offset } = windowAt(count, ROW, height, top);
        assert.ok(offset <= 0 && offset > -ROW);
        assert.ok(last === count || offset + (last - first) * ROW >= height - 1e-6);
        assert.ok(last - first <= Math.ceil(height / ROW) + 1);
        assert.ok(first >= 0 && last <= count);
      }),
    );
  });

  it("reaches the last row at the end, and stays below what browsers lay out", () => {
    fc.assert(
      fc.property(rows, view, (count, height) => {
        const all = windowAt(count, ROW, height, 0).height;
        assert.ok(all < 2 ** 24);
        assert.equal(windowAt(count, ROW, height, Math.max(0, all - height)).last, count);
      }),
    );
  });

  it("scrolls so that a row is wholly in view, and not at all when it is", () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 44, max: 2000 }), fc.nat(), fc.nat(), (count, height, row, from) => {
        const wanted = row % count;
        const all = windowAt(count, ROW, height, 0).height;
        const start = Math.min(from, Math.max(0, all - height));
        const top = scrollToShow(wanted, count, ROW, height, start);
        const { first, offset } = windowAt(count, ROW, height, top);
        const y = offset + (wanted - first) * ROW;
        assert.ok(y >= -0.01 && y + ROW <= height + 0.01, `row at ${y} of ${height}`);
        assert.equal(scrollToShow(wanted, count, ROW, height, top), top);
      }),
    );
  });
});
