import assert from "node:assert/strict";
import fc from "fast-check";
import { toCsv, toJson, toTsv } from "../../../webview/plots/table-data";
import type { PlotColumn } from "../../../webview/plots/types";

/** A reader of RFC 4180, written from its grammar. */
function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  for (let i = 0; i < text.length; ) {
    let field = "";
    if (text[i] === '"') {
      for (i++; ; i++) {
        if (text[i] !== '"') field += text[i];
        else if (text[i + 1] === '"') field += text[i++];
        else break;
      }
      i++;
    } else while (i < text.length && text[i] !== "," && text[i] !== "\r") field += text[i++];
    record.push(field);
    if (text[i] === ",") {
      i++;
      // A separator at the very end is followed by an empty field.
      if (i === text.length) record.push("");
    } else {
      assert.equal(text.slice(i, i + 2), "\r\n");
      i += 2;
      records.push(record);
      record = [];
    }
  }
  return records;
}

const cell = fc.oneof(fc.double(), fc.string({ unit: "binary" }), fc.constantFrom("=1+1", "@SUM(A1)", "-2", "+x", 'a"b', "a,b", "a\r\nb", "\t", ""), fc.constant(null));
const table = fc.integer({ min: 1, max: 4 }).chain((width) =>
  fc.integer({ min: 0, max: 6 }).chain((height) =>
    fc.array(fc.record({ name: fc.string(), values: fc.array(cell, { minLength: height, maxLength: height }) }), { minLength: width, maxLength: width }),
  ),
) as fc.Arbitrary<PlotColumn[]>;
const asText = (value: number | string | null | undefined): string => (value == null ? "" : String(value));

describe("the table behind a plot", () => {
  it("survives being written and read as CSV, but for the apostrophe before what would run as a formula", () => {
    fc.assert(fc.property(table, (columns) => {
      // One unnamed column with empty cells is nothing but line ends, which no reader tells from empty records.
      const records = readCsv(toCsv(columns));
      assert.equal(records.length, columns[0]!.values.length + 1);
      records.forEach((record, i) => record.forEach((field, j) => {
        const written = i === 0 ? columns[j]!.name : columns[j]!.values[i - 1];
        const wanted = asText(written);
        assert.ok(field === wanted || (typeof written === "string" && field === `'${wanted}`), JSON.stringify([field, wanted]));
        if (typeof written === "string") assert.doesNotMatch(field, /^[=@\t\r]|^[+-](?!\d|Infinity$)/);
      }));
    }));
  });

  it("has one line per row and one tab per gap on the clipboard, whatever the cells hold", () => {
    fc.assert(fc.property(table, (columns) => {
      const lines = toTsv(columns).split("\n");
      assert.equal(lines.length, columns[0]!.values.length + 2);
      for (const line of lines.slice(0, -1)) assert.equal(line.split("\t").length, columns.length);
    }));
  });

  it("keeps numbers in full in JSON, and names those that JSON has no word for", () => {
    const rows = JSON.parse(toJson([{ name: "x", values: [0.1 + 0.2, NaN, -Infinity, null] }, { name: "y", values: ["a"] }])) as unknown;
    assert.deepEqual(rows, [{ x: 0.30000000000000004, y: "a" }, { x: "NaN", y: null }, { x: "-Infinity", y: null }, { x: null, y: null }]);
  });
});
