/** What views receive of a checkpoint: totals, and the tensor table's columns. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { totals } from "../../../src/analysis/overview";
import type { Tensor } from "../../../src/checkpoint/checkpoint";
import { decodeTable, encodeTable, type TableRow } from "../../../src/protocol/tensor-table";

describe("tensor table", () => {
  const row: fc.Arbitrary<TableRow> = fc.record(
      {
        name: fc.oneof(fc.string({ unit: "grapheme", maxLength: 400 }), fc.tuple(fc.nat(99), fc.constantFrom("q", "k", "é", "𝄞")).map(([n, x]) => `model.layers.${n}.${x}.weight`)),
        dtype: fc.constantFrom("F32", "BF16", "__proto__", ""),
        shape: fc.array(fc.maxSafeNat(), { maxLength: 6 }),
        file: fc.nat(65_535),
        bytes: fc.maxSafeNat(),
        offset: fc.option(fc.maxSafeNat()),
        unreadable: fc.string(),
        sharedWith: fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: ["name", "dtype", "shape", "file", "bytes", "offset"], noNullPrototype: true },
    );

  it("gives back every row", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        assert.deepEqual(decodeTable(structuredClone(encodeTable(rows))), rows);
      }),
    );
  });

  it("takes names longer than any before", () => {
    const rows = [1, 300, 5000, 2, 70_000].map((n): TableRow => ({ name: "é".repeat(n), dtype: "F32", shape: [1], file: 0, bytes: 4, offset: 0 }));
    assert.deepEqual(decodeTable(encodeTable(rows)), rows);
  });

  it("is small where names repeat", () => {
    const rows = Array.from({ length: 10_000 }, (_, i): TableRow => ({ name: `model.layers.${Math.floor(i / 7)}.mlp.part${i % 7}.weight`, dtype: "BF16", shape: [4096, 4096], file: 0, bytes: 1, offset: i }));
    assert.ok(encodeTable(rows).rows.length < 20 * rows.length);
  });
});

describe("totals", () => {
  const tensor = (name: string, dtype: string, parameters: number, sharedWith?: string[]): Tensor => ({
    name, dtype, shape: [parameters], parameters, bytes: 2 * parameters, file: 0, offset: 0, expression: null, ...(sharedWith === undefined ? {} : { sharedWith }),
  });

  it("count parameters and bytes in all and by dtype", () => {
    assert.deepEqual(totals([tensor("a", "F16", 3), tensor("b", "BF16", 5), tensor("c", "F16", 7)]), {
      parameters: 15,
      bytes: 30,
      dtypes: { F16: { tensors: 2, parameters: 10, bytes: 20 }, BF16: { tensors: 1, parameters: 5, bytes: 10 } },
    });
  });

  it("count shared bytes once", () => {
    const { parameters, dtypes } = totals([tensor("embed", "F16", 8, ["head"]), tensor("x", "F16", 1), tensor("head", "F16", 8, ["embed"])]);
    assert.deepEqual([parameters, dtypes["F16"]], [9, { tensors: 3, parameters: 9, bytes: 18 }]);
    assert.equal(totals([tensor("embed", "F16", 8, ["dropped name"])]).parameters, 8);
  });
});
