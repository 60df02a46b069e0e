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
});
