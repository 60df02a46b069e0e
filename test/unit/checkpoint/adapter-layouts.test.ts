/** Adapters without PEFT's configuration: whose modules their names mean, and their updates against the definitions. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Adapter } from "../../../src/checkpoint/adapters/adapter";
import { readAdapter } from "../../../src/checkpoint/adapters/read-adapter";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { assertElements, at, fileOf, randomTensor, sum, tensorOf, type Tensors } from "../../adapters";
import { evaluate, type Values } from "../../expressions";
import { Scratch } from "../../files";

const scratch = new Scratch();
let files = 0;

/** Reads `tensors` as an adapter of `bases`, all from files of their own; `beside` is written into the adapter's folder. */
async function read(tensors: Tensors, bases: Tensors[] = [], beside: Record<string, object> = {}): Promise<Adapter | null> {
  const folder = `case-${files++}`;
  const path = scratch.write(`${folder}/adapter.safetensors`, fileOf(tensors));
  for (const [name, content] of Object.entries(beside)) scratch.write(`${folder}/${name}`, content);
  const base = await Promise.all(bases.map((of, i) => openCheckpoint(scratch.write(`${folder}/base-${i}.safetensors`, fileOf(of)))));
  return readAdapter(await openCheckpoint(path), new LocalFiles(), { base });
}

function updates(adapter: Adapter | null): Map<string, Values> {
  return new Map(adapter!.modules.map(({ tensor, delta, refused }) => {
    assert.ok(delta !== null, `${tensor}: ${refused}`);
    return [tensor, evaluate(delta)];
  }));
}

/** Of files that hold single precision. */
const SINGLE = 1e-5;
const small = fc.integer({ min: 1, max: 4 });
const seed = fc.nat(10_000);
/** As the file stores it. */
const single = (values: Values): Values => ({ shape: values.shape, data: Float64Array.from(Float32Array.from(values.data)) });
const random = (shape: number[], from: number): Values => single(randomTensor(shape, from));
const number = (value: number): Values => tensorOf([], () => value);

after(() => scratch.remove());

describe("kohya's names", () => {
  const lora = (key: string, from = 1): Tensors => ({ [`${key}.lora_down.weight`]: random([2, 3], from), [`${key}.lora_up.weight`]: random([4, 2], from + 1) });
  const matrix = random([4, 3], 9);

  it("an underscore may be a dot or none: the base says", async () => {
    const adapter = await read(lora("lora_unet_down_blocks_0_to_out_0"), [{ "down_blocks.0.to_out.0.weight": matrix, "down_blocks.0.to_out.0.bias": random([4], 3) }]);
    assert.deepEqual(adapter?.modules.map(({ module, tensor }) => [module, tensor]), [["down_blocks.0.to_out.0", "down_blocks.0.to_out.0.weight"]]);
  });

  it("without a base the file's own spelling stays, and the update is known all the same", async () => {
    const [module] = (await read(lora("lora_unet_down_blocks_0_to_q")))!.modules;
    assert.equal(module?.module, "lora_unet_down_blocks_0_to_q");
    assert.deepEqual([module.rank, module.scale, module.shape], [2, 1, [4, 3]]);
  });

  it("tells several text encoders of equal names apart", async () => {
    const tensors = { ...lora("lora_te1_encoder_fc", 1), ...lora("lora_te2_encoder_fc", 5) };
    const [one, two] = [{ "encoder.fc.weight": random([4, 3], 20) }, { "encoder.fc.weight": random([4, 3], 21) }];
    tensors["lora_te1_encoder_fc.dora_scale"] = tensors["lora_te2_encoder_fc.dora_scale"] = tensorOf([4, 1], () => 1);
    const adapter = await read(tensors, [{ "down.to_q.weight": matrix }, one, two]);
    const found = adapter!.modules.map(({ delta }) => evaluate(delta!));
    // Rows of unit norm once merged: each update stands on its own encoder's weights.
    for (const [i, base] of [one, two].entries()) {
      for (let row = 0; row < 4; row++) assert.ok(Math.abs(sum(3, (j) => (at(found[i]!, row, j) + at(base["encoder.fc.weight"], row, j)) ** 2) - 1) < 1e-9);
    }
  });

  it("finds the parts of a pipeline in one file", async () => {
    const adapter = await read(lora("lora_unet_input_blocks_1_to_q"), [{ "model.diffusion_model.input_blocks.1.to_q.weight": matrix }]);
    assert.equal(adapter?.modules[0]?.module, "model.diffusion_model.input_blocks.1.to_q");
  });

  it("reads Diffusers' spelling of down and up", async () => {
    const adapter = await read({ "unet.mid.to_q.lora.down.weight": random([2, 3], 1), "unet.mid.to_q.lora.up.weight": random([4, 2], 2) }, [{ "mid.to_q.weight": matrix }]);
    assert.deepEqual(adapter?.modules.map(({ module, rank }) => [module, rank]), [["mid.to_q", 2]]);
  });

  it("a model that merely contains such layers is no adapter", async () => {
    const whole: Tensors = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`layers.${i}.scales`, random([2, 2], i)]));
    assert.equal(await read({ ...whole, ...lora("layers.0.to_q") }), null);
    assert.equal(await read({ "a.weight": matrix, "a.bias": random([4], 1) }), null);
    assert.equal(await read({ "layer.diff": matrix, "layer.weight": matrix }), null);
  });
});

describe("LyCORIS's updates", () => {
  it("LoCon: α/r·up·down over any kernel", () => fc.assert(fc.asyncProperty(small, small, small, fc.array(small, { maxLength: 3 }), fc.double({ min: 0.1, max: 9, noNaN: true }), seed, async (r, out, inputs, kernel, alpha, s) => {
    const [up, down] = [random([out, r, ...kernel.map(() => 1)], s), random([r, inputs, ...kernel], s + 1)];
    const found = updates(await read({ "lora_a.alpha": number(alpha), "lora_a.lora_down.weight": down, "lora_a.lora_up.weight": up })).get("lora_a.weight");
    const flat = { shape: [out, r], data: up.data };
    assertElements(found, [out, inputs, ...kernel], (o, ...rest) => (Math.fround(alpha) / r) * sum(r, (k) => at(flat, o, k) * at(down, k, ...rest)), SINGLE);
  }), { numRuns: 25 }));

  it("LoKr: whole factors take no α, a decomposed one takes α/r", async () => {
    const [w1, w2, a, b] = [random([2, 3], 1), random([2, 2], 2), random([2, 1], 3), random([1, 2], 4)];
    const whole = updates(await read({ "lora_a.lokr_w1": w1, "lora_a.lokr_w2": w2, "lora_a.alpha": number(8) })).get("lora_a.weight");
    assertElements(whole, [4, 6], (o, i) => at(w1, Math.floor(o / 2), Math.floor(i / 2)) * at(w2, o % 2, i % 2), SINGLE);
    const decomposed = updates(await read({ "lora_a.lokr_w1": w1, "lora_a.lokr_w2_a": a, "lora_a.lokr_w2_b": b, "lora_a.alpha": number(8) })).get("lora_a.weight");
    assertElements(decomposed, [4, 6], (o, i) => 8 * at(w1, Math.floor(o / 2), Math.floor(i / 2)) * at(a, o % 2, 0) * at(b, 0, i % 2), SINGLE);
  });

  it("rotations keep the length of every column", () => fc.assert(fc.asyncProperty(fc.constantFrom([1, 1], [2, 2], [4, 3], [2, 4]), fc.boolean(), small, seed, async ([blocks, half], butterfly, inputs, s) => {
    const b = 2 * half;
    const out = 4 * blocks * b;
    const factors = butterfly ? [3, 4 * blocks, b, b] : [4 * blocks, b, b];
    const weight = random([out, inputs], s);
    const update = updates(await read({ "lora_a.oft_blocks": random(factors, s + 1) }, [{ "a.weight": weight }])).get("a.weight")!;
    for (let j = 0; j < inputs; j++) {
      const before = sum(out, (i) => at(weight, i, j) ** 2);
      const merged = sum(out, (i) => (at(weight, i, j) + at(update, i, j)) ** 2);
      assert.ok(Math.abs(merged - before) < 1e-8 * before, `column ${j}: ${merged}, not ${before}`);
    }
  }), { numRuns: 25 }));
});

describe("Hydra", () => {
  it("gives the same output as the two branches beside the projection", () => fc.assert(fc.asyncProperty(small, small, small, seed, fc.double({ min: 0.2, max: 3, noNaN: true }), async (r, out, inputs, s, factor) => {
    const branch = (side: string, width: number, from: number): Tensors => ({
      [`attn.hydra_proj_${side}.down_proj.weight`]: random([r, width], from), [`attn.hydra_proj_${side}.down_proj.bias`]: random([r], from + 1),
      [`attn.hydra_proj_${side}.up_proj.weight`]: random([out, r], from + 2), [`attn.hydra_proj_${side}.up_proj.bias`]: random([out], from + 3),
    });
    const tensors = { ...branch("par", inputs, s), ...branch("seq", out, s + 10) };
    const [weight, bias, x] = [random([out, inputs], s + 20), random([out], s + 21), random([inputs], s + 22)];
    const found = updates(await read(tensors, [{ "attn.proj.weight": weight, "attn.proj.bias": bias }], { "hydra_config.json": { scale: factor } }));
    const affine = (w: Values, b: Values, v: (i: number) => number) => (i: number): number => sum(w.shape[1]!, (j) => at(w, i, j) * v(j)) + b.data[i]!;
    const through = (side: string, v: (i: number) => number): ((i: number) => number) => {
      const of = (name: string): Values => tensors[`attn.hydra_proj_${side}.${name}`]!;
      return affine(of("up_proj.weight"), of("up_proj.bias"), affine(of("down_proj.weight"), of("down_proj.bias"), v));
    };
    const input = (i: number): number => x.data[i]!;
    const straight = affine(weight, bias, input);
    const [parallel, sequential] = [through("par", input), through("seq", straight)];
    const added = affine(found.get("attn.proj.weight")!, found.get("attn.proj.bias")!, input);
    for (let i = 0; i < out; i++) assert.ok(Math.abs(added(i) - factor * (parallel(i) + sequential(i))) < 1e-9 * (1 + Math.abs(added(i))));
  }), { numRuns: 20 }));

  it("takes the base's weights from a file that holds the whole model", async () => {
    const part = (name: string): Tensors => ({ [`${name}.down_proj.weight`]: random([1, 2], 1), [`${name}.down_proj.bias`]: random([1], 2), [`${name}.up_proj.weight`]: random([2, 1], 3), [`${name}.up_proj.bias`]: random([2], 4) });
    const alone = part("mlp.hydra_mlp_seq");
    assert.deepEqual((await read(alone))?.modules.map(({ delta, needsBase }) => [delta, needsBase]), [[null, true], [null, true]]);
    const whole = await read({ ...alone, "mlp.fc2.weight": random([2, 3], 5), "mlp.fc2.bias": random([2], 6) });
    assert.deepEqual(whole?.modules.map(({ tensor, delta }) => [tensor, delta !== null]), [["mlp.fc2.weight", true], ["mlp.fc2.bias", true]]);
  });
});

describe("FLoRA", () => {
  it("multiplies the core along every axis, outputs first", () => fc.assert(fc.asyncProperty(fc.array(fc.tuple(small, small), { minLength: 2, maxLength: 5 }), seed, async (axes, s) => {
    const core = random(axes.map(([, rank]) => rank), s);
    const sides = axes.map(([length, rank], i) => random([length, rank], s + 1 + i));
    const tensors: Tensors = { "c.flora_layer.param_G": core };
    for (const [i, side] of sides.entries()) tensors[`c.flora_layer.param_${i}`] = side;
    const found = updates(await read(tensors, [], { "flora_config.json": { scale: 2.5 } })).get("c.weight");
    const lengths = axes.map(([length]) => length);
    const term = (index: number[], axis: number, at_: number[]): number => (axis === axes.length ? at(core, ...at_) : sum(axes[axis]![1], (r) => at(sides[axis]!, index[axis]!, r) * term(index, axis + 1, [...at_, r])));
    assertElements(found, [lengths[1]!, lengths[0]!, ...lengths.slice(2)], (o, i, ...rest) => 2.5 * term([i, o, ...rest], 0, []), SINGLE);
  }), { numRuns: 15 }));

  it("has no update without its scale", async () => {
    const adapter = await read({ "c.flora_layer.param_G": random([1, 1], 1), "c.flora_layer.param_0": random([2, 1], 2), "c.flora_layer.param_1": random([3, 1], 3) });
    assert.match(adapter?.modules[0]?.refused ?? "", /scale stands in the training's settings only/);
  });
});
