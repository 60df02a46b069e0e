/** Mapping files: what they pair, and that a pairing written as one pairs the same. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseMapping } from "../../../src/checkpoint/pairing/mapping";
import { mappingText } from "../../../src/checkpoint/pairing/mapping-text";
import { pairTensors } from "../../../src/checkpoint/pairing/pairing";
import { checkpointOf, randomTensor } from "../../adapters";
import { fixtures } from "../../files";
import { assertEqualValues, described, model, pairFiles, rowsAt, transposed, type Paired } from "../../pairs";

function mapped(a: Record<string, number[]>, b: Record<string, number[]>, text: string): Paired {
  const [x, y] = [model(a), model(b)];
  return { a: x, b: y, pairing: pairTensors(x, y, { map: parseMapping(text, "/pairs.yaml") }) };
}

describe("a mapping file", () => {
  it("carries what stars and groups stand for over to the other side", () => {
    const found = mapped(
      { "h.0.ln_1.g": [2], "h.1.ln_2.g": [3], "enc.deep.er.w": [4], "n7": [5] },
      { "block.1.norm2.gamma": [3], "block.0.norm1.gamma": [2], "E.deep.er.x": [4], "m7$": [5] },
      "- {a: 'h.*.ln_*.g', b: 'block.*.norm*.gamma'}\n- {a: 'enc.**.w', b: 'E.**.x'}\n- {a: '/n(\\d)/', b: 'm$1$$'}",
    );
    assert.deepEqual(described(found), [
      ["h.0.ln_1.g", "block.0.norm1.gamma", "map"],
      ["h.1.ln_2.g", "block.1.norm2.gamma", "map"],
      ["enc.deep.er.w", "E.deep.er.x", "map"],
      ["n7", "m7$", "map"],
    ]);
    assert.deepEqual([found.pairing.onlyInA, found.pairing.onlyInB], [[], []]);
  });

  it("comes before equal names and rules, and leaves out what it ignores", () => {
    const shapes = { "x": [2], "y": [2], "z": [2] };
    const found = mapped(shapes, shapes, "pairs:\n  - {a: x, b: y}\n  - {a: y, b: x}\nignore:\n  a: [z]\n");
    assert.deepEqual(described(found), [["x", "y", "map"], ["y", "x", "map"]]);
    assert.deepEqual([found.pairing.onlyInA, found.pairing.onlyInB], [[2], [2]]);
  });

  it("switches rules off", () => {
    const found = mapped({ "x.a": [2] }, { "p.x.a": [2] }, "off: ['prefix:p.']");
    assert.deepEqual(found.pairing.pairs, []);
    assert.deepEqual(found.pairing.rules.map(({ id, on }) => [id, on]), [["prefix:p.", false]]);
  });

  it("takes names that look like anything", () => {
    const names = ["__proto__", "a\nb", "a*b", "/a/", "a$1", "\\", "toString", "\u2028"];
    const shapes = Object.fromEntries(names.map((name, i): [string, number[]] => [`<${name}>`, [i + 1]]));
    const text = names.map((name) => `- {a: ${JSON.stringify(`<${name}>`.replace(/[\\*$]/g, "\\$&"))}, b: ${JSON.stringify(`>${name}<`.replace(/[\\*$]/g, "\\$&"))}}`).join("\n");
    const found = mapped(shapes, Object.fromEntries(Object.entries(shapes).map(([name, shape]): [string, number[]] => [`>${name.slice(1, -1)}<`, shape])), text);
    assert.equal(found.pairing.pairs.length, names.length);
  });

  it("picks rows, entries of stacks and transposes, without copying", () => {
    const [w, stack] = [randomTensor([6, 4], 1), randomTensor([3, 4, 2], 2)];
    const a = checkpointOf({ "first": rowsAt(w, [0, 1, 2]), "rest": rowsAt(w, [3, 4, 5]), "even": rowsAt(w, [0, 2, 4]), "turned": transposed({ shape: [4, 2], data: stack.data.slice(8, 16) }) });
    const b = checkpointOf({ "all": w, "again": w, "stack": stack });
    const text = [
      "- {a: first, b: {name: all, rows: [0, 3]}}",
      "- {a: rest, b: {name: all, rows: [3, 6]}}",
      "- {a: even, b: {name: again, rows: [0, 6, 1, 2]}}",
      "- {a: turned, b: {name: stack, index: 1, transpose: true}}",
    ].join("\n");
    const found: Paired = { a, b, pairing: pairTensors(a, b, { map: parseMapping(text, "/pairs.yaml") }) };
    assert.equal(found.pairing.pairs.length, 4);
    assertEqualValues(found);
  });

  const adapters = join(fixtures, "adapters");
  for (const [a, b] of [["compare/prefixes/a", "compare/prefixes/b"], ["base/llama-40", "compare/fused-split/fused"], ["base/llama-64", "compare/hf-gguf/model-f32.gguf"]] as const) {
    it(`that a pairing is written as pairs the same: ${b}`, async () => {
      const found = await pairFiles(join(adapters, a), join(adapters, b));
      const text = mappingText(found.pairing, found.a, found.b);
      const again: Paired = { ...found, pairing: pairTensors(found.a, found.b, { map: parseMapping(text, "/pairs.yaml") }) };
      assertEqualValues(again);
      const names = (of: Paired): string[][] => described(of).map(([x, y]) => [x, y]);
      assert.deepEqual(names(again), names(found));
      assert.ok(described(again).every(([, , rule]) => rule === "map" || rule === ""));
      if (b.includes("fused")) assert.equal(text.split("\n").filter((line) => line.startsWith("  - ")).length, 5, text);
    });
  }
});
