/** Which tensor lies in which file: mergekit's rule for shards, an index that agrees with them, headers that loaders take. */
import assert from "node:assert/strict";
import { layOutShards } from "../../../../src/merge/output/shards";

const bytes = (name: string, bytes: number): { name: string; dtype: string; shape: number[]; bytes: number } => ({ name, dtype: "U8", shape: [bytes], bytes });
const divided = (tensors: ReturnType<typeof bytes>[], limit: number): string[][] => layOutShards(tensors, { limit, metadata: { format: "pt" }, target: "/out" }).shards.map(({ places }) => places.map(({ tensor }) => tensor.name));

describe("shards of an output", () => {
  it("are filled in the order of the names' bytes: layers.10 before layers.2, and UTF-8 rather than UTF-16", () => {
    // U+FF5E is EF BD 9E in UTF-8 and U+10000 F0 90 80 80; in UTF-16 the latter begins with D800, which is smaller.
    const names = ["layers.2", "layers.10", "a\u{10000}", "a\uff5e", "B", "a"];
    assert.deepEqual(divided(names.map((name) => bytes(name, 1)), 0), [["B", "a", "a\uff5e", "a\u{10000}", "layers.10", "layers.2"]]);
  });

  it("end before the limit is exceeded, except by one tensor alone", () => {
    assert.deepEqual(divided([bytes("a", 4), bytes("b", 4), bytes("c", 3), bytes("d", 20), bytes("e", 1), bytes("f", 0)], 8), [["a", "b"], ["c"], ["d"], ["e", "f"]]);
    assert.deepEqual(divided([bytes("a", 20)], 8), [["a"]]);
    assert.deepEqual(divided([], 8), [[]]);
  });

  it("are named by Hugging Face's scheme, with an index that names all tensors and their size", () => {
    const { shards, index, dataBytes } = layOutShards([bytes("a", 5), bytes("b", 6), bytes("__proto__", 1)], { limit: 6, metadata: {}, target: "/out" });
    assert.deepEqual(shards.map(({ name }) => name), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert.equal(dataBytes, 12);
    const parsed = JSON.parse(index!) as { metadata: unknown; weight_map: object };
    assert.deepEqual(parsed.metadata, { total_size: 12 });
    assert.deepEqual(Object.entries(parsed.weight_map), [["__proto__", shards[0]!.name], ["a", shards[0]!.name], ["b", shards[1]!.name]]);
    const one = layOutShards([bytes("a", 5)], { limit: 6, metadata: {}, target: "/out" });
    assert.deepEqual([one.shards[0]!.name, one.index], ["model.safetensors", null]);
  });

  it("have wide types first, so that every element is aligned", () => {
    const tensors = [{ name: "a", dtype: "U8", shape: [3], bytes: 3 }, { name: "b", dtype: "F32", shape: [1], bytes: 4 }, { name: "c", dtype: "F64", shape: [1], bytes: 8 }, { name: "d", dtype: "BF16", shape: [1], bytes: 2 }];
    const [shard] = layOutShards(tensors, { limit: 0, metadata: { format: "pt" }, target: "/out" }).shards;
    assert.deepEqual(shard!.places.map(({ tensor }) => tensor.name), ["c", "b", "d", "a"]);
    assert.ok(shard!.places.every(({ tensor, offset }) => offset % (tensor.bytes / tensor.shape[0]!) === 0));
    assert.equal(shard!.header.length % 8, 0);
  });

  it("of two tensors of one name are refused", () => {
    assert.throws(() => divided([bytes("a", 1), bytes("a", 1)], 0), /there are two tensors of the name "a"/);
  });
});
