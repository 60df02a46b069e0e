/** Choosing ranks: by energy, and by sharing a budget. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { allocate, carrying, energyRank, suggestion, withSuggestions } from "../../../src/protocol/rank-suggestion";
import type { RankModule } from "../../../src/protocol/rank";

const module = (name: string, singularValues: number[], more: Partial<RankModule> = {}): RankModule => ({
  module: name, tensor: `${name}.weight`, type: "LORA", rank: 4, scale: 2, shape: [6, 5], deltaNorm: Math.hypot(...singularValues), unused: 0, suggestedRank: 0, parameters: 44,
  spectrum: { rows: 6, columns: 5, singularValues, frobeniusNorm: Math.hypot(...singularValues) } as RankModule["spectrum"],
  ...more,
});

const spectra = fc.array(fc.array(fc.double({ min: 1e-3, max: 10, noNaN: true }), { minLength: 1, maxLength: 8 }).map((values) => values.sort((a, b) => b - a)), { minLength: 1, maxLength: 8 });

describe("suggested ranks", () => {
  it("keep the share of energy that is asked for", () => {
    assert.deepEqual([0.5, 0.9, 0.95, 1].map((share) => energyRank([3, 2, 1], share)), [1, 2, 3, 3]);
    assert.deepEqual([energyRank([], 0.9), energyRank([0, 0], 0.9)], [0, 0]);
  });

  it("count what carries energy above the precision of f32", () => {
    assert.deepEqual([carrying([2, 1, 2e-6, 1e-6, 0]), carrying([0, 0]), carrying([])], [2, 0, 0]);
    assert.equal(carrying([1, 0.5]), 2);
  });

  it("share a budget by explained variance, as EVA does", () => {
    // Shares: 9/14, 4/14, 1/14 against 1/2, 1/2.
    assert.deepEqual(allocate([[3, 2, 1], [5, 5]], 3), [1, 2]);
    assert.deepEqual(allocate([[3, 2, 1], [5, 5]], 4), [2, 2]);
    assert.deepEqual(allocate([[3, 2, 1], [5, 5]], 3, 1), [1, 1]);
    assert.deepEqual(allocate([[1, 0], [0, 0]], 5), [1, 0]);
  });

  it("spend the budget while there are directions to spend it on, the strongest of each module first", () => {
    fc.assert(
      fc.property(spectra, fc.nat(40), (values, budget) => {
        const ranks = allocate(values, budget);
        const available = values.reduce((sum, each) => sum + carrying(each), 0);
        assert.equal(ranks.reduce((sum, rank) => sum + rank, 0), Math.min(budget, available));
        const share = (i: number, k: number): number => (values[i]![k]! ** 2) / values[i]!.reduce((sum, value) => sum + value * value, 0);
        const last = Math.min(...ranks.flatMap((rank, i) => (rank > 0 ? [share(i, rank - 1)] : [])));
        ranks.forEach((rank, i) => assert.ok(rank >= carrying(values[i]!) || share(i, rank) <= last * (1 + 1e-12)));
      }),
    );
  });

  it("become PEFT's patterns: the scale of each module stays, a module without energy is left out", () => {
    const modules = withSuggestions([module("a", [3, 2, 1]), module("b", [1]), module("c", [0])], { energy: 0.9 });
    assert.deepEqual(modules.map(({ suggestedRank }) => suggestedRank), [2, 1, 0]);
    assert.deepEqual(JSON.parse(JSON.stringify(suggestion(modules, false))), { rank_pattern: { a: 2, b: 1 }, alpha_pattern: { a: 4, b: 2 }, parametersNow: 132, parametersThen: 33 });
    // α/√r: 2·√2.
    assert.deepEqual({ ...suggestion(modules, true).alpha_pattern }, { a: 2 * Math.SQRT2, b: 2 });
  });

  it("are not asked of what has no rank beside what has one, and no name is lost", () => {
    const modules = withSuggestions([module("a", [3, 2, 1]), module("head", [3, 2, 1], { rank: null }), module("__proto__", [1])], { budget: 2 });
    assert.deepEqual(modules.map(({ suggestedRank }) => suggestedRank), [1, 3, 1]);
    assert.deepEqual(Object.keys(suggestion(modules, false).rank_pattern), ["a", "__proto__"]);
    const full = withSuggestions([module("head", [3, 2, 1], { rank: null, scale: null })], { energy: 0.5 });
    assert.deepEqual({ ...suggestion(full, false).rank_pattern }, { head: 1 });
  });

  it("give the experts of one tensor one rank, under the tensor's name", () => {
    const experts = [[3, 2, 1], [1]].map((values, expert) => module("mlp.experts", values, { tensor: "mlp.experts.down_proj", expert }));
    assert.deepEqual({ ...suggestion(withSuggestions(experts, { energy: 0.9 }), false).rank_pattern }, { "mlp.experts.down_proj": 2 });
  });
});
