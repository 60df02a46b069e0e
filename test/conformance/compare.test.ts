/** Pairs of models with planted relations: the numbers of every tensor and of the whole, as NumPy computed them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Comparison } from "../../src/analysis/compare/comparison";
import { documentOf } from "../../src/analysis/compare/document";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import type { ComparePart } from "../../src/protocol/compare";
import { toNumber, type Compare, type Pair, type Spectrum } from "../../src/protocol/results";
import { fixtures, root } from "../files";

interface Different {
  tensor: string;
  changed_bitwise: number;
  elements: number;
  delta_norm: number;
  relative: number;
  cosine: number;
  mean_abs: number;
  max_abs: number;
  max_index: number[];
  sign_flips: number;
}
interface ExpectedSpectrum {
  delta_norm: number;
  singular_values: number[];
  energy_rank: Record<"0.9" | "0.95" | "0.99", number>;
  stable_rank: number;
  effective_rank: number;
  matrix_rank: number;
}
interface Expected {
  a: string;
  b: string;
  different: Different[];
  equal: string[];
  totals: { tensors: number; equal: number; delta_norm: number; relative: number };
  spectra?: Record<string, ExpectedSpectrum>;
}

const folder = join(fixtures, "adapters", "compare");
const expectation = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as T;

let engine: EngineClient;

async function compare(a: string, b: string, parts: ComparePart[] = ["difference"], base?: string): Promise<Compare> {
  const comparison = new Comparison({ a: join(folder, a), b: join(folder, b), engine, ...(base === undefined ? {} : { base: join(folder, base) }) });
  try {
    const { failed } = await comparison.analyse({ parts });
    assert.deepEqual(failed, []);
    return await documentOf(comparison);
  } finally {
    await comparison.dispose();
  }
}

/** The expectations are written with ten digits. */
function near(found: number | string | undefined, wanted: number, what: string, tolerance = 2e-9): void {
  assert.ok(Math.abs(toNumber(found ?? NaN) - wanted) <= tolerance * Math.abs(wanted), `${what}: ${found}, not ${wanted}`);
}

function samePair(pair: Pair, wanted: Different): void {
  const { tensor, elements } = wanted;
  assert.equal(pair.a, tensor);
  assert.equal(pair.equal, false);
  near(pair.norm, wanted.delta_norm, `${tensor} norm`);
  near(pair.relative, wanted.relative, `${tensor} relative`);
  assert.ok(Math.abs(toNumber(pair.cosine) - wanted.cosine) < 1e-10, `${tensor} cosine ${pair.cosine}`);
  near(pair.meanAbs, wanted.mean_abs, `${tensor} mean`);
  near(pair.maxAbs, wanted.max_abs, `${tensor} max`);
  assert.deepEqual(pair.maxAt, wanted.max_index, tensor);
  assert.equal(pair.changed, wanted.changed_bitwise / elements, tensor);
  assert.equal(pair.signFlips, wanted.sign_flips / elements, tensor);
  assert.equal(pair.shape.reduce((product, length) => product * length, 1), elements);
}

function sameNumbers({ pairs, totals, onlyInA, onlyInB, reshaped, retyped }: Compare, expected: Expected): void {
  const different = pairs.filter(({ equal }) => !equal);
  // Worst first, as the expectation lists them.
  assert.deepEqual(different.map(({ a }) => a), expected.different.map(({ tensor }) => tensor));
  different.forEach((pair, i) => samePair(pair, expected.different[i]!));
  const equal = pairs.filter((pair) => pair.equal);
  assert.deepEqual(equal.map(({ a }) => a).sort(), [...expected.equal].sort());
  for (const { norm, relative, cosine, maxAbs, meanAbs, changed, signFlips, maxAt } of equal) assert.deepEqual([norm, relative, cosine, maxAbs, meanAbs, changed, signFlips, maxAt], [0, 0, 1, 0, 0, 0, 0, []]);
  assert.deepEqual([totals.tensors, totals.equal], [expected.totals.tensors, expected.totals.equal]);
  assert.equal(totals.changed, expected.different.reduce((sum, { changed_bitwise }) => sum + changed_bitwise, 0));
  near(totals.norm, expected.totals.delta_norm, "‖Δ‖");
  near(totals.relative, expected.totals.relative, "‖Δ‖/‖A‖");
  assert.deepEqual([onlyInA, onlyInB, reshaped, retyped], [[], [], [], []]);
}

function sameSpectrum(found: Spectrum, wanted: ExpectedSpectrum, tensor: string): void {
  near(found.frobeniusNorm, wanted.delta_norm, `${tensor} norm`);
  // What is left of rounding is known to the rounding of the rest.
  for (const [i, value] of wanted.singular_values.entries()) assert.ok(Math.abs(found.singularValues[i]! - value) <= 1e-8 * wanted.singular_values[0]!, `${tensor} σ${i + 1}: ${found.singularValues[i]}, not ${value}`);
  assert.deepEqual(found.energyRank, wanted.energy_rank, tensor);
  near(found.stableRank, wanted.stable_rank, `${tensor} stable rank`, 1e-8);
  near(found.effectiveRank, wanted.effective_rank, `${tensor} effective rank`, 1e-6);
  assert.equal(found.matrixRank, wanted.matrix_rank, tensor);
}

describe("comparison conformance", () => {
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(() => engine.dispose());

  for (const name of ["three-elements", "head-sparse", "shallow-restored", "permuted-neurons", "base-plus-adapter", "rank16-f32", "rank16-bf16"]) {
    it(`${name}: every number of every tensor`, async () => {
      const expected = expectation<Expected>(name);
      sameNumbers(await compare(join(name, expected.a), join(name, expected.b)), expected);
    });
  }

  for (const name of ["rank16-f32", "rank16-bf16"]) {
    it(`${name}: spectra of the changes`, async () => {
      const expected = expectation<Expected>(name);
      const comparison = new Comparison({ a: join(folder, name, expected.a), b: join(folder, name, expected.b), engine });
      const { pairing, a } = await comparison.opened();
      const tensors = pairing.pairs.map((pair) => a.checkpoint.tensors[pair.a.tensor]!.name);
      for (const [tensor, wanted] of Object.entries(expected.spectra!)) {
        const pair = tensors.indexOf(tensor);
        sameSpectrum(await comparison.spectrum(pair, "delta", "exact"), wanted, tensor);
        const { overlap, a: ofA, b: ofB } = await comparison.pairSpectrum(pair, "exact");
        assert.equal(overlap.left.length, 16);
        for (const cosine of [...overlap.left, ...overlap.right]) assert.ok(toNumber(cosine) >= 0 && toNumber(cosine) <= 1 + 1e-12);
        assert.ok(ofA.singularValues.length === 40 && ofB.singularValues.length === 40);
      }
      await comparison.dispose();
    });
  }

  it("base-plus-adapter: base + ΔW is the other side, and its change the update itself", async () => {
    const expected = expectation<Expected & { adapter: string; scale: number }>("base-plus-adapter");
    const { pairs, totals } = await compare(join("base-plus-adapter", expected.a), "base-plus-adapter/adapter", ["difference", "structure"]);
    const different = pairs.filter(({ equal }) => !equal);
    // The published sum holds so many times the adapter's update, rounded to F32.
    for (const { tensor, delta_norm } of expected.different) near(different.find(({ a }) => a === tensor)!.norm, delta_norm / expected.scale, tensor, 1e-6);
    assert.deepEqual([different.length, totals.equal], [expected.different.length, expected.equal.length]);
    near(totals.norm, expected.totals.delta_norm / expected.scale, "‖Δ‖", 1e-6);
  });

  it("base-plus-adapter: with a base of its own an adapter is compared with what was made of it", async () => {
    const expected = expectation<Expected & { scale: number }>("base-plus-adapter");
    const { totals } = await compare("base-plus-adapter/tuned", "base-plus-adapter/adapter", ["difference"], join("base-plus-adapter", expected.a));
    // base + ΔW − (base + 0.7·ΔW)
    near(totals.norm, (expected.totals.delta_norm * (1 - expected.scale)) / expected.scale, "‖Δ‖", 1e-5);
    await assert.rejects(compare(join("base-plus-adapter", expected.a), "base-plus-adapter/tuned", ["difference"], "base-plus-adapter/tuned"), /a base model is for adapters, and neither of the two is one/);
  });

  it("prefixes and fused-split: all equal, whatever the names and parts", async () => {
    for (const [a, b, pairs] of [["prefixes/a", "prefixes/b", 12], ["../base/llama-40", "fused-split/fused", 21]] as const) {
      for (const [x, y] of [[a, b], [b, a]] as const) {
        const { totals, mapping, summary, onlyInA, onlyInB } = await compare(x, y);
        assert.deepEqual([totals.tensors, totals.equal, totals.norm, totals.relative, totals.changed], [pairs, pairs, 0, 0, 0]);
        assert.deepEqual([onlyInA, onlyInB], [[], []]);
        assert.ok(mapping.length > 0);
        assert.deepEqual(summary, [`All ${pairs} tensors are equal, bit for bit.`]);
      }
    }
  });

  it("hf-gguf: the same values under llama.cpp's names and order; quantisation error as signal to noise", async () => {
    interface Gguf { a: string; b: string; quantised: string; pairs: Record<string, string>; q8_0_error: Record<string, { delta_norm: number; relative: number; sqnr_db: number; max_abs: number }> }
    const { a, b, quantised, pairs: names, q8_0_error: errors } = expectation<Gguf>("hf-gguf");
    const exact = await compare(join("hf-gguf", a), join("hf-gguf", b));
    assert.deepEqual(Object.fromEntries(exact.pairs.map((pair) => [pair.a, pair.b])), names);
    assert.ok(exact.pairs.every(({ equal, sqnrDb }) => equal && sqnrDb === undefined));

    const { pairs, summary } = await compare(join("hf-gguf", a), join("hf-gguf", quantised));
    for (const [tensor, wanted] of Object.entries(errors)) {
      const pair = pairs.find((each) => each.a === tensor)!;
      near(pair.norm, wanted.delta_norm, tensor);
      // Divided by a norm in single precision.
      near(pair.relative, wanted.relative, tensor, 1e-6);
      near(pair.sqnrDb, wanted.sqnr_db, `${tensor} dB`, 1e-6);
      near(pair.maxAbs, wanted.max_abs, tensor);
      const [worst] = pair.worstBlocks!;
      assert.ok(worst!.length === 32 && toNumber(worst!.norm) > 0 && toNumber(worst!.norm) < wanted.delta_norm);
    }
    assert.equal(pairs.filter(({ sqnrDb }) => sqnrDb !== undefined).length, Object.keys(errors).length);
    assert.match(summary[0]!, /^The same weights, quantised to Q8_0 in B: SQNR 45\.5 dB, worst 45\.2 dB in model\.embed_tokens\.$/);

    // The signal is the side that is not quantised, also when that is B.
    const swapped = await compare(join("hf-gguf", quantised), join("hf-gguf", a));
    for (const [tensor, wanted] of Object.entries(errors)) near(swapped.pairs.find((each) => each.b === tensor)!.sqnrDb, wanted.sqnr_db, tensor, 1e-6);
    assert.match(swapped.summary[0]!, /quantised to Q8_0 in A: SQNR/);
  });

  it("says what was planted", async () => {
    const said = async (a: string, b: string): Promise<string> => (await compare(a, b, ["difference", "structure"])).summary.join(" ");
    const base = "../base/llama-40";
    assert.match(await said(base, "rank16-f32/tuned"), /All changes are in .*attention.*; each is a rank-16 update\./);
    assert.match(await said("rank16-bf16/base", "rank16-bf16/tuned"), /; each is a rank-16 update\./);
    assert.match(await said(base, "three-elements/b"), /^Equal but for 3 elements: model\.layers\.0\.mlp\.up_proj\[27, 2\], model\.layers\.1\.self_attn\.k_proj\[5, 24\] and model\.norm\[0\]/);
    assert.match(await said(base, "permuted-neurons/permuted"), /All changes are in feed-forward .*; each holds A's values in another order\./);
    const shallow = await said(base, "shallow-restored/tuned");
    assert.match(shallow, /Only layer 0 of 2 changed \(shallow\)\./);
    assert.match(shallow, /In the tensors that changed 25\.\d % of the elements are exactly as in A \(restored/);
    const heads = await said(base, "head-sparse/tuned");
    assert.match(heads, /o_proj: heads 1 and 3/);
    assert.match(heads, /v_proj: head 2/);
  });
});
