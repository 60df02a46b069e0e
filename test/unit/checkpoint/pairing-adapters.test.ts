/** Adapters as a side of a comparison: base + ΔW over a model, ΔW against ΔW. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointError } from "../../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import { comparedSides, type ComparedSide } from "../../../src/checkpoint/pairing/adapted";
import { pairTensors } from "../../../src/checkpoint/pairing/pairing";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { evaluate, type Values } from "../../expressions";
import { fixtures } from "../../files";

const adapters = join(fixtures, "adapters");
const sides = async (a: string, b: string): Promise<{ a: ComparedSide; b: ComparedSide }> =>
  comparedSides(await openCheckpoint(join(adapters, a)), await openCheckpoint(join(adapters, b)), new LocalFiles());

function values({ checkpoint }: ComparedSide, name: string): Values {
  return evaluate(checkpoint.tensors.find((tensor) => tensor.name === name)!.expression!);
}

describe("pairing with an adapter", () => {
  const folder = "compare/base-plus-adapter";
  interface Expected {
    scale: number;
    different: { tensor: string }[];
    equal: string[];
  }
  const expected = JSON.parse(readFileSync(join(adapters, folder, "expect.json"), "utf8")) as Expected;

  it("lays it over the other side, which is its base", async () => {
    const { a, b } = await sides("base/llama-40", `${folder}/adapter`);
    const pairing = pairTensors(a.checkpoint, b.checkpoint);
    const name = (i: number): string => a.checkpoint.tensors[i]!.name;
    const changed = pairing.pairs.filter(({ same }) => same !== true).map((pair) => name(pair.a.tensor));
    assert.deepEqual(changed.sort(), expected.different.map(({ tensor }) => tensor).sort());
    assert.deepEqual(pairing.pairs.filter(({ same }) => same === true).map((pair) => name(pair.a.tensor)).sort(), expected.equal);
    assert.deepEqual([pairing.onlyInA, pairing.onlyInB, pairing.rules], [[], [], []]);
    assert.deepEqual([b.adapter?.type, b.adapter?.base?.endsWith("llama-40"), b.adapter?.changed.size], ["LORA", true, 6]);
  });

  it("has the values of base + ΔW: the published sum is base + 0.7·ΔW", async () => {
    const { a, b } = await sides("base/llama-40", `${folder}/adapter`);
    const { a: tuned } = await sides(`${folder}/tuned`, "base/llama-40");
    for (const { tensor } of expected.different) {
      const [w, merged, sum] = [values(a, tensor), values(b, tensor), values(tuned, tensor)];
      assert.deepEqual(merged.shape, w.shape);
      let most = 0;
      w.data.forEach((value, i) => {
        const delta = merged.data[i]! - value;
        most = Math.max(most, Math.abs(delta));
        assert.ok(Math.abs(sum.data[i]! - value - expected.scale * delta) < 1e-6, `${tensor} at ${i}`);
      });
      assert.ok(most > 0.01);
    }
  });

  it("works whichever side the adapter is", async () => {
    const { a, b } = await sides(`${folder}/adapter`, "base/llama-40");
    assert.equal(a.adapter?.type, "LORA");
    assert.equal(b.adapter, undefined);
    assert.equal(pairTensors(a.checkpoint, b.checkpoint).pairs.length, 21);
  });

  it("pairs two adapters' updates by the tensors that they change", async () => {
    const { a, b } = await sides("lora-plain", "lora-rslora");
    const pairing = pairTensors(a.checkpoint, b.checkpoint);
    assert.ok(pairing.pairs.length > 0);
    for (const pair of pairing.pairs) {
      const { name, shape } = a.checkpoint.tensors[pair.a.tensor]!;
      assert.ok(!name.includes("lora_"), name);
      assert.deepEqual([values(a, name).shape, values(b, name).shape], [shape, shape]);
    }
  });

  it("refuses an adapter for another model, by names and by shapes, and says which model it names", async () => {
    await assert.rejects(sides("base/resnet-16", `${folder}/adapter`), (error: CheckpointError) => {
      assert.equal(error.code, "usage");
      assert.match(error.message, /^the adapter belongs to another model: none of the 6 tensors that it changes is in ".*resnet-16", such as "model\.layers\.0\.mlp\.down_proj\.weight"; its configuration names /);
      assert.equal(error.file, join(adapters, folder, "adapter"));
      return true;
    });
    await assert.rejects(sides("base/llama-64", `${folder}/adapter`), /the adapter belongs to another model: its update of "model\.layers\.0\.mlp\.down_proj\.weight" has the shape \[40, 64\], the tensor in ".*llama-64" \[64, 96\]/);
  });

  it("refuses an adapter without a weight update, with the reason", async () => {
    await assert.rejects(sides("base/llama-40", "refuse-prompt-tuning"), /adapters of the type PROMPT_TUNING have no weight update that could be compared: /);
  });

  it("takes a model that is saved under PEFT's names for a model", async () => {
    const { b } = await sides("compare/prefixes/a", "compare/prefixes/b");
    assert.equal(b.adapter, undefined);
  });
});
