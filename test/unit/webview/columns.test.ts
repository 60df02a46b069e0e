import assert from "node:assert/strict";
import fc from "fast-check";
import type { CachedResult } from "../../../src/protocol/inspect";
import type { Statistics } from "../../../src/protocol/results";
import type { TableRow } from "../../../src/protocol/tensor-table";
import { ColumnValues } from "../../../webview/inspect/column-values";
import { columnById, COLUMNS } from "../../../webview/inspect/columns";
import { sortTensors } from "../../../webview/inspect/tree/sort-tensors";
import { combineNumbers, median } from "../../../webview/tree/combine";

const how = { method: "one-pass", precision: "f64", exact: true, backend: "cpu", threads: 1 };

/** Statistics as the engine's contract has them, of finite values only. */
function statisticsOf(values: readonly number[]): Statistics {
  const l2 = Math.hypot(...values);
  return {
    count: values.length, finite: values.length, nan: 0, positiveInfinity: 0, negativeInfinity: 0,
    zeros: values.filter((x) => x === 0).length, subnormals: 0,
    min: Math.min(...values), max: Math.max(...values), mean: values.reduce((a, b) => a + b, 0) / values.length, standardDeviation: 1,
    l1: 0, l2, rms: l2 / Math.sqrt(values.length), maxAbs: 0, kurtosis: 3,
    quantiles: { ".001": 0, ".01": 0, ".05": 0, ".25": 0, ".5": 0, ".75": 0, ".95": 0, ".99": 0, ".999": 0 },
    how,
  };
}
function table(tensors: readonly (readonly number[])[]): TableRow[] {
  return tensors.map((values, i) => ({ name: `t${i}`, dtype: "F32", shape: [values.length], file: 0, bytes: 4 * values.length, offset: 0 }));
}
const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const tensors = fc.array(fc.array(number, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 });

function closeTo(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);
}

describe("columns of a group", () => {
  it("combine to the statistic of all its elements together", () => {
    fc.assert(
      fc.property(tensors, (list) => {
        const results = new Map(list.map((values, tensor): [number, CachedResult] => [tensor, { tensor, statistics: statisticsOf(values) }]));
        const columns = new ColumnValues(table(list), results);
        const together = statisticsOf(list.flat());
        for (const id of ["l2", "rms", "mean", "min", "max"] as const) {
          const { value, known, total } = columns.combine(columnById(id)!, list.map((_, i) => i));
          closeTo(value, Number(together[id]));
          assert.deepEqual([known, total], [list.length, list.length]);
        }
        closeTo(columns.combine(columnById("zeros")!, list.map((_, i) => i)).value, together.zeros / together.count);
        assert.equal(columns.combine(columnById("parameters")!, list.map((_, i) => i)).value, together.count);
      }),
    );
  });

  it("leave out what is not known and say so", () => {
    const rows = table([[1, 2], [3], [4]]);
    const results = new Map<number, CachedResult>([[1, { tensor: 1, statistics: statisticsOf([3]) }]]);
    const columns = new ColumnValues(rows, results);
    assert.deepEqual(columns.combine(columnById("max")!, [0, 1, 2]), { value: 3, known: 1, total: 3 });
    assert.ok(Number.isNaN(columns.combine(columnById("max")!, [0, 2]).value));
    results.set(2, { tensor: 2, statistics: statisticsOf([4]) });
    columns.update([2]);
    assert.deepEqual(columns.combine(columnById("max")!, [0, 1, 2]), { value: 4, known: 2, total: 3 });
  });

  it("show no moment of a tensor without a finite element", () => {
    const row = table([[0, 0]])[0]!;
    const statistics = { ...statisticsOf([0, 0]), finite: 0, nan: 2, min: "NaN", max: "NaN", mean: "NaN" };
    const result = { tensor: 0, statistics };
    for (const id of ["l2", "rms", "mean", "min"]) assert.equal(columnById(id)!.value(row, result), null, id);
    assert.equal(columnById("nonFinite")!.value(row, result), 2);
  });

  it("take the median of a set of numbers", () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 1 }), (values) => {
        const m = median([...values]);
        const below = values.filter((x) => x < m).length;
        const above = values.filter((x) => x > m).length;
        assert.ok(below <= values.length / 2 && above <= values.length / 2);
      }),
    );
    assert.equal(combineNumbers("median", [0, 1, 2], [5, NaN, 7], [1, 1, 1]).value, 6);
  });

  it("have ids that are unique and labels that are short", () => {
    assert.equal(new Set(COLUMNS.map(({ id }) => id)).size, COLUMNS.length);
    for (const { label } of COLUMNS) assert.ok(label.length <= 11, label);
  });
});

describe("sorting the table", () => {
  it("is a permutation of the kept tensors, in order, with unknown ones last", () => {
    const column = columnById("max")!;
    fc.assert(
      fc.property(tensors, fc.infiniteStream(fc.boolean()), fc.boolean(), (list, coin, descending) => {
        const rows = table(list);
        const kept = Uint8Array.from(list, () => Number(coin.next().value));
        const results = new Map(list.flatMap((values, tensor): [number, CachedResult][] => (tensor % 3 === 0 ? [] : [[tensor, { tensor, statistics: statisticsOf(values) }]])));
        const values = new ColumnValues(rows, results);
        const sorted = sortTensors(rows, kept, { column: "max", descending }, values);
        assert.deepEqual([...sorted].sort((a, b) => a - b), list.flatMap((_, i) => (kept[i] === 1 ? [i] : [])));
        const keys = sorted.map((tensor) => values.numbers(column)[tensor]!);
        const known = keys.filter((key) => !Number.isNaN(key));
        assert.ok(keys.slice(0, known.length).every((key) => !Number.isNaN(key)));
        for (let i = 1; i < known.length; i++) assert.ok(descending ? known[i - 1]! >= known[i]! : known[i - 1]! <= known[i]!);
      }),
    );
  });
});
