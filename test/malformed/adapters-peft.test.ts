/** Damaged and hostile adapters: one clear sentence, or one module refused with the reason; never a wait or a large allocation. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { families } from "../../src/checkpoint/adapters/families";
import { shapeOf } from "../../src/checkpoint/adapters/build";
import { readFamily, tensorOf, type Tensors } from "../adapters";

const of = (shapes: Record<string, number[]>): Tensors => Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tensorOf(shape, () => 0.5)]));
/** A tensor without elements, whose other lengths may be anything. */
const empty = (shape: number[]): Tensors[string] => ({ shape, data: new Float64Array(0) });
const HUGE = 2 ** 40;

interface Refused {
  what: string;
  type: string;
  config?: Record<string, unknown>;
  tensors: Tensors;
  base?: Tensors;
  says: RegExp;
}

const refused: Refused[] = [
  { what: "LoHa without one of its factors", type: "LOHA", tensors: of({ "m.hada_w1_a": [4, 2], "m.hada_w1_b": [2, 3], "m.hada_w2_a": [4, 2] }), says: /no "hada_w2_b" for the module "m"/ },
  { what: "LoHa with one core of two", type: "LOHA", tensors: of({ "m.hada_w1_a": [2, 4], "m.hada_w1_b": [2, 3], "m.hada_w2_a": [2, 4], "m.hada_w2_b": [2, 3], "m.hada_t1": [2, 2, 1, 1] }), says: /no "hada_t2"/ },
  { what: "LoHa factors of different ranks", type: "LOHA", tensors: of({ "m.hada_w1_a": [4, 2], "m.hada_w1_b": [3, 3], "m.hada_w2_a": [4, 2], "m.hada_w2_b": [2, 3] }), says: /module "m" do not fit each other: .*\[4, 2\] and \[3, 3\]/ },
  { what: "LoHa of rank 0", type: "LOHA", tensors: { "m.hada_w1_a": empty([4, 0]), "m.hada_w1_b": empty([0, 3]), "m.hada_w2_a": empty([4, 0]), "m.hada_w2_b": empty([0, 3]) }, says: /no rank to scale by/ },
  { what: "LoHa that does not fit its base", type: "LOHA", tensors: of({ "m.hada_w1_a": [4, 2], "m.hada_w1_b": [2, 3], "m.hada_w2_a": [4, 2], "m.hada_w2_b": [2, 3] }), base: of({ "m.weight": [5, 3] }), says: /\[4, 3\] and \[5, 3\] do not fit a reshape/ },
  { what: "an alpha that is no number", type: "LOHA", config: { alpha: "8" }, tensors: of({ "m.hada_w1_a": [4, 2], "m.hada_w1_b": [2, 3], "m.hada_w2_a": [4, 2], "m.hada_w2_b": [2, 3] }), says: /has "8" for "alpha", where a number should be/ },
  { what: "LoKr of five axes", type: "LOKR", tensors: of({ "m.lokr_w1": [2, 2, 1, 1, 1], "m.lokr_w2": [2, 2] }), says: /no factors of a Kronecker product/ },
  { what: "LoKr of rank 0", type: "LOKR", config: { r: 0 }, tensors: of({ "m.lokr_w1": [2, 2], "m.lokr_w2": [2, 2] }), says: /no rank to scale by/ },
  { what: "OFT entries of no square block", type: "OFT", tensors: of({ "m.oft_R.weight": [2, 5] }), says: /holds no entries above the diagonals/ },
  { what: "OFT blocks that do not divide the inputs", type: "OFT", tensors: of({ "m.oft_R.weight": [2, 3] }), base: of({ "m.weight": [4, 7] }), says: /do not divide the 7 inputs/ },
  { what: "too few OFT blocks", type: "OFT", tensors: of({ "m.oft_R.weight": [2, 3] }), base: of({ "m.weight": [4, 9] }), says: /do not divide the 9 inputs/ },
  { what: "a series of a million terms", type: "OFT", config: { num_cayley_neumann_terms: 1e6 }, tensors: of({ "m.oft_R.weight": [2, 3] }), says: /1000000 for "num_cayley_neumann_terms", where an integer from 1 to 16/ },
  { what: "an OFT bound of 0", type: "OFT", config: { coft: true, eps: 0 }, tensors: of({ "m.oft_R.weight": [2, 3] }), says: /where a positive number should be/ },
  { what: "BOFT blocks that are not square", type: "BOFT", tensors: of({ "m.boft_R": [1, 2, 2, 3], "m.boft_s": [4, 1] }), says: /no stack of butterfly factors/ },
  { what: "BOFT scales of another length", type: "BOFT", tensors: of({ "m.boft_R": [1, 2, 2, 2], "m.boft_s": [3, 1] }), base: of({ "m.weight": [5, 4] }), says: /do not fit a reshape/ },
  { what: "butterflies of an odd block size", type: "BOFT", tensors: of({ "m.boft_R": [2, 2, 3, 3], "m.boft_s": [4, 1] }), base: of({ "m.weight": [4, 6] }), says: /butterfly factors of block size 3/ },
  { what: "a MiSS block that does not tile the outputs", type: "MISS", tensors: of({ "m.miss_block": [2, 3] }), base: of({ "m.weight": [4, 6] }), says: /\[2, 3\] does not tile \[4, 6\]/ },
  { what: "a MiSS block of rank 0", type: "MISS", tensors: { "m.miss_block": empty([0, 4]) }, base: of({ "m.weight": [4, 6] }), says: /does not tile/ },
  { what: "MiSS blocks that are not square", type: "BONE", tensors: of({ "m.bone_block": [2, 3, 2] }), base: of({ "m.weight": [4, 6] }), says: /do not tile/ },
  { what: "HiRA factors of different ranks", type: "HIRA", tensors: of({ "m.hira_A": [2, 3], "m.hira_B": [4, 3] }), says: /do not fit a reshape/ },
  { what: "reflections of another length", type: "HRA", tensors: of({ "m.hra_u": [5, 2] }), base: of({ "m.weight": [4, 6] }), says: /do not fit a matrix product/ },
  { what: "a vector of reflections", type: "HRA", tensors: of({ "m.hra_u": [5] }), says: /\[5\] holds no reflections/ },
  { what: "an odd RoAd group", type: "ROAD", config: { group_size: 3 }, tensors: of({ "m.road_theta": [3], "m.road_alpha": [3] }), says: /3 for "group_size", where an even number/ },
  { what: "an unknown RoAd variant", type: "ROAD", config: { group_size: 2, variant: "road_8" }, tensors: of({ "m.road_theta": [4], "m.road_alpha": [4] }), says: /"road_8" for "variant"/ },
  { what: "RoAd angles that fill no group", type: "ROAD", config: { group_size: 4 }, tensors: of({ "m.road_theta": [3], "m.road_alpha": [3] }), says: /3 angles do not fill groups of 4/ },
  { what: "RoAd of fewer outputs than the base has", type: "ROAD", config: { group_size: 2 }, tensors: of({ "m.road_theta": [2], "m.road_alpha": [2] }), base: of({ "m.weight": [8, 3] }), says: /do not fit an elementwise operation/ },
  { what: "(IA)³ scales that are a matrix", type: "IA3", tensors: of({ "m.ia3_l": [2, 3] }), says: /\[2, 3\] is no vector of scales/ },
  { what: "an (IA)³ pattern that is none", type: "IA3", config: { feedforward_modules: "(" }, tensors: of({ "m.ia3_l": [1, 1] }), says: /"\(" for "feedforward_modules", where a regular expression should be/ },
  { what: "an (IA)³ pattern that backtracks without end", type: "IA3", config: { feedforward_modules: "(a+)+" }, tensors: of({ [`${"a".repeat(60)}b.ia3_l`]: [1, 1] }), says: /can be matched in reasonable time/ },
  { what: "a pattern of ranks that backtracks without end", type: "LOKR", config: { alpha_pattern: { "(x|x)*y": 4 } }, tensors: of({ [`${"x".repeat(60)}.lokr_w1`]: [2, 2], [`${"x".repeat(60)}.lokr_w2`]: [2, 2] }), says: /can be matched in reasonable time/ },
  { what: "token numbers beyond the vocabulary", type: "TRAINABLE_TOKENS", config: { token_indices: [9] }, tensors: of({ "m.trainable_tokens_delta": [1, 2] }), base: of({ "m.weight": [4, 2] }), says: /the token 9 is outside a vocabulary of 4/ },
  { what: "token numbers that are no list", type: "TRAINABLE_TOKENS", config: { token_indices: "all" }, tensors: of({ "m.trainable_tokens_delta": [1, 2] }), says: /"all" for "token_indices"/ },
  { what: "more rows than token numbers", type: "TRAINABLE_TOKENS", config: { token_indices: [1] }, tensors: of({ "m.trainable_tokens_delta": [2, 2] }), says: /2 rows for 1 trainable tokens/ },
  { what: "no rows of endless width", type: "TRAINABLE_TOKENS", config: { token_indices: [] }, tensors: { "m.trainable_tokens_delta": empty([0, HUGE]) }, base: { "m.weight": empty([0, HUGE]) }, says: /"token_indices", where a list of distinct token/ },
  { what: "SHiRA with one index for each value", type: "SHIRA", tensors: of({ "m.shira_weight": [3], "m.shira_indices": [3] }), says: /does not hold a row and a column for each of 3 values/ },
  { what: "Super-Tuning with more values than the weight has", type: "SUPERTUNING", tensors: of({ "m.supertuning_values": [9] }), base: of({ "m.weight": [2, 2] }), says: /9 values have no place in \[2, 2\]/ },
  { what: "Super-Tuning with half of a low-rank update", type: "SUPERTUNING", tensors: of({ "m.supertuning_values": [2], "m.supertuning_lora_A.weight": [1, 2] }), says: /no "supertuning_lora_B.weight"/ },
  { what: "C³A kernels of no blocks and endless length", type: "C3A", tensors: { "m.c3a_kernel": empty([0, 1, HUGE]) }, says: /holds no kernels/ },
  { what: "DeLoRA norms of another length", type: "DELORA", tensors: of({ "m.delora_A": [2, 3], "m.delora_B": [4, 2], "m.delora_lambda": [1], "m.delora_w_norm": [4] }), says: /do not fit a reshape/ },
  { what: "OFT as PEFT stored it before 0.16", type: "OFT", tensors: of({ "m.oft_r": [2, 3, 3] }), says: /no tensor of the adapter has a name that adapters of type "OFT" give/ },
  { what: "GraLoRA of a rank that its grid does not divide", type: "GRALORA", tensors: of({ "m.gralora_A": [2, 4, 3], "m.gralora_B": [2, 3, 4] }), says: /no factors of a grid of blocks/ },
];

describe("damaged adapters of PEFT", () => {
  for (const { what, type, config = {}, tensors, base, says } of refused) {
    it(what, async () => {
      try {
        // What does not fit the base is the base's matter as much as the adapter's: the module is refused, not the adapter.
        const [module] = await readFamily(type, config, tensors, base);
        assert.deepEqual([module?.delta, base === undefined], [null, false]);
        assert.match(module?.refused ?? "", says);
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        assert.match(error.message, says);
      }
    });
  }

  it("refuses a module of too many butterfly factors, and reads the others", async () => {
    const modules = await readFamily("BOFT", {}, of({ "a.boft_R": [9, 2, 2, 2], "a.boft_s": [4, 1], "b.boft_R": [1, 2, 2, 2], "b.boft_s": [4, 1] }), of({ "a.weight": [4, 4], "b.weight": [4, 4] }));
    assert.deepEqual(modules.map(({ module, delta }) => [module, delta !== null]), [["a", false], ["b", true]]);
    assert.match(modules[0]!.refused ?? "", /9 butterfly factors are more than the 8/);
  });

  const PARAMETERS: Record<string, string[]> = {
    LOHA: ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"],
    LOKR: ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"],
    OFT: ["oft_R.weight", "oft_embedding_R.weight"],
    BOFT: ["boft_R", "boft_s"],
    MISS: ["miss_block"],
    HIRA: ["hira_A", "hira_B", "hira_embedding_A", "hira_embedding_B"],
    HRA: ["hra_u"],
    ROAD: ["road_theta", "road_alpha"],
    IA3: ["ia3_l"],
    LN_TUNING: ["ln_tuning_layers.weight", "ln_tuning_layers.bias"],
    TRAINABLE_TOKENS: ["trainable_tokens_delta"],
    SHIRA: ["shira_weight", "shira_indices"],
    SUPERTUNING: ["supertuning_values", "supertuning_indices", "supertuning_lora_A.weight", "supertuning_lora_B.weight"],
    BEFT: ["beft_bias"],
    C3A: ["c3a_kernel"],
    DELORA: ["delora_A", "delora_B", "delora_lambda", "delora_w_norm"],
    GRALORA: ["gralora_A", "gralora_B", "gralora_A_general.weight", "gralora_B_general.weight"],
  };

  it("any shapes at all give an update that fits the base, or a refusal", () => fc.assert(fc.asyncProperty(
    fc.constantFrom(...Object.keys(PARAMETERS)).chain((type) => fc.record({
      type: fc.constant(type),
      shapes: fc.dictionary(fc.constantFrom(...PARAMETERS[type]!), fc.array(fc.constantFrom(0, 1, 2, 3, 4, 6, HUGE), { maxLength: 5 }), { noNullPrototype: true }),
    })),
    fc.option(fc.array(fc.constantFrom(0, 1, 2, 4, 6), { maxLength: 4 }), { nil: undefined }),
    fc.record({ group_size: fc.constantFrom(2, 4), token_indices: fc.array(fc.constantFrom(0, 1, HUGE), { maxLength: 3 }), apply_GS: fc.boolean(), coft: fc.boolean(), use_cayley_neumann: fc.boolean() }),
    async ({ type, shapes }, baseShape, config) => {
      assert.ok(families.has(type));
      const tensors: Tensors = {};
      for (const [name, shape] of Object.entries(shapes)) {
        const count = shape.reduce((product, length) => product * length, 1);
        // What a file cannot hold, its reader refuses; lengths without limit come with a length of 0.
        if (count > 10_000) continue;
        tensors[`m.${name}`] = tensorOf(shape, () => 0.5);
      }
      const base = baseShape === undefined ? undefined : { "m.weight": tensorOf(baseShape, () => 1), "m.bias": tensorOf([baseShape[0] ?? 1], () => 1) };
      try {
        for (const { tensor, shape, delta } of await readFamily(type, config, tensors, base)) {
          if (delta === null) continue;
          assert.deepEqual(shapeOf(delta), shape);
          assert.ok(shape.every((length) => Number.isSafeInteger(length)), `${tensor} [${shape.join(", ")}]`);
        }
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
      }
    },
  ), { numRuns: 3000 }));
});
