/** Models in terms of others, against the coefficients and residuals of the reference mixtures. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { explain } from "../../src/analysis/explain";
import type { Engine } from "../../src/analysis/engine";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import type { Explain } from "../../src/protocol/results";
import { EvaluatedEngine } from "../evaluated-engine";
import { fixtures, root } from "../files";

const folder = join(fixtures, "adapters", "compare");
const sources = new LocalFiles();

interface Mixture {
  overall: Record<"a" | "b" | "residual", number>;
  per_tensor: Record<string, Record<"a" | "b" | "residual", number>>;
}

async function explained(engine: Engine, target: string, models: string[], base?: string): Promise<Omit<Explain, "target">> {
  const named = async (name: string) => ({ name, checkpoint: await openCheckpoint(join(folder, name)) });
  return explain({ target: await named(target), models: await Promise.all(models.map(named)), sources, engine, ...(base === undefined ? {} : { base: await named(base) }) });
}

function near(found: number, wanted: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(found - wanted) <= tolerance, `${what}: ${found}, not ${wanted}`);
}

function explainsThem(engine: () => Engine): void {
  // Expected coefficients have ten digits, residuals four.
  for (const [name, digits] of [["mixture-f32", 2e-9], ["mixture-bf16", 2e-9]] as const) {
    it(name, async () => {
      const { overall, per_tensor } = JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as Mixture;
      const [a, b] = [`${name}/a`, `${name}/b`];
      const found = await explained(engine(), `${name}/c`, [a, b]);
      const compare = (of: { coefficients: Record<string, number>; residual: number }, wanted: Mixture["overall"], what: string): void => {
        near(of.coefficients[a]!, wanted.a, digits, `${what}, a`);
        near(of.coefficients[b]!, wanted.b, digits, `${what}, b`);
        near(of.residual, wanted.residual, 1e-3 * wanted.residual, `${what}, residual`);
      };
      compare(found, overall, "all");
      assert.equal(found.perTensor.length, Object.keys(per_tensor).length);
      for (const each of found.perTensor) compare(each, per_tensor[each.name]!, each.name);
      assert.match(found.sentence, /^c ≈ 0\.30·a \+ 0\.70·b, residual (?:2\.6e-6|0\.19) %\.$/);
      assert.deepEqual(found.findings, []);
    });
  }

  it("base-plus-adapter", async () => {
    const { scale } = JSON.parse(readFileSync(join(folder, "base-plus-adapter", "expect.json"), "utf8")) as { scale: number };
    // Its rank in the file that PEFT wrote.
    const { r } = JSON.parse(readFileSync(join(folder, "base-plus-adapter", "adapter", "adapter_config.json"), "utf8")) as { r: number };
    const [target, adapter, base] = ["base-plus-adapter/tuned", "base-plus-adapter/adapter", "../base/llama-40"];
    const found = await explained(engine(), target, [adapter], base);
    near(found.coefficients[adapter]!, scale, 1e-6, "coefficient");
    assert.ok(found.residual < 1e-5, String(found.residual));
    assert.match(found.sentence, new RegExp(`^tuned ≈ llama-40 \\+ 0\\.70·adapter, residual .+ % of the change; the change is of rank ${r} in each of 6 matrices\\.$`));
    for (const { name, coefficients, residual } of found.perTensor) {
      if (/(?:q_proj|v_proj|down_proj)/.test(name)) near(coefficients[adapter]!, scale, 1e-5, name);
      else assert.deepEqual([coefficients[adapter], residual], [0, 0], name);
    }
    // The model among those to explain it with takes the part of the base.
    const both = await explained(engine(), target, [base, adapter]);
    near(both.coefficients[base]!, 1, 1e-6, "base");
    near(both.coefficients[adapter]!, scale, 1e-5, "adapter");
  });
}

describe("explain conformance", () => {
  describe("by the independent evaluator", () => explainsThem(() => new EvaluatedEngine()));

  describe("by the engine", () => {
    let client: EngineClient;
    before(async () => { client = await EngineClient.start(bundledEngine(join(root, "dist"))); });
    after(() => client.dispose());
    explainsThem(() => client);
  });
});
