/** LoRA's variants against what defines them, and the settings that no file can settle. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { at, randomTensor, readFamily, tensorOf, updateOf, type Tensors } from "../../adapters";
import { evaluate, product, svd, transposed, type Values } from "../../expressions";

const small = fc.integer({ min: 1, max: 5 });
const seed = fc.nat(10_000);

function lora(r: number, out: number, inputs: number, from: number): Tensors {
  return { "m.lora_A.weight": randomTensor([r, inputs], from), "m.lora_B.weight": randomTensor([out, r], from + 1) };
}

function difference(a: Values, b: Values): number {
  assert.deepEqual(a.shape, b.shape);
  return Math.max(0, ...a.data.map((value, i) => Math.abs(value - b.data[i]!)));
}

const plus = (a: Values, b: Values, factor = 1): Values => ({ shape: a.shape, data: a.data.map((value, i) => value + factor * b.data[i]!) });
const bta = (tensors: Tensors): Values => product(tensors["m.lora_B.weight"]!, tensors["m.lora_A.weight"]!);

describe("LoRA", () => {
  it("scales by α/r or α/√r, after the patterns", () => fc.assert(fc.asyncProperty(small, small, small, fc.boolean(), seed, async (r, out, inputs, stabilised, s) => {
    const tensors = lora(r, out, inputs, s);
    const found = await updateOf("LORA", { lora_alpha: 99, use_rslora: stabilised, alpha_pattern: { other: 1, m: 6, ".*": 2 } }, tensors);
    const product_ = bta(tensors);
    const factor = stabilised ? 6 / Math.sqrt(r) : 6 / r;
    assert.ok(difference(found, { shape: product_.shape, data: product_.data.map((value) => factor * value) }) < 1e-12);
  }), { numRuns: 30 }));

  it("DoRA: every merged row has the stored magnitude; of an embedding every column", () => fc.assert(fc.asyncProperty(small, small, small, seed, async (r, out, inputs, s) => {
    const magnitudes = tensorOf([out], (i) => i + 1);
    const weight = randomTensor([out, inputs], s + 5);
    const merged = plus(weight, await updateOf("LORA", {}, { ...lora(r, out, inputs, s), "m.lora_magnitude_vector": magnitudes }, { "m.weight": weight }));
    for (let i = 0; i < out; i++) assert.ok(Math.abs(Math.hypot(...merged.data.subarray(i * inputs, (i + 1) * inputs)) - (i + 1)) < 1e-9);
    const table = transposed(weight);
    const embedding = { "m.lora_embedding_A": randomTensor([r, inputs], s), "m.lora_embedding_B": randomTensor([out, r], s + 1), "m.lora_magnitude_vector": magnitudes };
    const changed = transposed(plus(table, await updateOf("LORA", {}, embedding, { "m.weight": table })));
    for (let i = 0; i < out; i++) assert.ok(Math.abs(Math.hypot(...changed.data.subarray(i * inputs, (i + 1) * inputs)) - (i + 1)) < 1e-9);
  }), { numRuns: 30 }));

  it("PiSSA: with the base's own leading components as factors nothing changes", async () => {
    const weight = randomTensor([6, 5], 3);
    const { u, s, vt } = svd(weight);
    const r = 2;
    const b = tensorOf([6, r], (i) => at(u, Math.floor(i / r), i % r) * Math.sqrt(s.data[i % r]!));
    const a = tensorOf([r, 5], (i) => at(vt, Math.floor(i / 5), i % 5) * Math.sqrt(s.data[Math.floor(i / 5)]!));
    const update = await updateOf("LORA", { init_lora_weights: "pissa", lora_alpha: r }, { "m.lora_A.weight": a, "m.lora_B.weight": b }, { "m.weight": weight });
    assert.ok(Math.max(...update.data.map(Math.abs)) < 1e-12);
  });

  it("KaSA: without factors, the base loses its smallest components", async () => {
    const weight = randomTensor([6, 5], 4);
    const tensors = { "m.lora_A.weight": tensorOf([2, 5], () => 0), "m.lora_B.weight": tensorOf([6, 2], () => 0), "m.lora_diag": tensorOf([2], () => 1) };
    const merged = plus(weight, await updateOf("LORA", { kasa_config: { beta: 1e-4 } }, tensors, { "m.weight": weight }));
    const [before, after_] = [svd(weight).s.data, svd(merged).s.data];
    for (let i = 0; i < 3; i++) assert.ok(Math.abs(after_[i]! - before[i]!) < 1e-12);
    for (let i = 3; i < 5; i++) assert.ok(after_[i]! < 1e-12);
  });

  it("stacked experts: each its own B·A, in the base's axes", () => fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 3 }), small, small, small, fc.boolean(), seed, async (experts, r, out, width, turned, s) => {
    const inputs = out + width;
    const [a, b] = [randomTensor([experts * r, inputs], s), randomTensor([out, r * experts], s + 1)];
    const base = { "mlp.experts.down_proj": tensorOf(turned ? [experts, inputs, out] : [experts, out, inputs], () => 0) };
    const config = { r, lora_alpha: 3 * r, target_parameters: ["experts.down_proj"] };
    const found = await updateOf("LORA", config, { "mlp.experts.lora_A.weight": a, "mlp.experts.lora_B.weight": b }, base);
    for (let e = 0; e < experts; e++) {
      for (let o = 0; o < out; o++) {
        for (let i = 0; i < inputs; i++) {
          let wanted = 0;
          for (let k = 0; k < r; k++) wanted += 3 * at(b, o, k * experts + e) * at(a, e * r + k, i);
          assert.ok(Math.abs((turned ? at(found, e, i, o) : at(found, e, o, i)) - wanted) < 1e-9);
        }
      }
    }
  }), { numRuns: 30 }));

  it("stacked experts without a base or a class have no known axes", async () => {
    const tensors = { "mlp.experts.lora_A.weight": randomTensor([4, 3], 1), "mlp.experts.lora_B.weight": randomTensor([5, 4], 2) };
    const [unknown] = await readFamily("LORA", { r: 2, target_parameters: ["experts.down_proj"] }, tensors);
    assert.deepEqual([unknown?.tensor, unknown?.delta, unknown?.needsBase], ["mlp.experts.down_proj", null, true]);
    const [known] = await readFamily("LORA", { r: 2, target_parameters: ["experts.down_proj"], auto_mapping: { base_model_class: "GptOssForCausalLM" } }, tensors);
    assert.deepEqual([known?.shape, known?.stored], [[2, 3, 5], "in_out"]);
  });

  it("says that an attention's out_proj is added twice", async () => {
    const tensors = {
      "a.lora_A.weight": randomTensor([1, 2], 1), "a.lora_B.weight": randomTensor([6, 1], 2),
      "a.base_layer.out_proj.lora_A.weight": randomTensor([1, 2], 3), "a.base_layer.out_proj.lora_B.weight": randomTensor([2, 1], 4),
    };
    const modules = await readFamily("LORA", { lora_alpha: 1 }, tensors);
    assert.deepEqual(modules.map(({ tensor }) => tensor), ["a.in_proj_weight", "a.out_proj.weight"]);
    assert.match(modules[1]!.note!, /twice/);
    const once = product(tensors["a.base_layer.out_proj.lora_B.weight"], tensors["a.base_layer.out_proj.lora_A.weight"]);
    assert.ok(difference(evaluate(modules[1]!.delta!), plus(once, once)) < 1e-12);
  });

  it("replaces what modules_to_save names, and leaves a copy of an embedding alone", async () => {
    const [head, weight] = [randomTensor([3, 2], 5), randomTensor([3, 2], 6)];
    const tensors = { ...lora(1, 2, 2, 1), "head.weight": head, "embed.base_layer.weight": weight };
    const modules = await readFamily("LORA", { modules_to_save: ["head"] }, tensors, { "m.weight": randomTensor([2, 2], 8), "head.weight": weight });
    assert.deepEqual(modules.map(({ tensor, type }) => [tensor, type]), [["m.weight", "LORA"], ["head.weight", "modules_to_save"]]);
    assert.ok(difference(evaluate(modules[1]!.delta!), plus(head, weight, -1)) < 1e-12);
  });

  for (const [what, config, reason] of [
    ["PiSSA by a randomised SVD", { init_lora_weights: "pissa_niter_4" }, /randomised SVD/],
    ["CorDA before conversion", { init_lora_weights: "corda" }, /data that no file holds/],
    ["LoRA-GA before conversion", { init_lora_weights: "lora_ga" }, /data that no file holds/],
    ["LoftQ", { init_lora_weights: "loftq" }, /quantised base/],
    ["replicated layers", { layer_replication: [[0, 4], [2, 5]] }, /replicated layers/],
  ] as const) {
    it(`refuses ${what}, with its ranks and scales`, async () => {
      const [module] = await readFamily("LORA", { lora_alpha: 4, ...config }, lora(2, 4, 3, 1), { "m.weight": randomTensor([4, 3], 2) });
      assert.deepEqual([module?.delta, module?.rank, module?.scale], [null, 2, 2]);
      assert.match(module!.refused!, reason);
    });
  }

  for (const [what, config] of [["aLoRA", { alora_invocation_tokens: [5, 6] }], ["Arrow", { arrow_config: { top_k: 3 } }]] as const) {
    it(`${what} is no change of weights`, async () => {
      await assert.rejects(readFamily("LORA", config, lora(2, 4, 3, 1)), /no fixed change of the weights/);
    });
  }
});

describe("AdaLoRA", () => {
  it("α/(init_r + 1e-5)·B·(A ⊙ E), also after pruning", () => fc.assert(fc.asyncProperty(small, small, small, seed, async (r, out, inputs, s) => {
    const [a, b, e] = [randomTensor([r, inputs], s), randomTensor([out, r], s + 1), randomTensor([r, 1], s + 2)];
    const found = await updateOf("ADALORA", { lora_alpha: 6, init_r: 12 }, { "m.lora_A": a, "m.lora_B": b, "m.lora_E": e });
    const wanted = product(b, tensorOf([r, inputs], (i) => a.data[i]! * e.data[Math.floor(i / inputs)]! * 6 / (12 + 1e-5)));
    assert.ok(difference(found, wanted) < 1e-12);
  }), { numRuns: 20 }));
});
