/** The sentences about two models, from hand-made pairs. */
import assert from "node:assert/strict";
import { pairNumbers } from "../../../../src/analysis/compare/numbers";
import { summarise, type Compared, type Whole } from "../../../../src/analysis/compare/summary";
import { kindOf, layerOf } from "../../../../src/checkpoint/structure";
import type { DifferenceResult } from "../../../../src/engine/protocol";
import type { Structure } from "../../../../src/protocol/results";

const how = { method: "one pass over both", precision: "f64", exact: true, backend: "cpu", threads: 1 };
interface Made {
  norm?: number;
  count?: number;
  differing?: number;
  beyond?: number;
  structure?: Structure;
  shape?: number[];
  dtypes?: { a: string; b: string };
  quantised?: "a" | "b";
}

/** A pair with ‖A‖ = 10 of 1000 elements; `norm` of its change, 0 for equal. */
function pair(name: string, { norm = 0, count = 1000, differing = norm === 0 ? 0 : count, beyond = differing, structure, shape = [10, 100], dtypes = { a: "F32", b: "F32" }, quantised }: Made = {}): Compared {
  const side = { l2: 10, nan: 0, positiveInfinity: 0, negativeInfinity: 0 };
  const difference: DifferenceResult = { count, compared: count, a: side, b: side, norm, dot: 100, sumAbs: norm, maxAbs: norm, maxAt: norm === 0 ? null : 7, differing, beyond, signFlips: 0, how };
  const numbers = pairNumbers(difference, [count], quantised);
  return { name, kind: kindOf(name, shape), layer: layerOf(name), shape, dtypes, difference, numbers, ...(structure === undefined ? {} : { structure }), ...(quantised === undefined ? {} : { quantised }) };
}
const layer = (i: number, of: Made, rest: Made = {}): Compared[] => [
  pair(`model.layers.${i}.self_attn.q_proj.weight`, of),
  pair(`model.layers.${i}.self_attn.v_proj.weight`, of),
  pair(`model.layers.${i}.mlp.up_proj.weight`, rest),
];
const said = (compared: Compared[], whole: Partial<Whole> = {}): string[] => summarise({ compared, left: 0, onlyInA: 0, onlyInB: 0, reshaped: 0, ...whole });
const rank = (r: number): Structure => ({ kind: "low-rank", rank: r, share: 1, sentence: `a rank-${r} update` });

describe("summary of a comparison", () => {
  it("says that all is equal, and what has no partner", () => {
    assert.deepEqual(said([pair("a"), pair("b")]), ["All 2 tensors are equal, bit for bit."]);
    assert.deepEqual(said([pair("a"), pair("b")], { onlyInA: 1, onlyInB: 3, reshaped: 2 }), ["All 2 pairs are equal, bit for bit.", "1 tensor is only in A, 3 tensors are only in B and 2 tensors have another shape."]);
    assert.deepEqual(said([], { onlyInA: 4, onlyInB: 1 }), ["The two have no tensor in common.", "4 tensors are only in A and 1 tensor is only in B."]);
    assert.deepEqual(said([], { left: 3 }), []);
  });

  it("names the few that differ", () => {
    const equal = [pair("model.embed_tokens.weight"), ...layer(0, {}), ...layer(1, {})];
    assert.deepEqual(said([...equal, pair("lm_head.weight", { norm: 1 })]), ["Equal but for lm_head."]);
    assert.deepEqual(said([...equal, pair("lm_head.weight", { norm: 1, differing: 1 })]), ["Equal but for 1 element: lm_head[7]."]);
  });

  it("says where changes are, and of what rank", () => {
    const models = [...layer(0, { norm: 1, structure: rank(16) }), ...layer(1, { norm: 1, structure: rank(16) })];
    assert.deepEqual(said(models), ["All changes are in attention (4 of 6 tensors, ‖Δ‖/‖A‖ = 8.2 %); each is a rank-16 update.", "2 tensors with 33.3 % of the parameters are equal (frozen)."]);
    const mixed = [...layer(0, { norm: 1, structure: rank(4) }), ...layer(1, { norm: 1, structure: rank(8) })];
    assert.match(said(mixed)[0]!, /; each is an update of low rank \(4 to 8\)\.$/);
    const both = [...layer(0, { norm: 1, structure: rank(4) }), ...layer(1, { norm: 1, structure: { kind: "none", share: 1, sentence: "a dense change" } })];
    assert.ok(said(both).includes("2 tensors are changed by a rank-4 update."));
  });

  it("says which layers changed, and where most of the change is", () => {
    const six = [0, 1, 2, 3, 4, 5];
    const changed = (norms: number[]): string[] => said(six.flatMap((i) => layer(i, norms[i] === 0 ? {} : { norm: norms[i]! })));
    assert.ok(changed([1, 1, 0, 0, 0, 0]).includes("Only layers 0–1 of 6 changed (shallow)."));
    assert.ok(changed([0, 0, 0, 0, 1, 1]).includes("Only layers 4–5 of 6 changed (deep)."));
    assert.ok(changed([1, 0, 0, 1, 1, 0]).includes("Only layers 0 and 3–4 of 6 changed."));
    // 2·(9 + 9)/2·(9 + 9 + 1 + 1 + 1 + 1) = 81.8 %
    assert.ok(changed([3, 3, 1, 1, 1, 1]).includes("81.8 % of ‖Δ‖² in the layers is in the first 2 of 6 (shallow)."));
    assert.ok(changed([1, 1, 1, 1, 3, 3]).includes("81.8 % of ‖Δ‖² in the layers is in the last 2 of 6 (deep)."));
    assert.ok(!changed([1, 1, 1, 1, 1, 1]).some((sentence) => /shallow|deep/.test(sentence)));
  });

  it("tells restored elements from confined changes", () => {
    const restored = said([0, 1].flatMap((i) => layer(i, { norm: 1, differing: 740 })));
    assert.ok(restored.includes("In the tensors that changed 26.0 % of the elements are exactly as in A (restored, or never changed)."));
    const heads: Structure = { kind: "heads", indices: [1], axis: 0, size: 8, share: 0.2, sentence: "head 1" };
    assert.ok(!said([0, 1].flatMap((i) => layer(i, { norm: 1, differing: 200, structure: heads }))).some((sentence) => sentence.includes("restored")));
    const coarse = said([0, 1].flatMap((i) => layer(i, { norm: 1, differing: 740, dtypes: { a: "BF16", b: "BF16" } })));
    assert.ok(coarse.some((sentence) => sentence.includes("changed by less than their type can tell")));
  });

  it("counts what changed of a sparse update, over all layers", () => {
    // S2FT's default ratios on Llama 2 7B (row 35's golden counts): 53 of 32·32 heads, 7045 of 32·11008 channels.
    const [heads, channels, layers] = [53, 7045, 32];
    const share = (total: number, i: number): number[] => Array.from({ length: Math.floor(total / layers) + (i < total % layers ? 1 : 0) }, (_, k) => k);
    const sparse = (indices: number[], columns: number, structure: Pick<Structure, "kind" | "size">): Made => ({ norm: 1, shape: [4096, columns], structure: { ...structure, indices, axis: 1, share: 0.01, sentence: "" } });
    const model = Array.from({ length: layers }, (_, i) => [
      pair(`model.layers.${i}.self_attn.o_proj.weight`, sparse(share(heads, i), 4096, { kind: "heads", size: 128 })),
      pair(`model.layers.${i}.mlp.down_proj.weight`, sparse(share(channels, i), 11_008, { kind: "columns" })),
    ]).flat();
    const sentences = said(model);
    assert.ok(sentences.includes("In 32 tensors only some heads changed: 53 of 1,024 (5.2 %)."), sentences.join("\n"));
    assert.ok(sentences.includes("In 32 tensors only some columns changed: 7,045 of 352,256 (2 %)."), sentences.join("\n"));
  });

  it("calls quantised weights the same, with their noise", () => {
    const made = { norm: 0.1, dtypes: { a: "F32", b: "Q8_0" }, quantised: "b" } as const;
    assert.deepEqual(said([pair("a.weight", made), pair("b.weight", { ...made, norm: 0.2 }), pair("norm")]), [
      // 20·log₁₀(√200/√0.05) and 20·log₁₀(10/0.2)
      "The same weights, quantised to Q8_0 in B: SQNR 36.0 dB, worst 34.0 dB in b.",
      "The other tensor is equal.",
    ]);
    assert.match(said([pair("a", { ...made, norm: 12 })])[0]!, /^Other weights: B is quantised to Q8_0: SQNR -1\.6 dB/);
  });

  it("calls rounded weights the same", () => {
    const dtypes = { a: "F32", b: "BF16" };
    assert.deepEqual(said([pair("a", { norm: 0.01, beyond: 0, dtypes }), pair("b", { dtypes })]), ["The same weights but for rounding to BF16 (B): ‖Δ‖/‖A‖ = 0.071 %."]);
    assert.doesNotMatch(said([pair("a", { norm: 0.01, beyond: 1, dtypes })])[0]!, /rounding/);
  });

  it("says how far it is", () => {
    assert.deepEqual(said([pair("a")], { left: 1 }), ["Of 1 of 2 pairs compared: the one tensor is equal, bit for bit."]);
    assert.match(said([pair("a", { norm: 1 })], { left: 1 })[0]!, /^Of 1 of 2 pairs compared: every tensor differs \(1 tensor, ‖Δ‖\/‖A‖ = 10\.0 %\)\.$/);
  });
});
