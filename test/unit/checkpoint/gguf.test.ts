/** GGUF models: what the first file of several brings together, and what is shown of metadata. */
import assert from "node:assert/strict";
import { copyFileSync, rmSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { fixtures, Scratch } from "../../files";
import { ggufBytes, type Described } from "../../gguf-writer";

const FIRST = "split-00001-of-00002.gguf";
const SECOND = "split-00002-of-00002.gguf";

describe("GGUF models", () => {
  let scratch: Scratch;
  beforeEach(() => { scratch = new Scratch(); });
  afterEach(() => scratch.remove());
  const at = (name: string): string => join(scratch.folder, name);
  const copySplit = (): void => {
    for (const name of [FIRST, SECOND]) copyFileSync(join(fixtures, "gguf", "split", name), at(name));
  };

  it("opens all parts by the first, by any name, and by their folder", async () => {
    copySplit();
    const { tensors, files, layers, architecture } = await openCheckpoint(at(FIRST));
    assert.equal(tensors.length, 19);
    assert.deepEqual(files.map(({ path }) => basename(path)), [FIRST, SECOND]);
    assert.deepEqual([layers, architecture], [2, { name: "llama", from: "config" }]);
    assert.deepEqual((await openCheckpoint(scratch.folder)).tensors, tensors);
  });

  it("opens a later part alone and says where the whole model is, while it is there", async () => {
    copySplit();
    assert.equal((await openCheckpoint(at(SECOND))).wholeModel, at(FIRST));
    rmSync(at(FIRST));
    const { wholeModel, tensors } = await openCheckpoint(at(SECOND));
    assert.equal(wholeModel, undefined);
    assert.ok(tensors.length > 0 && tensors.length < 19);
  });

  it("opens what is there when a part is missing, damaged or not what it should be", async () => {
    copySplit();
    truncateSync(at(SECOND), 5000);
    const damaged = await openCheckpoint(at(FIRST));
    assert.deepEqual(damaged.findings.map(({ rule, severity }) => [rule, severity]), [["unreadable-shard", "error"]]);
    assert.match(damaged.findings[0]!.message, /^The part "split-00002-of-00002.gguf" cannot be read: the file is incomplete: .*\.$/);
    rmSync(at(SECOND));
    const missing = await openCheckpoint(at(FIRST));
    assert.deepEqual(missing.findings, [{ rule: "missing-shard", severity: "error", message: 'The part "split-00002-of-00002.gguf" is missing: the tensors in it are not listed.' }]);
    assert.deepEqual(missing.files.map(({ missing: gone }) => gone), [undefined, true]);
    copyFileSync(at(FIRST), at(SECOND));
    const twice = await openCheckpoint(at(FIRST));
    assert.deepEqual(twice.findings.map(({ rule }) => rule), ["split-number", "tensor-in-two-shards", "split-tensor-count"]);
    assert.equal(twice.tensors.length, missing.tensors.length);
  });

  it("names no more than three of a hundred thousand missing parts, and looks for none of them", async () => {
    scratch.write("m-00001-of-99999.gguf", ggufBytes({ metadata: [["split.count", { type: "uint16", value: 3 }]] }));
    const { files, findings } = await openCheckpoint(at("m-00001-of-99999.gguf"));
    assert.equal(files.length, 99_999);
    assert.deepEqual(findings.map(({ message }) => message), [
      'The file is named as one of 99,999 parts, but its metadata says split.count "3".',
      'The parts "m-00002-of-99999.gguf", "m-00003-of-99999.gguf", "m-00004-of-99999.gguf" and 99,995 more are missing: the tensors in them are not listed.',
    ]);
  });

  it("takes the number of layers from block_count, else from the tensors' names", async () => {
    const tensors = [0, 1, 2].map((layer) => ({ name: `blk.${layer}.attn_q.weight`, lengths: [4], type: 0, bytes: 16 }));
    const layersOf = async (metadata: Described["metadata"]): Promise<number | null> => (await openCheckpoint(scratch.write("m.gguf", ggufBytes({ metadata: metadata ?? [], tensors })))).layers;
    assert.equal(await layersOf([]), 3);
    const architecture: [string, { type: "string"; value: string }] = ["general.architecture", { type: "string", value: "x" }];
    assert.equal(await layersOf([architecture, ["x.block_count", { type: "uint32", value: 7 }]]), 7);
    assert.equal(await layersOf([architecture, ["x.block_count", { type: "string", value: "7" }]]), 3);
  });

  it("shows long strings and lists by their ends", async () => {
    const long = "é".repeat(600_000);
    const metadata: Described["metadata"] = [
      ["text", { type: "string", value: long }],
      ["numbers", { type: "array", value: { item: "uint16", items: Array.from({ length: 101 }, (_, i) => i) } }],
      ["whole", { type: "array", value: { item: "uint16", items: Array.from({ length: 100 }, (_, i) => i) } }],
      ["lists", { type: "array", value: { item: "array", items: Array.from({ length: 200 }, (_, i) => ({ item: "uint8", items: [i] })) } }],
    ];
    const { metadata: shown, tables } = await openCheckpoint(scratch.write("m.gguf", ggufBytes({ metadata })));
    assert.deepEqual(shown["text"], { type: "string", length: 1_200_000, start: "é".repeat(500) });
    assert.deepEqual(shown["numbers"], { type: "array", item: "uint16", length: 101, first: [0, 1, 2, 3, 4, 5, 6, 7], last: [99, 100] });
    assert.equal((shown["whole"] as number[]).length, 100);
    assert.deepEqual(shown["lists"], { type: "array", item: "array", length: 200, first: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [i]), last: [[198], [199]] });
    assert.equal(tables, undefined);
  });
});
