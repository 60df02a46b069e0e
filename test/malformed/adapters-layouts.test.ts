/** Damaged and hostile adapters of LoRA and of the layouts without a configuration: one clear sentence, or a refused module. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Adapter } from "../../src/checkpoint/adapters/adapter";
import { shapeOf } from "../../src/checkpoint/adapters/build";
import { readAdapter } from "../../src/checkpoint/adapters/read-adapter";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { fileOf, readFamily, tensorOf, type Tensors } from "../adapters";
import { headerOf, safetensorsBytes } from "../files";
import { MemoryFiles } from "./memory-files";

const HUGE = 2 ** 40;
const of = (shapes: Record<string, number[]>): Tensors => Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tensorOf(shape, () => 0.5)]));
const empty = (shape: number[]): Tensors[string] => ({ shape, data: new Float64Array(0) });

async function read(file: Uint8Array, base?: Tensors, beside: Record<string, string> = {}): Promise<Adapter | null> {
  const files = new MemoryFiles(new Map([
    ["/a/adapter.safetensors", file], ["/b/model.safetensors", fileOf(base ?? {})],
    ...Object.entries(beside).map(([name, text]): [string, Uint8Array] => [`/a/${name}`, Buffer.from(text)]),
  ]));
  return readAdapter(await openCheckpoint("/a/adapter.safetensors", files), files, base === undefined ? {} : { base: await openCheckpoint("/b/model.safetensors", files) });
}

async function refused(reading: Promise<unknown>, says: RegExp): Promise<void> {
  await assert.rejects(reading, (error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.match(error.message, says);
    return true;
  });
}

const scaled = (alpha: Tensors[string]): Tensors => ({ ...of({ "lora_m.lora_down.weight": [2, 3], "lora_m.lora_up.weight": [4, 2] }), "lora_m.alpha": alpha });

describe("damaged adapters without a configuration", () => {
  const cases: { what: string; tensors: Tensors; base?: Tensors; beside?: Record<string, string>; says: RegExp }[] = [
    { what: "a down without its up", tensors: of({ "lora_m.lora_down.weight": [2, 3] }), says: /module "lora_m" do not fit each other: "lora_up\.weight" is missing/ },
    { what: "ranks that differ", tensors: of({ "lora_m.lora_down.weight": [2, 3], "lora_m.lora_up.weight": [4, 3] }), says: /\[4, 3\] and \[2, 3\] do not fit a matrix product/ },
    { what: "an α that is a vector", tensors: scaled(tensorOf([2], () => 1)), says: /"lora_m\.alpha" is not one finite number/ },
    { what: "an α that is not finite", tensors: scaled(tensorOf([], () => NaN)), says: /"lora_m\.alpha" is not one finite number/ },
    { what: "a rank of 0", tensors: { "lora_m.lora_down.weight": empty([0, 3]), "lora_m.lora_up.weight": empty([4, 0]), "lora_m.alpha": tensorOf([], () => 1) }, says: /scale is not finite/ },
    { what: "LoHa with half of its factors", tensors: of({ "lora_m.hada_w1_a": [4, 2], "lora_m.hada_w1_b": [2, 3] }), says: /"hada_w2_a" is missing/ },
    { what: "LoKr with one factor", tensors: of({ "lora_m.lokr_w1": [2, 2] }), says: /"lokr_w2_a" is missing/ },
    { what: "a Tucker core of one axis", tensors: of({ "lora_m.lora_down.weight": [2, 3, 1, 1], "lora_m.lora_up.weight": [4, 2, 1, 1], "lora_m.lora_mid.weight": [2] }), says: /\[2\] is no core/ },
    { what: "a Hydra branch without a bias", tensors: of({ "m.hydra_mlp_par.down_proj.weight": [1, 2], "m.hydra_mlp_par.up_proj.weight": [2, 1], "m.hydra_mlp_par.up_proj.bias": [2] }), says: /no "hydra_mlp_par\.down_proj\.bias" for the module "m"/ },
    { what: "a Hydra scale that is no number", tensors: of({ "m.hydra_mlp_par.down_proj.weight": [1, 2], "m.hydra_mlp_par.down_proj.bias": [1], "m.hydra_mlp_par.up_proj.weight": [2, 1], "m.hydra_mlp_par.up_proj.bias": [2] }), beside: { "hydra_config.json": '{"scale": "1"}' }, says: /has "1" for "scale", where a number should be/ },
    { what: "a Hydra configuration that is no JSON", tensors: of({ "m.hydra_mlp_par.down_proj.weight": [1, 2] }), beside: { "hydra_config.json": "{" }, says: /configuration ends at byte 1/ },
    { what: "a FLoRA core without a side", tensors: of({ "m.flora_layer.param_G": [1, 1], "m.flora_layer.param_0": [2, 1] }), says: /no "flora_layer\.param_1"/ },
    { what: "a FLoRA core of one axis", tensors: of({ "m.flora_layer.param_G": [1], "m.flora_layer.param_0": [2, 1] }), says: /a core of 1 axes is no layer's/ },
    { what: "a FLoRA side of another rank", tensors: of({ "m.flora_layer.param_G": [1, 1, 2], "m.flora_layer.param_0": [2, 1], "m.flora_layer.param_1": [2, 1], "m.flora_layer.param_2": [3, 1] }), says: /do not fit a matrix product/ },
  ];
  for (const { what, tensors, base, beside, says } of cases) it(what, () => refused(read(fileOf(tensors), base, beside), says));

  const modules: { what: string; tensors: Tensors; base: Tensors; says: RegExp }[] = [
    { what: "rotations that do not divide the outputs", tensors: of({ "lora_m.oft_blocks": [2, 3, 3] }), base: of({ "m.weight": [4, 2] }), says: /2 blocks of 3 do not divide 4 rows/ },
    { what: "rotations that are not square", tensors: of({ "lora_m.oft_blocks": [2, 2, 3] }), base: of({ "m.weight": [4, 2] }), says: /\[2, 2, 3\] are no blocks of a rotation/ },
    { what: "too many butterfly factors", tensors: of({ "lora_m.oft_blocks": [9, 2, 2, 2] }), base: of({ "m.weight": [4, 2] }), says: /9 butterfly factors are more than the 8/ },
    { what: "butterflies of an odd block size", tensors: of({ "lora_m.oft_blocks": [1, 2, 3, 3] }), base: of({ "m.weight": [6, 2] }), says: /butterfly factors of block size 3/ },
    { what: "(IA)³ of another length", tensors: { ...of({ "lora_m.weight": [3] }), "lora_m.on_input": tensorOf([], () => 0) }, base: of({ "m.weight": [4, 2] }), says: /do not fit an elementwise operation/ },
    { what: "magnitudes of another length", tensors: of({ "lora_m.lora_down.weight": [2, 3], "lora_m.lora_up.weight": [4, 2], "lora_m.dora_scale": [3, 1] }), base: of({ "m.weight": [4, 3] }), says: /do not fit a reshape/ },
    { what: "an update of another shape than the base's tensor", tensors: of({ "lora_m.diff": [4, 2] }), base: of({ "m.weight": [4, 3] }), says: /\[4, 2\], the base model's tensor \[4, 3\]/ },
  ];
  for (const { what, tensors, base, says } of modules) {
    it(`refuses the module of ${what}`, async () => {
      const [module] = (await read(fileOf(tensors), base))!.modules;
      assert.equal(module?.delta, null);
      assert.match(module.refused ?? "", says);
    });
  }

  it("a model whose dtype cannot be decoded is no adapter, and costs no values", async () => {
    const file = safetensorsBytes(headerOf({ "layers.0.weight": { dtype: "C64", shape: [1], bytes: 8 }, "layers.0.self_attn.q_proj.weight": { dtype: "C64", shape: [1, 1], bytes: 8 } }), 16);
    assert.equal(await read(file), null);
  });

  it("factors whose dtype cannot be decoded are named", async () => {
    const file = safetensorsBytes(headerOf({ "lora_m.lora_down.weight": { dtype: "C64", shape: [1, 1], bytes: 8 }, "lora_m.lora_up.weight": { dtype: "C64", shape: [1, 1], bytes: 8 } }), 16);
    await refused(read(file), /values of "lora_m\.lora_down\.weight" cannot be read/);
  });

  const PARAMETERS = [
    "alpha", "dora_scale", "scalar", "lora_down.weight", "lora_up.weight", "lora_mid.weight", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "a1.weight", "a2.weight", "b1.weight", "b2.weight", "weight", "on_input", "diff", "diff_b", "w_norm", "oft_blocks", "rescale",
    "flora_layer.param_G", "flora_layer.param_0", "flora_layer.param_1", "flora_layer.param_2", "hydra_mlp_seq.down_proj.weight", "hydra_mlp_seq.down_proj.bias", "hydra_mlp_seq.up_proj.weight", "hydra_mlp_seq.up_proj.bias",
    "self_attn.q_proj.weight", "self_attn.o_proj.weight", "self_attn.o_proj.s2", "self_attn.v_proj.s2",
  ];
  const shape = fc.array(fc.constantFrom(0, 1, 2, 3, 4, 6, HUGE), { maxLength: 5 });
  const small = (of_: number[]): boolean => of_.reduce((product, length) => product * length, 1) <= 10_000;

  it("any shapes at all give an update that fits the base, or a refusal", () => fc.assert(fc.asyncProperty(
    fc.dictionary(fc.constantFrom(...PARAMETERS), shape, { minKeys: 1, noNullPrototype: true }), shape,
    async (shapes, baseShape) => {
      const tensors: Tensors = {};
      for (const [name, own] of Object.entries(shapes)) if (small(own)) tensors[`lora_m.${name}`] = tensorOf(own, () => 0.5);
      fc.pre(small(baseShape) && Object.keys(tensors).length > 0);
      let adapter: Adapter | null;
      try {
        adapter = await read(fileOf(tensors), { "m.weight": tensorOf(baseShape, () => 1), "lora_m.fc2.weight": tensorOf(baseShape, () => 1), "lora_m.self_attn.q_proj.weight": tensorOf(baseShape, () => 1) });
      } catch (error) {
        assert.ok(error instanceof CheckpointError, error instanceof Error ? error.stack : String(error));
        return;
      }
      for (const { delta, shape: said, refused: reason, needsBase } of adapter?.modules ?? []) {
        if (delta === null) assert.ok(reason !== undefined || needsBase === true);
        else assert.deepEqual(shapeOf(delta), said);
      }
    }), { numRuns: 600 }));
});

describe("damaged LoRA adapters", () => {
  const ab = of({ "m.lora_A.weight": [2, 3], "m.lora_B.weight": [4, 2] });
  for (const { what, type = "LORA", config = {}, tensors, base, says } of [
    { what: "an A without its B", tensors: of({ "m.lora_A.weight": [2, 3] }), says: /no "lora_B\.weight" for the module "m"/ },
    { what: "ranks that differ", tensors: of({ "m.lora_A.weight": [2, 3], "m.lora_B.weight": [4, 3] }), says: /do not fit a matrix product/ },
    { what: "a rank of 0", tensors: { "m.lora_A.weight": empty([0, HUGE]), "m.lora_B.weight": empty([HUGE, 0]) }, says: /a rank of 0 leaves no scale/ },
    { what: "an α that is no number", config: { lora_alpha: [8] }, tensors: ab, says: /has \[8\] for "lora_alpha", where a number/ },
    { what: "patterns that are a list", config: { alpha_pattern: [1] }, tensors: ab, says: /has \[1\] for "alpha_pattern", where an object/ },
    { what: "a pattern that is no regular expression", config: { alpha_pattern: { "(": 1 } }, tensors: ab, says: /where a regular expression should be/ },
    { what: "blocks without a number", config: { use_bdlora: { target_modules_bd_a: ["m"] } }, tensors: ab, says: /"nblocks"/ },
    { what: "blocks that do not divide", config: { use_bdlora: { nblocks: 3, target_modules_bd_a: ["m"] } }, tensors: ab, says: /2 rows do not divide into 3 blocks/ },
    { what: "experts that do not divide", config: { r: 3, target_parameters: ["m.w"] }, tensors: ab, says: /2 rows of A do not divide into ranks of 3/ },
    { what: "more targeted parameters than factors", config: { r: 2, target_parameters: ["m.up", "m.down"] }, tensors: ab, says: /targets 2 parameters and the file has factors for 1/ },
    { what: "a diagonal of another length", tensors: { ...ab, ...of({ "m.lora_diag": [3] }) }, says: /do not fit a reshape/ },
    { what: "an AdaLoRA without its singular values", type: "ADALORA", tensors: of({ "m.lora_A": [2, 3], "m.lora_B": [4, 2] }), says: /no "lora_E"/ },
  ] as { what: string; type?: string; config?: Record<string, unknown>; tensors: Tensors; base?: Tensors; says: RegExp }[]) {
    it(what, () => refused(readFamily(type, config, tensors, base), says));
  }

  for (const [what, config, base, says] of [
    ["PiSSA of more components than the base has", { init_lora_weights: "pissa" }, [4, 1], /has no 2 singular components/],
    ["OLoRA of a convolution", { init_lora_weights: "olora" }, [4, 3, 1, 1], /singular components/],
  ] as const) {
    it(`refuses the module of ${what}`, async () => {
      const [module] = await readFamily("LORA", config, ab, of({ "m.weight": [...base] }));
      assert.equal(module?.delta, null);
      assert.match(module.refused ?? "", says);
    });
  }

  it("an unknown type, and names of PEFT without a configuration", async () => {
    await refused(readFamily("LORA2", {}, ab), /PEFT's type "LORA2" cannot be read/);
    await refused(read(fileOf(of({ "base_model.model.m.lora_A.weight": [2, 3] }))), /no adapter_config\.json beside it/);
  });
});
