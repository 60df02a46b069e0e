/** What a change looks like: planted in matrices of other sizes, types and noise than the reference pairs. */
import assert from "node:assert/strict";
import type { Engine } from "../../../src/analysis/engine";
import { greatestCommonDivisor, runLength } from "../../../src/analysis/structure/lines";
import { assigned, mostLeft } from "../../../src/analysis/structure/permutation";
import { relativeRounding } from "../../../src/analysis/structure/rounding";
import { indexList, percent } from "../../../src/analysis/structure/words";
import { at, randomTensor, tensorOf } from "../../adapters";
import { EvaluatedEngine } from "../../evaluated-engine";
import { rounded, type Values } from "../../expressions";
import { lines, lowRank, normal, plus, reordered, shuffled, structures, type Pairs, type Rounding } from "../../planted";
import { CountedEngine } from "./engine";

const W = "model.layers.3.mlp.down_proj.weight";

/** The structure of one change. */
async function of(engine: Engine, a: Values, b: Values, dtype: Rounding = "F32", name = W) {
  return (await structures(engine, { [name]: [a, b] }, { dtype }))[name]!;
}

function findsWhatWasPlanted(engine: () => Engine): void {
  describe("low rank", () => {
    for (const [dtype, rows, columns, rank, deviation] of [
      ["F32", 24, 40, 1, 1e-3], ["F32", 40, 24, 8, 1e-5], ["F32", 33, 33, 24, 0.02], ["F16", 48, 32, 4, 0.01], ["BF16", 32, 48, 4, 0.01], ["BF16", 64, 64, 8, 0.02],
    ] as const) {
      it(`${rank} of ${rows} × ${columns} in ${dtype}, elements of about ${deviation}`, async () => {
        const a = normal([rows, columns], rank + rows, 0.08, dtype);
        const update = lowRank([rows, columns], rank, rank + columns, deviation);
        const structure = await of(engine(), a, plus(a, (i) => update.data[i]!, dtype), dtype);
        assert.deepEqual([structure.kind, structure.rank, structure.sentence], ["low-rank", rank, `a rank-${rank} update`]);
      });
    }

    it("of both sides rounded, from a finer original", async () => {
      const original = normal([48, 48], 5);
      const update = lowRank([48, 48], 3, 6, 0.02);
      const structure = await of(engine(), tensorOf([48, 48], (i) => rounded(original.data[i]!, "BF16")), plus(original, (i) => update.data[i]!, "BF16"), "BF16");
      assert.deepEqual([structure.kind, structure.rank], ["low-rank", 3]);
    });

    it("not of a convolution's change that is dense", async () => {
      const [a, change] = [normal([16, 8, 3, 3], 7), normal([16, 8, 3, 3], 8, 1e-3)];
      const structure = await of(engine(), a, plus(a, (i) => change.data[i]!), "F32", "layer1.0.conv1.weight");
      assert.deepEqual([structure.kind, structure.sentence], ["none", "a dense change of full rank"]);
    });
  });

  describe("dense changes are none of these", () => {
    const random = (a: Values, seed: number, deviation: number, dtype: Rounding): Values => {
      const noise = normal(a.shape, seed, deviation);
      return plus(a, (i) => noise.data[i]!, dtype);
    };
    /** Steps of one size in the direction of each sign, as the first steps of AdamW are, and decay. */
    const adamW = (a: Values, seed: number, rate: number, dtype: Rounding): Values => {
      const gradient = lowRank(a.shape as [number, number], 3, seed, 1);
      const noise = normal(a.shape, seed + 5, 0.7);
      return plus(a, (i) => -rate * Math.tanh(3 * (gradient.data[i]! + noise.data[i]!)) - rate * 0.01 * a.data[i]!, dtype);
    };
    for (const dtype of ["F32", "F16", "BF16"] as const) {
      for (const [what, change] of [["random", random], ["AdamW's", adamW]] as const) {
        for (const size of [1e-5, 3e-4, 1e-3, 1e-2, 0.2]) {
          it(`${what}, of ${size}, in ${dtype}`, async () => {
            const a = normal([40, 56], 11, 0.08, dtype);
            const b = change(a, 12, size, dtype);
            const { kind, sentence } = await of(engine(), a, b, dtype);
            assert.equal(kind, "none", sentence);
          });
        }
      }
    }
  });

  describe("multiples", () => {
    for (const [dtype, factor] of [["F32", 1.1], ["BF16", 0.9], ["F16", -1], ["F32", 0], ["F32", 1.00001]] as const) {
      it(`${factor} in ${dtype}`, async () => {
        const a = normal([20, 12], 21, 0.08, dtype);
        const structure = await of(engine(), a, tensorOf([20, 12], (i) => rounded(factor * a.data[i]!, dtype)), dtype);
        assert.equal(structure.kind, "scaled", structure.sentence);
        assert.ok(Math.abs(Number(structure.factor) - factor) < (dtype === "F32" ? 1e-7 : 1e-3), String(structure.factor));
      });
    }

    it("not of a vector that only lies near one", async () => {
      const a = normal([64], 22);
      assert.equal((await of(engine(), a, plus(a, (i) => 0.1 * a.data[i]! + 1e-4 * Math.sin(i)))).kind, "none");
    });
  });

  describe("rows, columns and blocks", () => {
    const noise = randomTensor([2000], 30).data;
    const change = (a: Values, which: (row: number, column: number) => boolean): Values => plus(a, (i) => (which(Math.floor(i / a.shape[1]!), i % a.shape[1]!) ? 1e-3 * (2 + noise[i]!) : 0));
    const a = normal([30, 42], 31);
    const b = (which: (row: number, column: number) => boolean): Values => change(a, which);

    it("rows", async () => assert.deepEqual(await of(engine(), a, b((row) => [2, 17, 29].includes(row))), { kind: "rows", indices: [2, 17, 29], axis: 0, share: 0.1, sentence: "rows 2, 17 and 29 of 30 changed" }));
    it("columns", async () => assert.deepEqual(await of(engine(), a, b((_, column) => column === 41)), { kind: "columns", indices: [41], axis: 1, share: 1 / 42, sentence: "column 41 of 42 changed" }));
    it("most rows, but not all", async () => assert.deepEqual((await of(engine(), a, b((row) => row !== 4))).indices, Array.from({ length: 30 }, (_, i) => i).filter((i) => i !== 4)));
    it("rows in some columns", async () => {
      const { kind, indices, sentence } = await of(engine(), a, b((row, column) => (row === 3 || row === 8) && column < 7));
      assert.deepEqual([kind, indices, sentence], ["rows", [3, 8], "rows 3 and 8 of 30 changed, in columns 0–6 of 42"]);
    });
    it("lines whose change is next to nothing beside the others' are not counted", async () => {
      const tiny = plus(b((row) => row === 5), (i) => (Math.floor(i / 42) === 9 ? 1e-10 : 0));
      // In F32 1e-10 is lost beside 0.08, but not beside numbers as small.
      const small = tensorOf([30, 42], (i) => rounded(Math.floor(i / 42) === 9 ? 1e-9 : tiny.data[i]!, "F32"));
      const from = tensorOf([30, 42], (i) => (Math.floor(i / 42) === 9 ? 0 : a.data[i]!));
      assert.deepEqual((await of(engine(), from, small)).indices, [5]);
    });
    it("runs of rows", async () => {
      const wide = normal([64, 10], 32);
      const { kind, indices, size, axis } = await of(engine(), wide, change(wide, (row) => Math.floor(row / 16) % 2 === 1));
      assert.deepEqual([kind, indices, size, axis], ["blocks", [1, 3], 16, 0]);
    });
    it("experts of a stack", async () => {
      const stack = normal([6, 8, 10], 33);
      const { kind, indices } = await of(engine(), stack, plus(stack, (i) => (Math.floor(i / 80) === 4 ? 0.1 : 0)), "F32", "model.layers.0.mlp.experts.down_proj");
      assert.deepEqual([kind, indices], ["blocks", [4]]);
    });
    it("input channels of a convolution", async () => {
      const conv = normal([8, 6, 3, 3], 34);
      const { kind, indices, share } = await of(engine(), conv, plus(conv, (i) => (Math.floor(i / 9) % 6 === 2 ? 0.1 : 0)), "F32", "layer1.0.conv1.weight");
      assert.deepEqual([kind, indices, share], ["columns", [2], 1 / 6]);
    });
    it("scattered elements are no pattern", async () => {
      const { kind, sentence } = await of(engine(), a, b((row, column) => (7 * row + 11 * column) % 97 === 0));
      assert.deepEqual([kind, / elements of 1,260 changed, in no pattern$/.test(sentence)], ["none", true], sentence);
    });
  });

  describe("heads", () => {
    const heads = { size: 12, query: 6, keyValue: 2 };
    const p = "model.layers.0.self_attn.";
    const changed = (a: Values, lines: number[], axis: 0 | 1): Values => plus(a, (i) => (lines.includes(axis === 0 ? Math.floor(i / a.shape[1]!) : i % a.shape[1]!) ? 0.01 * Math.cos(i) + 0.02 : 0));
    const pair = (shape: number[], seed: number, units: number[], axis: 0 | 1): readonly [Values, Values] => {
      const a = normal(shape, seed);
      return [a, changed(a, lines(units, 12), axis)];
    };

    it("of grouped queries", async () => {
      const found = await structures(engine(), { [`${p}q_proj.weight`]: pair([72, 20], 41, [0, 5], 0), [`${p}k_proj.weight`]: pair([24, 20], 42, [1], 0), [`${p}o_proj.weight`]: pair([20, 72], 43, [2, 3], 1) }, { heads });
      assert.deepEqual(Object.values(found).map(({ kind, indices, size, axis }) => [kind, indices, size, axis]), [["heads", [0, 5], 12, 0], ["heads", [1], 12, 0], ["heads", [2, 3], 12, 1]]);
      assert.equal(found[`${p}k_proj.weight`]!.sentence, "key-value head 1 of 2 changed");
    });

    it("not of rows that cross them", async () => {
      const a = normal([72, 20], 44);
      const { [`${p}q_proj.weight`]: found } = await structures(engine(), { [`${p}q_proj.weight`]: [a, changed(a, [10, 11, 12, 13], 0)] }, { heads });
      assert.deepEqual([found!.kind, found!.indices], ["rows", [10, 11, 12, 13]]);
    });
  });

  describe("restored elements", () => {
    it("are counted exactly", async () => {
      const a = normal([40, 30], 51);
      const kept = randomTensor([1200], 52).data.map((x) => (x < -0.98 ? 1 : 0));
      const count = kept.reduce((sum, x) => sum + x, 0);
      const change = normal([40, 30], 55, 0.01);
      const { kind, unchangedShare } = await of(engine(), a, plus(a, (i) => (kept[i] === 1 ? 0 : change.data[i]!)));
      assert.deepEqual([kind, unchangedShare], ["none", count / 1200]);
    });
    it("are not elements that the change is too small to reach", async () => {
      const a = normal([40, 30], 53, 0.08, "BF16");
      const noise = normal([40, 30], 54, 2e-4);
      const b = plus(a, (i) => noise.data[i]!, "BF16");
      assert.ok(b.data.some((x, i) => x === a.data[i]));
      assert.equal((await of(engine(), a, b, "BF16")).unchangedShare, undefined);
    });
  });

  describe("orders", () => {
    /** A feed-forward block and its copy in another order, with noise. */
    const block = (units: number, width: number, seed: number, noise: number, dtype: Rounding = "F32"): { pairs: Pairs; order: number[] } => {
      const order = shuffled(units, seed);
      const p = "model.layers.1.mlp.";
      const one = (shape: number[], axis: 0 | 1, i: number): Pairs[string] => {
        const a = normal(shape, seed + i, 0.08, dtype);
        const extra = normal(shape, seed + i + 50, noise === 0 ? 1 : noise);
        return [a, plus(reordered(a, order, axis), (k) => (noise === 0 ? 0 : extra.data[k]!), dtype)];
      };
      return { order, pairs: { [`${p}gate_proj.weight`]: one([units, width], 0, 1), [`${p}up_proj.weight`]: one([units, width], 0, 2), [`${p}down_proj.weight`]: one([width, units], 1, 3) } };
    };
    for (const [units, width, noise, dtype] of [[24, 10, 0, "F32"], [40, 16, 0, "BF16"], [24, 16, 0.01, "F32"], [32, 24, 0.03, "BF16"], [36, 20, 0.02, "F16"]] as const) {
      it(`of ${units} hidden units, noise ${noise}, in ${dtype}`, async () => {
        const { pairs, order } = block(units, width, 61 + units, noise, dtype);
        for (const [name, { kind, permutation, sentence }] of Object.entries(await structures(engine(), pairs, { dtype }))) {
          assert.deepEqual([kind, permutation], ["permuted", order], `${name}: ${sentence}`);
          assert.match(sentence, noise === 0 ? /values as in A$/ : /found by the closest match/);
        }
      });
    }

    it("of a tensor of no block", async () => {
      const a = normal([20, 9], 71);
      const order = shuffled(20, 72);
      const { kind, permutation, axis } = await of(engine(), a, reordered(a, order, 0), "F32", "table.weight");
      assert.deepEqual([kind, permutation, axis], ["permuted", order, 0]);
    });

    it("says where equal rows leave the order open", async () => {
      const a = tensorOf([20, 9], (i) => (i < 18 ? [1, 2, 3, 4, 5, 6, 7, 8, 9][i % 9]! : randomTensor([180], 73).data[i]!));
      const { kind, sentence } = await of(engine(), a, reordered(a, shuffled(20, 74), 0), "F32", "table.weight");
      assert.equal(kind, "permuted");
      assert.match(sentence, /; 2 rows are equal to others, so that their order among themselves is not known$/);
    });

    it("not of two models that have nothing in common", async () => {
      const p = "model.layers.1.mlp.";
      const pairs: Pairs = { [`${p}gate_proj.weight`]: [normal([32, 12], 81), normal([32, 12], 82)], [`${p}up_proj.weight`]: [normal([32, 12], 83), normal([32, 12], 84)], [`${p}down_proj.weight`]: [normal([12, 32], 85), normal([12, 32], 86)], "table.weight": [normal([60, 17], 87), normal([60, 17], 88)] };
      for (const { kind, sentence } of Object.values(await structures(engine(), pairs))) assert.equal(kind, "none", sentence);
    });

    it("of attention heads, grouped", async () => {
      const heads = { size: 4, query: 6, keyValue: 3 };
      const [query, shared] = [lines([4, 5, 0, 1, 2, 3], 4), lines([2, 0, 1], 4)];
      const p = "model.layers.0.self_attn.";
      const one = (shape: number[], seed: number, order: number[], axis: 0 | 1): Pairs[string] => [normal(shape, seed), reordered(normal(shape, seed), order, axis)];
      const found = await structures(engine(), { [`${p}q_proj.weight`]: one([24, 15], 91, query, 0), [`${p}k_proj.weight`]: one([12, 15], 92, shared, 0), [`${p}v_proj.weight`]: one([12, 15], 93, shared, 0), [`${p}o_proj.weight`]: one([15, 24], 94, query, 1) }, { heads });
      assert.deepEqual(Object.values(found).map(({ kind, permutation, size }) => [kind, permutation, size]), [["permuted", query, 4], ["permuted", shared, 4], ["permuted", shared, 4], ["permuted", query, 4]]);
      assert.equal(found[`${p}q_proj.weight`]!.sentence, "6 heads of 6 in another place, values as in A");
    });

    it("nine channels, two of them trained, where a difference as stored shows eight", async () => {
      const channels = [4, 7, 0, 1, 2, 3, 5, 6, 8];
      const p = "layers.0.mlp.";
      const [gate, up, down] = [normal([9, 8], 101), normal([9, 8], 102), normal([8, 9], 103)];
      const trained = plus(down, (i) => ([4, 7].includes(i % 9) ? 1 : 0));
      const stored = reordered(trained, channels, 1);
      const naive = channels.filter((_, column) => Array.from({ length: 8 }, (_, row) => at(stored, row, column) - at(down, row, column)).some((x) => x !== 0)).length;
      const found = await structures(engine(), { [`${p}gate_proj.weight`]: [gate, reordered(gate, channels, 0)], [`${p}up_proj.weight`]: [up, reordered(up, channels, 0)], [`${p}down_proj.weight`]: [down, stored] });
      assert.equal(naive, 8);
      assert.deepEqual([found[`${p}gate_proj.weight`]!.kind, found[`${p}gate_proj.weight`]!.permutation], ["permuted", channels]);
      assert.deepEqual(found[`${p}down_proj.weight`], {
        kind: "columns", indices: [0, 1], indicesOfA: [4, 7], permutation: channels, axis: 1, share: 2 / 9,
        sentence: "columns 4 and 7 of A changed, once the order is recovered from the tensors whose values are A's: 8 hidden units of 9 in another place, so that these are 0 and 1 in B",
      });
    });

    it("trained heads in another order", async () => {
      const heads = { size: 4, query: 5, keyValue: 5 };
      const order = [3, 0, 1, 2, 4];
      const p = "layers.0.self_attn.";
      const [q, o] = [normal([20, 20], 111), normal([20, 20], 112)];
      const trained = plus(o, (i) => (Math.floor((i % 20) / 4) === 3 ? 0.5 : 0));
      const found = await structures(engine(), { [`${p}q_proj.weight`]: [q, reordered(q, lines(order, 4), 0)], [`${p}o_proj.weight`]: [o, reordered(trained, lines(order, 4), 1)] }, { heads });
      const { kind, indices, indicesOfA, size } = found[`${p}o_proj.weight`]!;
      assert.deepEqual([kind, indices, indicesOfA, size], ["heads", [0], [3], 4]);
    });
  });
}

describe("structure of a change", () => {
  describe("by the independent evaluator", () => findsWhatWasPlanted(() => new EvaluatedEngine()));

  describe("by the engine", () => {
    const engine = new CountedEngine();
    after(() => engine.dispose());
    findsWhatWasPlanted(() => engine);

    it("tiles", async () => {
      const a = normal([48, 64], 121);
      const which = (i: number): boolean => [1, 6, 11].includes(Math.floor(Math.floor(i / 64) / 16) * 4 + Math.floor((i % 64) / 16));
      const { kind, indices, size } = await of(engine, a, plus(a, (i) => (which(i) ? 0.01 : 0)), "F32", "table.weight");
      assert.deepEqual([kind, indices, size], ["blocks", [1, 6, 11], 16]);
    });
  });

  it("parts of it", () => {
    assert.equal(greatestCommonDivisor(12, 18), 6);
    assert.equal(runLength({ count: 40, changed: [16, 17, 18, 19, 20, 21, 22, 23] }), 8);
    assert.equal(runLength({ count: 40, changed: [3] }), 1);
    assert.deepEqual(assigned(["x", "y", "x", "z"], ["x", "x", "z", "y"]), { permutation: [0, 2, 3, 1], ambiguous: 2 });
    assert.equal(indexList([1, 2, 3, 5, 8, 9]), "1–3, 5, 8 and 9");
    assert.equal(percent(0.2574), "25.7 %");
    // Steps of 2⁻²³ at 1, uniform error.
    assert.ok(Math.abs(relativeRounding("F32")! - (2 ** -23 * 0.68) / Math.sqrt(12)) < 1e-10);
    assert.equal(relativeRounding("I8"), null);
    assert.ok(mostLeft(64, 120) > 0.24 && mostLeft(1000, 16) < 0.15);
  });
});
