/** The reference adapters' updates as the engine computes them: their elements, norms and singular values. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readAdapter } from "../../src/checkpoint/adapters/read-adapter";
import type { Checkpoint } from "../../src/checkpoint/checkpoint";
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
  mergeable?: false;
  recoverable?: string;
  modules?: { tensor: string; singular_values?: number[]; delta_norm: number; experts?: unknown[] }[];
}

const folder = join(fixtures, "adapters");
const { cases } = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { cases: { case: string }[] };
const sources = new LocalFiles();
/** Most elements that the engine answers with at once. */
const WINDOW = 16_384;

describe("adapter conformance through the engine", () => {
  let engine: EngineClient;
  before(async () => {
    engine = await EngineClient.start(bundledEngine(join(root, "dist")));
  });
  after(() => engine.dispose());

  const bases = new Map<string, Promise<Checkpoint>>();
  const baseOf = (name: string): Promise<Checkpoint> => {
    if (!bases.has(name)) bases.set(name, openCheckpoint(join(folder, "base", name)));
    return bases.get(name)!;
  };
  const l2 = async (tensor: Expression): Promise<number> => Number((await engine.request("statistics", { tensor })).l2);

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

  let compared = 0;
  for (const name of cases.map((entry) => entry.case).filter((each) => readdirSync(join(folder, each)).includes("expect.json"))) {
    it(name, async function () {
      this.timeout(60_000);
      const expected = JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as Expected;
      if (expected.mergeable === false) return;
      const path = join(folder, name, ...(expected.file === undefined ? [] : [expected.file]));
      const base = await Promise.all((typeof expected.base === "string" ? [expected.base] : Object.values(expected.base)).map(baseOf));
      const checkpoint = await openCheckpoint(path);
      const adapter = await readAdapter(checkpoint, sources, { base });
      const deltas = new Map((await openCheckpoint(join(folder, name, expected.base_names ?? "delta.safetensors"))).tensors.map((tensor) => [tensor.name, tensor.expression!]));
      for (const { tensor, shape, delta, factors, refused } of adapter!.modules) {
        if (delta === null) {
          assert.match(refused ?? "", /./, tensor);
          continue;
        }
        const reference = deltas.get(tensor);
        const found = await valuesOf(delta, shape);
        // A module that was pruned to nothing has no reference update.
        const data = reference === undefined ? new Float64Array(found.length) : evaluate(reference).data;
        assert.equal(found.length, data.length, tensor);
        const distance = Math.hypot(...found.map((value, i) => value - data[i]!));
        const narrow = factors.some((index) => /^(?:BF16|F16)$/.test(checkpoint.tensors[index]?.dtype ?? ""));
        assert.ok(distance <= (narrow ? 1e-2 : 1e-5) * Math.hypot(...data), `${tensor} differs by ${distance}`);
        if (reference === undefined) continue;
        const norm = await l2(reference);
        const difference = await l2({ kind: "compute", operation: { name: "subtract" }, of: [delta, reference] });
        const tolerance = /bf16|f16/.test(name) ? 1e-2 : 1e-5;
        assert.ok(difference <= tolerance * norm, `${tensor}: off by ${difference} of ${norm}`);
        const wanted = expected.modules?.find((module) => module.tensor === tensor);
        const largest = wanted?.experts === undefined ? (wanted?.singular_values ?? []) : [];
        // Vectors have one, which is no spectrum.
        if (largest.length > 1) {
          const { singularValues } = await engine.request("spectrum", { tensor: delta, mode: "exact" });
          for (const [i, value] of largest.entries()) assert.ok(Math.abs(singularValues[i]! - value) <= 1e-4 * singularValues[0]!, `${tensor}: σ${i} ${singularValues[i]}, not ${value}`);
        }
        compared++;
      }
    });
  }

  it("has compared most of them", () => assert.ok(compared > 150, String(compared)));
});
