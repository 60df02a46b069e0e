/** The example's report: it is what its numbers say, and they are what the tool computes and what was measured. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toNumber, type Numeric } from "../../src/protocol/results";
import { root, Scratch } from "../files";
import type { Counts, ReportData } from "../robust/report-data";
import { reportPage } from "../robust/report-page";
import { extract } from "../robust/signatures";
import { CORRUPTIONS, results } from "../robust/tables";
import { CountedEngine } from "../unit/analysis/engine";

const read = (name: string): string => readFileSync(join(root, "examples", "robust", name), "utf8");

describe("report of examples/robust", () => {
  const data = JSON.parse(read("report.json")) as ReportData;

  it("is made from its numbers", () => assert.equal(read("report.html"), reportPage(data)));

  it("has the answers that were counted when the models were trained", () => {
    const grid = (variant: string, layers: number): Counts[] => CORRUPTIONS.map((corruption) => {
      const row = results.grid.rows.find((one) => one.corruption === corruption && one.variant === variant && one.k === (layers === 6 ? "all" : layers))!;
      return { clean: row.clean[row.alpha.indexOf(1)]!, corrupted: row.corrupted[row.alpha.indexOf(1)]! };
    });
    assert.deepEqual(data.patched.map(({ counts }) => counts), [1, 2, 3, 4, 5, 6].map((layers) => grid("rws", layers)));
    assert.deepEqual(data.unprojected.map(({ counts }) => counts), [1, 2, 3, 4, 5, 6].map((layers) => grid("unprojected", layers)));
    assert.deepEqual(data.clean, CORRUPTIONS.map((corruption) => ({ clean: results.baseline_correct.clean_model.clean, corrupted: results.baseline_correct.clean_model[corruption] })));
    const { baseline, patched } = results.other_target;
    assert.deepEqual(data.other.before, CORRUPTIONS.map((corruption) => ({ clean: baseline.clean, corrupted: baseline[corruption] })));
    assert.deepEqual(data.other.after, CORRUPTIONS.map((corruption) => ({ clean: patched[corruption]["1"]!.clean, corrupted: patched[corruption]["1"]![corruption] })));
    for (const { levels, counts } of data.quantised) {
      const rows = CORRUPTIONS.map((corruption) => results.quantised.rows.find((row) => row.corruption === corruption && row.scheme === "linear" && row.levels === levels)!);
      assert.deepEqual(counts, rows.map(({ clean, corrupted }) => ({ clean, corrupted })), `${levels} levels`);
    }
  });

  it("has the numbers that the tool computes now", async () => {
    const engine = new CountedEngine();
    const scratch = new Scratch();
    try {
      const { layers } = await extract(engine, scratch.folder, CORRUPTIONS);
      const close = (actual: Numeric | null, expected: Numeric | null, what: string): void => assert.ok(Math.abs(toNumber(actual!) - toNumber(expected!)) <= 1e-12 * Math.abs(toNumber(expected!)), what);
      assert.deepEqual(layers.map(({ name }) => name), data.extract.layers.map(({ name }) => name));
      for (const [i, layer] of layers.entries()) {
        const { differences, removedByProjection } = data.extract.layers[i]!;
        for (const [k] of CORRUPTIONS.entries()) {
          close(layer.differences[k]!.relative, differences[k]!.relative, layer.name);
          close(layer.differences[k]!.relativeToUpdate, differences[k]!.relativeToUpdate, layer.name);
          close(layer.removedByProjection[k]!, removedByProjection[k]!, layer.name);
        }
      }
    } finally {
      await engine.dispose();
      scratch.remove();
    }
  });

  it("has the cosines of the table", () => {
    const expected = results.cosine.by_k[String(data.depth)]!;
    for (const [i, row] of data.compare.cosine.entries()) for (const [j, value] of row.entries()) assert.ok(Math.abs(toNumber(value) - expected[i]![j]!) < 1e-7, `${i}, ${j}`);
  });
});
