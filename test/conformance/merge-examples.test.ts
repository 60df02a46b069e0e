/** The recipes of examples/merge do what their comments say. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { evaluate } from "../expressions";
import { root, Scratch } from "../files";
import { correct, readWeights } from "../robust/forward";
import { modelFile } from "../robust/tables";
import { weightLoupe } from "../unit/cli/command-line";

describe("recipes of examples/merge", () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const folder = join(root, "examples", "merge");

  const merged = async (name: string): Promise<string> => {
    const output = join(scratch.folder, name);
    const { status, stderr } = await weightLoupe(["merge", join(folder, `${name}.merge.yaml`), "-o", output]);
    assert.equal(status, 0, stderr);
    return output;
  };

  for (const file of readdirSync(folder).filter((name) => name.endsWith(".merge.yaml"))) {
    it(`${file} passes its preflight`, async () => {
      const { status, stdout } = await weightLoupe(["merge", join(folder, file), "-o", join(scratch.folder, "none"), "--dry-run", "--json"]);
      assert.equal(status, 0, stdout);
    });
  }

  it("robust: is the base and 0.4 of each difference, and knows as many digits of each kind as it says", async () => {
    const weights = readWeights(join(await merged("robust"), "model.safetensors"));
    const base = readWeights(modelFile("base"));
    const tuned = ["fog", "contrast", "defocus_blur", "gaussian_noise"].map((name) => readWeights(modelFile(name)));
    for (const [name, { data }] of weights) {
      const before = base.get(name)!.data;
      for (const [i, value] of data.entries()) {
        const wanted = before[i]! + tuned.reduce((sum, each) => sum + 0.4 * (each.get(name)!.data[i]! - before[i]!), 0);
        assert.ok(Math.abs(value - wanted) <= 1e-5 * Math.max(1, Math.abs(wanted)), `${name}[${i}]: ${value} for ${wanted}`);
      }
    }
    assert.deepEqual(["clean", "contrast", "gaussian_noise"].map((set) => correct(weights, set, 300)), [293, 232, 195]);
    assert.deepEqual(["contrast", "gaussian_noise"].map((set) => correct(readWeights(modelFile("clean")), set, 300)), [85, 88]);
  });

  it("deeper: the copy's output projections are zero, everything else is the layer's, and config.json counts it", async () => {
    const output = await merged("deeper");
    assert.equal((JSON.parse(readFileSync(join(output, "config.json"), "utf8")) as { num_hidden_layers: number }).num_hidden_layers, 3);
    const { tensors } = await openCheckpoint(output);
    const before = new Map((await openCheckpoint(join(root, "examples", "tiny-llama", "checkpoint-1200"))).tensors.map((tensor) => [tensor.name, tensor]));
    const copied = tensors.filter(({ name }) => name.includes("layers.2."));
    assert.equal(copied.length, [...before.keys()].filter((name) => name.includes("layers.1.")).length);
    for (const { name, expression } of copied) {
      const { data } = evaluate(expression!);
      if (/down_proj|o_proj/.test(name)) assert.ok(data.every((x) => x === 0), name);
      else assert.deepEqual(data, evaluate(before.get(name.replace("layers.2.", "layers.1."))!.expression!).data, name);
    }
  });
});
