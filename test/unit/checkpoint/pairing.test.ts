/** Which tensors belong together: equal names, prefixes, shapes; against the published relations of pairs of models. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { mappingOf, pairTensors } from "../../../src/checkpoint/pairing/pairing";
import { checkpointOf, tensorOf } from "../../adapters";
import { fixtures } from "../../files";
import { assertEqualValues, described, model, pairFiles } from "../../pairs";

const folder = join(fixtures, "adapters", "compare");

describe("pairing of tensors", () => {
  it("is by equal name first, in A's order", () => {
    const a = model({ "x.weight": [2, 3], "y.weight": [4], "only.a": [1] });
    const b = model({ "y.weight": [4], "only.b": [2, 2], "x.weight": [2, 3] });
    const pairing = pairTensors(a, b);
    assert.deepEqual(described({ a, b, pairing }), [["x.weight", "x.weight", ""], ["y.weight", "y.weight", ""]]);
    assert.deepEqual([pairing.onlyInA, pairing.onlyInB, pairing.reshaped, pairing.rules], [[2], [1], [], []]);
  });

  it("lists tensors of one name and another shape, and says what is retyped", () => {
    const a = model({ "x.weight": [2, 3], "y.weight": [4], "z.weight": [6, 1] });
    const b = checkpointOf({ "x.weight": tensorOf([3, 2], () => 0), "y.weight": tensorOf([4], () => 0), "z.weight": tensorOf([6], () => 0) }, "BF16");
    const pairing = pairTensors(a, b);
    assert.deepEqual(pairing.reshaped, [[0, 0]]);
    assert.deepEqual(pairing.pairs.map(({ retyped, shape }) => [retyped, shape]), [[true, [4]], [true, [6, 1]]]);
  });

  it("finds the prefix of the published pair, whichever side has it", async () => {
    const [a, b] = [join(folder, "prefixes/a"), join(folder, "prefixes/b")];
    for (const [x, y] of [[a, b], [b, a]] as const) {
      const paired = await pairFiles(x, y);
      const { pairing } = paired;
      assert.equal(pairing.pairs.length, 12);
      assert.deepEqual(pairing.rules.map(({ id, pairs }) => [id, pairs]), [["prefix:base_model.model.", 12]]);
      assert.ok(mappingOf(pairing, paired.a, paired.b).every(({ rule }) => rule === "prefix:base_model.model."));
      assert.deepEqual([pairing.onlyInA, pairing.onlyInB, pairing.reshaped], [[], [], []]);
      assertEqualValues(paired);
    }
    assert.deepEqual((await pairFiles(a, b, { off: new Set(["prefix:base_model.model."]) })).pairing.pairs, []);
  });

  it("recovers any prefix that one side adds", () => {
    const part = fc.stringMatching(/^[a-z_]{1,6}$/);
    const names = fc.uniqueArray(fc.tuple(part, fc.nat(3), part).map(([x, n, y]) => `${x}.${n}.${y}`), { minLength: 3, maxLength: 20 });
    fc.assert(
      fc.property(names, fc.array(part, { minLength: 1, maxLength: 4 }), (bare, modules) => {
        const prefix = `${modules.join(".")}.`;
        fc.pre(!bare.some((name) => name.startsWith(prefix) || bare.some((other) => name.endsWith(`.${other}`))));
        const a = model(Object.fromEntries(bare.map((name, i): [string, number[]] => [name, [i + 1]])));
        const b = model(Object.fromEntries(bare.map((name, i): [string, number[]] => [prefix + name, [i + 1]])));
        const pairing = pairTensors(a, b);
        assert.deepEqual(pairing.pairs.map((pair) => [pair.a.tensor, pair.b.tensor]), bare.map((_, i) => [i, i]));
      }),
    );
  });

  it("does not choose between two prefixes that fit as well, and takes the one that is left when the other is switched off", () => {
    const a = model({ "x.weight": [2], "y.weight": [3] });
    const b = model({ "teacher.x.weight": [2], "teacher.y.weight": [3], "student.x.weight": [2], "student.y.weight": [3] });
    const { pairs, rules } = pairTensors(a, b);
    assert.deepEqual([pairs, rules.map(({ id }) => id).sort()], [[], ["prefix:student.", "prefix:teacher."]]);
    assert.deepEqual(described({ a, b, pairing: pairTensors(a, b, { off: new Set(["prefix:teacher."]) }) }).map(([, name]) => name), ["student.x.weight", "student.y.weight"]);
  });

  it("exchanges prefixes, and leaves out modules that wrap others", () => {
    const names = ["0.q.weight", "0.k.weight", "1.q.weight", "1.k.weight"];
    const a = model(Object.fromEntries(names.map((name, i): [string, number[]] => [`model.layers.${name}`, [i + 1]])));
    const b = model(Object.fromEntries(names.map((name, i): [string, number[]] => [`transformer.layers.${name.replace(".weight", ".base_layer.weight")}`, [i + 1]])));
    const found = { a, b, pairing: pairTensors(a, b) };
    assert.equal(found.pairing.pairs.length, 4);
    assert.deepEqual(found.pairing.rules.map(({ id }) => id), ["wrapper:base_layer", "prefix:model.=transformer."]);
  });

  it("is one-to-one, complete, and the same with the sides exchanged", () => {
    const part = fc.constantFrom("model", "layers", "0", "1", "q_proj", "k_proj", "v_proj", "qkv_proj", "weight", "bias", "self_attn", "__proto__", "", "\n", "experts", "base_layer");
    const shapes = fc.dictionary(fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => `<${parts.join(".")}>`.slice(1, -1)), fc.constantFrom<number[]>([2, 4], [6, 4], [4], [1]), { maxKeys: 12 });
    fc.assert(
      fc.property(shapes, shapes, (x, y) => {
        const [a, b] = [model(x), model(y)];
        const pairing = pairTensors(a, b);
        const back = pairTensors(b, a);
        for (const [tensors, side, only, reshaped] of [[a.tensors, "a", pairing.onlyInA, 0], [b.tensors, "b", pairing.onlyInB, 1]] as const) {
          const paired = new Set(pairing.pairs.map((pair) => pair[side].tensor));
          const listed = [...paired, ...only, ...pairing.reshaped.map((pair) => pair[reshaped])].sort((i, j) => i - j);
          assert.deepEqual(listed, [...tensors.keys()]);
        }
        const names = (pairs: typeof pairing.pairs, from: "a" | "b", to: "a" | "b"): string[] => pairs.map((pair) => `${pair[from].tensor} ${pair[to].tensor}`).sort();
        assert.deepEqual(names(back.pairs, "b", "a"), names(pairing.pairs, "a", "b"));
      }),
      { numRuns: 300 },
    );
  });

  it("takes names of a megabyte and names that objects have", () => {
    const names = ["__proto__.weight", "constructor", "x".repeat(1 << 20), `${"y.".repeat(1 << 19)}z`, "a\nb.weight"];
    const [a, b] = [model(Object.fromEntries(names.map((name, i): [string, number[]] => [`m.${name}`, [i + 1]]))), model(Object.fromEntries(names.map((name, i): [string, number[]] => [`n.m.${name}`, [i + 1]])))];
    assert.equal(pairTensors(a, b).pairs.length, names.length);
  });

  it("pairs tied tensors that one side stores once", () => {
    const a = model({ "embed.weight": [4, 2], "head.weight": [4, 2] });
    a.tensors[0]!.sharedWith = ["head.weight"];
    a.tensors[1]!.sharedWith = ["embed.weight"];
    const b = model({ "embed.weight": [4, 2] });
    assert.deepEqual(described({ a, b, pairing: pairTensors(a, b) }), [["embed.weight", "embed.weight", ""], ["head.weight", "embed.weight", "tied"]]);
    b.tensors[0]!.sharedWith = ["head.weight"];
    assert.deepEqual(described({ a, b, pairing: pairTensors(a, b) }), [["embed.weight", "embed.weight", ""], ["head.weight", "embed.weight", ""]]);
  });
});
