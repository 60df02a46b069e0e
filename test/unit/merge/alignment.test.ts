/** Rows of vocabulary tensors in the output's order: which row stands in where a model lacks a token, in numbers that can be worked out by hand. */
import assert from "node:assert/strict";
import type { Expression, FloatType } from "../../../src/engine/protocol";
import { aligned as alignedOf, lostTokens, type Rows } from "../../../src/merge/tokenizer/alignment";
import { outputVocabulary } from "../../../src/merge/tokenizer/output-vocabulary";
import { parseVocabulary } from "../../../src/merge/tokenizer/vocabulary";
import { evaluate } from "../../expressions";

/** A tensor of rows of two. */
const tensor = (...rows: number[][]): Expression => ({ kind: "compute", operation: { name: "literal", shape: [rows.length, 2], values: rows.flat() }, of: [] });
const valuesOf = (expression: Expression | null): number[][] => {
  const { shape, data } = evaluate(expression!);
  return Array.from({ length: shape[0]! }, (_, i) => [...data.subarray(2 * i, 2 * i + 2)]);
};
const rowsOf = (own: number[][], options: Partial<Rows> & { base?: number; lends?: number } = {}): Rows => ({
  count: own[0]!.length,
  padded: options.padded ?? own[0]!.length,
  models: own.map((ids, i) => ({ own: Int32Array.from(ids), merged: i !== options.lends, base: i === options.base })),
  table: options.table ?? new Map(),
});

/** With all models taking part, unless it is said. */
const aligned = (rows: Rows, tensors: (Expression | null)[], dtype: FloatType, takesPart = tensors.map(() => true), ...more: number[]) => alignedOf(rows, tensors, dtype, takesPart, ...more);

describe("rows of vocabulary tensors", () => {
  const a = tensor([1, 10], [2, 20]);
  const b = tensor([3, 30], [5, 50]);
  const c = tensor([7, 70], [9, 90]);

  it("are a model's own, else the only owner's, the base's, the mean of the owners, or zeros", () => {
    // Tokens: of all; of b only; of a and b; of nobody.
    const own = [[0, -1, 1, -1], [1, 0, 1, -1], [1, -1, -1, -1]];
    assert.deepEqual(aligned(rowsOf(own), [a, b, c], "F32").map(valuesOf), [
      [[1, 10], [3, 30], [2, 20], [0, 0]],
      [[5, 50], [3, 30], [5, 50], [0, 0]],
      [[9, 90], [3, 30], [3.5, 35], [0, 0]],
    ]);
    assert.deepEqual(valuesOf(aligned(rowsOf(own, { base: 0 }), [a, b, c], "F32")[2]!), [[9, 90], [3, 30], [2, 20], [0, 0]]);
  });

  it("are means that are rounded at every step", () => {
    // In bfloat16 1 + 2^-8 is half-way and becomes 1 each time; the exact sum 1 + 2^-7 would be kept. Then divided by 3.
    const tiny = 2 ** -8;
    const [, , , mean] = aligned(rowsOf([[0], [0], [0], [-1]]), [tensor([1, 3]), tensor([tiny, 0]), tensor([tiny, 0]), tensor([0, 0])], "BF16");
    assert.deepEqual(valuesOf(mean!), [[0.333984375, 1]]);
  });

  it("come from the token table where a model lacks the token, with force in all", () => {
    const own = [[0, -1, 1], [0, 1, 1]];
    const table: Rows["table"] = new Map([
      [0, { source: { kind: "row", model: 1, row: 1 }, force: true }],
      [1, { source: { kind: "zero" }, force: false }],
    ]);
    assert.deepEqual(aligned(rowsOf(own, { table }), [a, b], "F32").map(valuesOf), [
      [[5, 50], [0, 0], [2, 20]],
      [[5, 50], [5, 50], [5, 50]],
    ]);
  });

  it("are taken from those models only that have the tensor and are merged", () => {
    const own = [[0, -1], [0, 1], [0, 1]];
    assert.deepEqual(aligned(rowsOf(own), [a, null, c], "F32").map((each) => each && valuesOf(each)), [[[1, 10], [9, 90]], null, [[7, 70], [9, 90]]]);
    assert.deepEqual(valuesOf(aligned(rowsOf(own, { lends: 1 }), [a, b, c], "F32")[0]!), [[1, 10], [9, 90]]);
    assert.deepEqual(aligned(rowsOf(own), [null, null, null], "F32"), [null, null, null]);
  });

  it("are zeros for tokens of models that are merged elsewhere only, unless the table names them", () => {
    const own = [[0, -1, -1], [0, 1, -1], [0, -1, 1]];
    const rows = rowsOf(own, { table: new Map([[2, { source: { kind: "row", model: 2, row: 1 }, force: false }]]) });
    assert.deepEqual(valuesOf(aligned(rows, [a, b, c], "F32", [true, false, false])[0]!), [[1, 10], [0, 0], [9, 90]]);
    assert.equal(lostTokens(rows, [true, false, false]), 1);
    assert.equal(lostTokens(rows, [true, true, false]), 0);
  });

  it("are filled up by the mean of all others, computed piece by piece", () => {
    assert.deepEqual(valuesOf(aligned(rowsOf([[1, 0, 2]], { padded: 8 }), [tensor([1, 2], [4, 8], [4, 2])], "F32")[0]!), [[4, 8], [1, 2], [4, 2], ...Array.from({ length: 5 }, () => [3, 4])]);
    const [piecewise] = aligned(rowsOf([[3, 1, 0, 2, 4]], { padded: 6 }), [tensor([1, 2], [4, 8], [4, 2], [6, 0], [5, 8])], "F32", [true], 4);
    assert.deepEqual(valuesOf(piecewise!).at(-1), [4, 4]);
    assert.equal(JSON.stringify(piecewise).match(/"kind":"slice"/g)?.length, 3);
  });

  it("may be of vectors", () => {
    const bias = (...values: number[]): Expression => ({ kind: "compute", operation: { name: "literal", shape: [values.length], values }, of: [] });
    assert.deepEqual(aligned(rowsOf([[0, -1], [1, 0]], { padded: 3 }), [bias(4), bias(2, 8)], "F32").map((each) => [...evaluate(each!).data]), [[4, 2, 3], [8, 2, 5]]);
  });
});

describe("tokens of the output", () => {
  const vocabularyOf = (vocab: Record<string, number>, added: object[] = []) => parseVocabulary(Buffer.from(JSON.stringify({ added_tokens: added, model: { type: "BPE", vocab, merges: [] } })), "tokenizer.json");
  const own = vocabularyOf({ a: 0, b: 1, ab: 2 }, [{ id: 3, content: "<s>", special: true }]);

  it("keep the ids of the one, then the plain tokens of each other by id, then the added ones", () => {
    const first = vocabularyOf({ z: 1, y: 0, b: 2 }, [{ id: 3, content: "<t>", special: true, normalized: false }]);
    const second = vocabularyOf({ x: 0, z: 1 }, [{ id: 2, content: "<s>", special: false }, { id: 3, content: "<t>", special: false }]);
    const { tokens, added, cut } = outputVocabulary(own, null, [first, second], ["<new>", "a"]);
    assert.deepEqual(tokens, ["a", "b", "ab", "<s>", "y", "z", "x", "<t>", "<new>"]);
    assert.deepEqual(added.map(({ id, content, special, normalized }) => [id, content, special, normalized]), [[4, "y", false, true], [5, "z", false, true], [6, "x", false, true], [7, "<t>", true, false], [8, "<new>", false, true]]);
    assert.equal(cut, false);
  });

  it("of a list with a token twice count the last, as in tokenizers", () => {
    const scored = parseVocabulary(Buffer.from(JSON.stringify({ model: { vocab: [["a", 0], ["b", -1], ["a", -2]] } })), "tokenizer.json");
    assert.deepEqual([scored.tokens, scored.ids.get("a")], [[undefined, "b", "a"], 2]);
  });

  it("end where the embedding does, and leave gaps of ids open", () => {
    assert.deepEqual(outputVocabulary(own, 2, [], ["<new>"]).tokens, ["a", "b", "<new>"]);
    assert.equal(outputVocabulary(own, 2, [], []).cut, true);
    assert.deepEqual(outputVocabulary(vocabularyOf({ a: 0, b: 2 }), 10, [], []).tokens, ["a", undefined, "b"]);
  });
});
