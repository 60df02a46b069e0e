/** Random numbers of PEFT that a file may leave out: drawn again, they are those that other files of the same seed hold. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { AdapterModule } from "../../../src/checkpoint/adapters/adapter";
import { firstNormals } from "../../../src/checkpoint/adapters/torch-normal";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { baseModel, readStored, storedAdapter, type StoredAdapter } from "../../altered-adapters";
import { evaluate, type Values } from "../../expressions";
import { fixtures, Scratch } from "../../files";

function relativeDifference(found: Values, wanted: Values): number {
  assert.deepEqual(found.shape, wanted.shape);
  let [difference, total] = [0, 0];
  for (const [i, value] of wanted.data.entries()) {
    difference += (found.data[i]! - value) ** 2;
    total += value ** 2;
  }
  return Math.sqrt(difference / total);
}

async function sameAsReference(name: string, modules: readonly AdapterModule[]): Promise<void> {
  const reference = await openCheckpoint(join(fixtures, "adapters", name, "delta.safetensors"));
  assert.equal(modules.length, reference.tensors.length);
  for (const { name: tensor, expression } of reference.tensors) {
    const delta = modules.find((module) => module.tensor === tensor)?.delta;
    assert.ok(delta);
    const relative = relativeDifference(evaluate(delta), evaluate(expression!));
    assert.ok(relative <= 1e-5, `${tensor} differs by ${relative}`);
  }
}

function without({ config, tensors }: StoredAdapter, left: RegExp, settings: Record<string, unknown> = {}): StoredAdapter {
  const kept = tensors.filter(({ name }) => !left.test(name));
  assert.notEqual(kept.length, tensors.length);
  return { config: { ...config, ...settings }, tensors: kept };
}

describe("random numbers drawn again", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  for (const [name, left] of [["vera", /vera_[AB]$/], ["pvera", /pvera_[AB]$/], ["randlora-sparse", /randlora_[AB]$/]] as const) {
    it(`${name}: the projections`, async () => {
      const adapter = await readStored(scratch, without(storedAdapter(name), left, { save_projection: false }), { base: await baseModel(name) });
      await sameAsReference(name, adapter!.modules);
    });

    it(`${name}: not without the base, whose widest layers they fit`, async () => {
      const adapter = await readStored(scratch, without(storedAdapter(name), left, { save_projection: false }));
      for (const { delta, needsBase } of adapter!.modules) assert.deepEqual({ delta, needsBase }, { delta: null, needsBase: true });
    });
  }

  it("randlora: dense bases are refused", async () => {
    const adapter = await readStored(scratch, without(storedAdapter("randlora"), /randlora_[AB]$/), { base: await baseModel("randlora") });
    assert.equal(adapter!.modules.length, 3);
    for (const { delta, refused } of adapter!.modules) {
      assert.equal(delta, null);
      assert.match(refused!, /bfloat16/);
    }
  });

  it("tinylora: the order of modules from the seeds of their projections", async () => {
    const stored = storedAdapter("tinylora");
    assert.deepEqual(stored.tensors.map(({ name }) => name).filter((name) => name.endsWith("_P")).map((name) => /(\w)_proj/.exec(name)![1]), ["o", "q"]);
    const adapter = await readStored(scratch, stored);
    const vectors = adapter!.modules.map(({ tensor, factors }) => [tensor, stored.tensors[factors.at(-1)!]!.name]);
    assert.deepEqual(new Map(vectors as [string, string][]), new Map([
      ["model.layers.0.self_attn.q_proj.weight", "base_model.tinylora_v.0"],
      ["model.layers.0.self_attn.o_proj.weight", "base_model.tinylora_v.1"],
    ]));
  });

  it("tinylora: refused when the projections are of another seed, unless there is one vector only", async () => {
    const stored = storedAdapter("tinylora");
    const config = { ...stored.config, projection_seed: 7 };
    const adapter = await readStored(scratch, { ...stored, config });
    for (const { delta, refused } of adapter!.modules) {
      assert.equal(delta, null);
      assert.match(refused!, /order of the model's modules/);
    }
    const tied = await readStored(scratch, { config: { ...config, weight_tying: 1 }, tensors: stored.tensors.filter(({ name }) => !name.endsWith("tinylora_v.1")) });
    assert.ok(tied!.modules.every(({ delta }) => delta !== null));
  });

  it("normal values: a last block that is not whole is drawn again", () => {
    const whole = firstNormals(42, 32);
    // torch.manual_seed(42); torch.randn(32)
    assert.deepEqual([...whole].slice(0, 8).map((value) => Number(value.toFixed(4))), [1.9269, 1.4873, 0.9007, -2.1055, 0.6784, -1.2345, -0.0431, -1.6047]);
    assert.deepEqual(firstNormals(42, 54), whole);
    assert.deepEqual(firstNormals(42, 16), whole);
    assert.deepEqual([...firstNormals(42, 20)].slice(0, 4), [...whole].slice(0, 4));
    assert.notDeepEqual(firstNormals(42, 20), whole);
  });
});
