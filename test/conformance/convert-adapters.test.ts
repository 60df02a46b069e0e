/** Adapters as `convert` writes them: each ΔW, and the base with the updates added, against the reference updates. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { convert, planConversion, type ConversionRequest } from "../../src/analysis/conversion";
import { BaseModel } from "../../src/checkpoint/adapters/base-model";
import type { Checkpoint } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import { evaluate } from "../expressions";
import { fixtures, root, Scratch } from "../files";

interface Expected {
  base: string | Record<string, string>;
  file?: string;
  recoverable?: string;
  mergeable?: false;
  base_names?: string;
}
const folder = join(fixtures, "adapters");
const { cases } = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { cases: { case: string }[] };
const sources = new LocalFiles();
const NOT_REPRODUCED = new Set(["randlora-no-projection", "unilora-no-indices"]);

describe("convert of adapters", () => {
  let scratch: Scratch;
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  async function written(request: ConversionRequest): Promise<Map<string, Float64Array>> {
    const target = join(scratch.folder, "out.safetensors");
    await convert(await planConversion(request, sources), { engine, target });
    return valuesOf(await openCheckpoint(target));
  }

  for (const name of cases.map((entry) => entry.case)) {
    const expected = JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as Expected;
    it(name, async () => {
      const path = join(folder, name, expected.file ?? "");
      const bases = (typeof expected.base === "string" ? [expected.base] : Object.values(expected.base)).map((base) => join(folder, "base", base));
      if (expected.mergeable === false || expected.recoverable === "library" || NOT_REPRODUCED.has(name)) {
        await assert.rejects(planConversion({ path, bases, delta: true }, sources), { name: "CheckpointError" });
        assert.deepEqual(readdirSync(scratch.folder), []);
        return;
      }
      const wanted = valuesOf(await openCheckpoint(join(folder, name, expected.base_names ?? "delta.safetensors")));
      const tolerance = /-(?:bf16|f16)$/.test(name) ? 1e-2 : 1e-5;
      const deltas = await written({ path, bases, delta: true });
      for (const [tensor, values] of wanted) near(deltas.get(tensor), values, tolerance, tensor);
      for (const [tensor, values] of deltas) assert.ok(wanted.has(tensor) || values.every((value) => value === 0), tensor);
      if (bases.length > 1) return;
      const checkpoint = await openCheckpoint(bases[0]!);
      const model = new BaseModel([checkpoint]);
      const base = valuesOf(checkpoint);
      const updates = new Map([...wanted].map(([tensor, values]) => [model.find(tensor)!.name, values]));
      const merged = await written({ path, bases });
      assert.deepEqual([...merged.keys()].sort(), [...base.keys()].sort());
      for (const [tensor, values] of merged) {
        const update = updates.get(tensor);
        const before = base.get(tensor)!;
        if (update === undefined) assert.deepEqual(values, before, tensor);
        else near(values, before.map((value, i) => value + update[i]!), tolerance, tensor);
      }
    });
  }
});

function valuesOf({ tensors }: Checkpoint): Map<string, Float64Array> {
  return new Map(tensors.map(({ name, expression }) => [name, evaluate(expression!).data]));
}

/** Within a share of the whole tensor's norm. */
function near(found: Float64Array | undefined, wanted: Float64Array, tolerance: number, what: string): void {
  assert.equal(found?.length, wanted.length, what);
  const difference = Math.hypot(...found.map((value, i) => value - wanted[i]!));
  assert.ok(difference <= tolerance * Math.hypot(...wanted), `${what}: off by ${difference}`);
}
