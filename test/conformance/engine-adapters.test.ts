/** The updates of the reference adapters as the engine computes them, against what their libraries compute. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readAdapter } from "../../src/checkpoint/adapters/read-adapter";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import type { Expression } from "../../src/engine/protocol";
import { evaluate } from "../expressions";
import { fixtures, root } from "../files";

interface Expected {
  base: string | Record<string, string>;
  file?: string;
  base_names?: string;
}

/** The engine's limit for one request. */
const WINDOW = 16_384;

const folder = join(fixtures, "adapters");
const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory() && readdirSync(join(folder, entry.name)).includes("delta.safetensors")).map(({ name }) => name);

describe("adapter conformance of the engine", () => {
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());

  async function valuesOf(tensor: Expression, shape: readonly number[]): Promise<number[]> {
    const [rows = 1, ...rest] = shape;
    const columns = rest.reduce((product, length) => product * length, 1);
    const step = Math.max(1, Math.floor(WINDOW / columns));
    const values: number[] = [];
    for (let rowStart = 0; rowStart < rows; rowStart += step) {
      const window = { rowStart, rowStop: Math.min(rows, rowStart + step), columnStart: 0, columnStop: columns };
      values.push(...(await engine.request("values", { tensor, window })).rows.flat().map(Number));
    }
    return values;
  }

  for (const name of names) {
    it(name, async () => {
      const expected = JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as Expected;
      const bases = await Promise.all((typeof expected.base === "string" ? [expected.base] : Object.values(expected.base)).map((base) => openCheckpoint(join(folder, "base", base))));
      const checkpoint = await openCheckpoint(join(folder, name, expected.file ?? ""));
      const adapter = await readAdapter(checkpoint, new LocalFiles(), { base: bases });
      const reference = await openCheckpoint(join(folder, name, expected.base_names ?? "delta.safetensors"));
      const wanted = new Map(reference.tensors.map((tensor) => [tensor.name, tensor]));
      for (const { tensor, shape, delta, factors, refused } of adapter!.modules) {
        if (delta === null) {
          assert.match(refused ?? "", /./, tensor);
          continue;
        }
        const found = await valuesOf(delta, shape);
        const expression = wanted.get(tensor)?.expression;
        // A module that was pruned to nothing has no reference update.
        const data = expression == null ? new Float64Array(found.length) : evaluate(expression).data;
        assert.equal(found.length, data.length, tensor);
        const difference = Math.hypot(...found.map((value, i) => value - data[i]!));
        const narrow = factors.some((index) => /^(?:BF16|F16)$/.test(checkpoint.tensors[index]?.dtype ?? ""));
        assert.ok(difference <= (narrow ? 1e-2 : 1e-5) * Math.hypot(...data), `${tensor} differs by ${difference}`);
      }
    });
  }
});
