/** The engine computes from the reference adapters what the evaluator of the tests computes, each in its own way. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readAdapter } from "../../src/checkpoint/adapters/read-adapter";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { toNumber } from "../../src/protocol/results";
import { evaluate } from "../expressions";
import { fixtures } from "../files";
import { CountedEngine } from "../unit/analysis/engine";

const folder = join(fixtures, "adapters");
/** Elements that one request for values may ask for. */
const MOST_VALUES = 16_384;

interface Expected {
  base: string | Record<string, string>;
  file?: string;
}

describe("adapters in the engine", () => {
  const engine = new CountedEngine();
  after(() => engine.dispose());

  const { cases } = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { cases: { case: string }[] };
  for (const { case: name } of cases) {
    if (!readdirSync(join(folder, name)).includes("expect.json")) continue;
    it(name, async () => {
      const expected = JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as Expected;
      const bases = typeof expected.base === "string" ? [expected.base] : Object.values(expected.base);
      const adapter = await readAdapter(await openCheckpoint(join(folder, name, expected.file ?? "")), new LocalFiles(), {
        base: await Promise.all(bases.map((base) => openCheckpoint(join(folder, "base", base)))),
      });
      for (const { tensor, shape, delta } of adapter!.modules) {
        if (delta === null) continue;
        const wanted = evaluate(delta);
        const total = wanted.data.length;
        const rows = shape[0] ?? 1;
        const columns = total / rows;
        const step = Math.max(1, Math.floor(MOST_VALUES / columns));
        const largest = wanted.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (let row = 0; row < rows; row += step) {
          const window = { rowStart: row, rowStop: Math.min(rows, row + step), columnStart: 0, columnStop: columns };
          const found = await engine.request("values", { tensor: delta, window });
          found.rows.flat().forEach((value, i) => {
            const other = wanted.data[row * columns + i]!;
            assert.ok(Math.abs(toNumber(value) - other) <= 1e-6 * largest, `${tensor}: element ${row * columns + i} is ${value}, not ${other}`);
          });
        }
      }
    });
  }
});
