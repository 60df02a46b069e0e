/** What patching does to the answers of really trained models, counted by the forward pass in plain TypeScript. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Scratch } from "../files";
import { correct, readWeights, type Weights } from "../robust/forward";
import { extract, patched, signatureFile, type Making, type Patching } from "../robust/signatures";
import { CORRUPTIONS, modelFile, results, type Corruption } from "../robust/tables";
import { CountedEngine } from "../unit/analysis/engine";

describe("patching examples/robust", () => {
  const engine = new CountedEngine();
  const scratch = new Scratch();
  after(async () => {
    await engine.dispose();
    scratch.remove();
  });

  const patchedWith = async (signatures: readonly Corruption[], making: Making, patching: Patching = {}): Promise<Weights> => {
    await extract(engine, scratch.folder, signatures, making);
    return patched(engine, scratch.folder, signatures, patching);
  };
  const counts = (weights: Weights, sets: readonly string[]): Record<string, number> => Object.fromEntries(sets.map((set) => [set, correct(weights, set)]));

  it("changes the first hundred answers of every set as counted", async () => {
    const { k, patched_with: expected } = results.quick_check;
    for (const corruption of CORRUPTIONS) {
      const weights = await patchedWith([corruption], { layers: k });
      assert.deepEqual({ clean: correct(weights, "clean", 100), [corruption]: correct(weights, corruption, 100) }, expected[corruption], corruption);
    }
  });

  for (const [corruption, variant, k, alpha] of [
    ["fog", "rws", 4, 1], ["contrast", "rws", 2, 1], ["gaussian_noise", "rws", "all", 1], ["pixelate", "rws", 3, 0.5], ["impulse_noise", "rws", 1, 1.5], ["defocus_blur", "unprojected", 4, 1],
  ] as const) {
    it(`gives the counts of the grid: ${corruption}, ${variant}, ${k} layers, α ${alpha}`, async () => {
      const row = results.grid.rows.find((one) => one.corruption === corruption && one.variant === variant && one.k === k)!;
      const at = row.alpha.indexOf(alpha);
      const weights = await patchedWith([corruption], { layers: k === "all" ? 6 : k, ...(variant === "rws" ? {} : { base: null }) }, { alpha });
      assert.deepEqual(counts(weights, ["clean", corruption]), { clean: row.clean[at], [corruption]: row.corrupted[at] });
    });
  }

  for (const [corruption, scheme, levels] of [["fog", "linear", 4], ["contrast", "log", 16], ["impulse_noise", "tanh", 8]] as const) {
    it(`gives the counts of quantised signatures: ${corruption}, ${scheme}, ${levels} levels`, async () => {
      const row = results.quantised.rows.find((one) => one.corruption === corruption && one.scheme === scheme && one.levels === levels)!;
      const weights = await patchedWith([corruption], { layers: results.quantised.k, scheme: { name: scheme, levels } });
      assert.deepEqual(counts(weights, ["clean", corruption]), { clean: row.clean, [corruption]: row.corrupted });
    });
  }

  it("carries over to another model of the same base as counted", async () => {
    const { target, k, patched: expected } = results.other_target;
    for (const [corruption, alpha] of [["fog", 1], ["contrast", 0.5]] as const) {
      assert.deepEqual(counts(await patchedWith([corruption], { layers: k }, { target, alpha }), ["clean", corruption]), expected[corruption][String(alpha)]);
    }
  });

  for (const { signatures, coefficients, each, correct: expected } of results.several.rows.slice(0, 3)) {
    it(`composes ${signatures.join(" and ")} as counted, with ${coefficients} coefficients`, async () => {
      const patching: Patching = coefficients === "authors" ? { alpha: 1, scaling: "authors" } : { alpha: each };
      assert.deepEqual(counts(await patchedWith(signatures, { layers: results.several.k }, patching), ["clean", ...signatures]), expected);
    });
  }

  it("cannot be undone by subtracting: as many elements as counted come back with other bits", async () => {
    const clean = readWeights(modelFile("clean"));
    for (const corruption of CORRUPTIONS) {
      const weights = await patchedWith([corruption], { layers: 4 });
      const signature = readWeights(signatureFile(scratch.folder, corruption));
      let [elements, changed, largest] = [0, 0, 0];
      for (const [name, { data }] of signature) {
        for (const [i, value] of data.entries()) {
          const before = clean.get(name)!.data[i]!;
          const after = Math.fround(weights.get(name)!.data[i]! - value);
          elements++;
          if (!Object.is(before, after)) changed++;
          largest = Math.max(largest, Math.abs(before - after));
        }
      }
      const { elements: all, not_bit_equal_after_add_then_subtract_in_float32: expected, largest_difference: most } = results.removal[corruption];
      assert.deepEqual([elements, changed], [all, expected], corruption);
      assert.ok(Math.abs(largest - most) < 1e-12, corruption);
    }
  });

  it("leaves every other tensor as it is", async () => {
    await patchedWith(["fog"], { layers: 2 });
    const [before, after] = [modelFile("clean"), join(scratch.folder, "patched.safetensors")].map((file) => readWeights(file));
    const chosen = new Set(results.units.slice(0, 2).flat());
    for (const [name, { data }] of before!) assert.equal(Buffer.from(data.buffer).equals(Buffer.from(after!.get(name)!.data.buffer)), !chosen.has(name), name);
  });
});
