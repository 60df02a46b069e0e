/** Pairs whose sides hold their elements in another order or in another number of tensors: the views must make them bit-equal. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assertEqualValues, described, pairFiles } from "../../pairs";
import { fixtures } from "../../files";

const adapters = join(fixtures, "adapters");
const folder = join(adapters, "compare");

describe("pairing of fused and split layers", () => {
  interface Fused {
    pairs: Record<string, { concat_rows: string[] }>;
  }
  const expected = JSON.parse(readFileSync(join(folder, "fused-split/expect.json"), "utf8")) as Fused;

  for (const swapped of [false, true]) {
    it(`finds every part of the published pair${swapped ? ", the other way round" : ""}`, async () => {
      const [split, fused] = [join(adapters, "base/llama-40"), join(folder, "fused-split/fused")];
      const paired = await (swapped ? pairFiles(fused, split) : pairFiles(split, fused));
      assertEqualValues(paired);
      const found = new Map<string, string[]>();
      for (const [a, b, rule] of described(paired)) {
        if (rule === "") continue;
        const [whole, part] = swapped ? [a, b] : [b, a];
        const name = whole.replace(/\[.*$/, "");
        found.set(name, [...(found.get(name) ?? []), part]);
      }
      for (const parts of found.values()) parts.sort();
      assert.deepEqual(Object.fromEntries(found), Object.fromEntries(Object.entries(expected.pairs).map(([name, { concat_rows: rows }]) => [name, [...rows].sort()])));
      const { onlyInA, onlyInB, reshaped, pairs, alternatives } = paired.pairing;
      assert.deepEqual([onlyInA, onlyInB, reshaped, pairs.length], [[], [], [], 21]);
      assert.deepEqual(alternatives.map((ways) => ways.map(({ id }) => id)), [["gate-up", "gate-up-alternating", "up-gate"], ["qkv", "qkv-interleaved"]]);
    });
  }
});

describe("pairing of Hugging Face's and GGUF's names", () => {
  interface Named {
    pairs: Record<string, string>;
  }
  const expected = JSON.parse(readFileSync(join(folder, "hf-gguf/expect.json"), "utf8")) as Named;

  for (const swapped of [false, true]) {
    it(`is that of the published pair${swapped ? ", the other way round" : ""}`, async () => {
      const [hf, gguf] = [join(adapters, "base/llama-64"), join(folder, "hf-gguf/model-f32.gguf")];
      const paired = await (swapped ? pairFiles(gguf, hf) : pairFiles(hf, gguf));
      assert.deepEqual(Object.fromEntries(described(paired).map(([a, b]) => (swapped ? [b, a] : [a, b]))), expected.pairs);
      assert.deepEqual(paired.pairing.rules.map(({ id, pairs }) => [id, pairs]), [["rotary", 2], ["gguf", 12]]);
      assertEqualValues(paired);
    });
  }

  it("leaves llama.cpp's order of rows when that is switched off", async () => {
    const paired = await pairFiles(join(adapters, "base/llama-64"), join(folder, "hf-gguf/model-f32.gguf"), { off: new Set(["rotary"]) });
    assert.throws(() => assertEqualValues(paired), /self_attn/);
  });
});
