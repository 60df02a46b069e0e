/** Every way an index and its shards can be wrong or disagree. */
import assert from "node:assert/strict";
import { symlinkSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, type Checkpoint } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { Scratch, vectors } from "../files";

const INDEX = "model.safetensors.index.json";

/** Two shards of two vectors each, and their index. */
const SOUND = { a: "1.safetensors", b: "1.safetensors", c: "2.safetensors", d: "2.safetensors" };

describe("malformed index of a sharded checkpoint", () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch();
    scratch.write("model/1.safetensors", vectors({ a: 1, b: 2 }));
    scratch.write("model/2.safetensors", vectors({ c: 3, d: 4 }));
  });
  afterEach(() => scratch.remove());

  const open = async (index: string | Uint8Array | object): Promise<Checkpoint> => openCheckpoint(scratch.write(`model/${INDEX}`, index));
  const rules = ({ findings }: Checkpoint): [string, string, string | undefined][] => findings.map(({ rule, severity, tensor }) => [rule, severity, tensor]);
  const listing = ({ tensors, files }: Checkpoint): [string, string][] => tensors.map(({ name, file }) => [name, files[file]!.path.slice(-13, -12)]);

  it("opens when all is well", async () => {
    const checkpoint = await open({ metadata: { total_size: 40 }, weight_map: SOUND });
    assert.deepEqual(listing(checkpoint), [["a", "1"], ["b", "1"], ["c", "2"], ["d", "2"]]);
    assert.deepEqual(checkpoint.findings, []);
    assert.deepEqual(checkpoint.metadata, { total_size: 40 });
    assert.equal(checkpoint.format, "safetensors");
  });

  for (const [what, shard, says] of [
    ["leaves the folder", "../1.safetensors", /the shard "\.\.\/1\.safetensors" of "a" at byte 19 leaves the index's folder/],
    ["leaves the folder further in", "sub/../../1.safetensors", /leaves the index's folder/],
    ["is absolute", "/etc/passwd", /the shard "\/etc\/passwd" of "a" at byte 19 is an absolute path/],
    ["is absolute on Windows", "C:\\model\\1.safetensors", /is an absolute path/],
    ["goes up with backslashes", "..\\1.safetensors", /has a backslash/],
    ["is a network path", "\\\\host\\share\\1.safetensors", /has a backslash/],
    ["is empty", "", /the shard "" of "a" at byte 19 is empty/],
    ["has a NUL", "1.safetensors\0.txt", /has a NUL character/],
  ] as const) {
    it(`refuses a shard path that ${what}`, async () => {
      await assert.rejects(open({ weight_map: { a: shard } }), (error: unknown) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, says);
        assert.deepEqual([error.code, error.where.tensor, error.where.offset], ["malformed", "a", 19]);
        return true;
      });
    });
  }

  it("refuses a symbolic link that leaves the folder", async () => {
    scratch.write("elsewhere.safetensors", vectors({ a: 1 }));
    symlinkSync(join(scratch.folder, "elsewhere.safetensors"), join(scratch.folder, "model/link.safetensors"));
    await assert.rejects(open({ weight_map: { a: "link.safetensors" } }), /the shard "link\.safetensors" is a symbolic link that leaves the index's folder/);
  });

  it("refuses a folder that is a link leaving the folder", async () => {
    scratch.write("outside/1.safetensors", vectors({ a: 1 }));
    symlinkSync(join(scratch.folder, "outside"), join(scratch.folder, "model/sub"));
    await assert.rejects(open({ weight_map: { a: "sub/1.safetensors" } }), /is a symbolic link that leaves/);
  });

  it("follows links that stay in the folder, and those of the Hugging Face cache", async () => {
    symlinkSync("1.safetensors", join(scratch.folder, "model/link.safetensors"));
    assert.deepEqual((await open({ weight_map: { a: "link.safetensors", b: "link.safetensors" } })).findings, []);

    scratch.write("models--x--y/blobs/5ca1ab1e", vectors({ a: 1 }));
    scratch.write("models--x--y/blobs/0ddba11", { weight_map: { a: "model-00001-of-00001.safetensors" } });
    const snapshot = join(scratch.folder, "models--x--y/snapshots/main");
    mkdirSync(snapshot, { recursive: true });
    symlinkSync("../../blobs/5ca1ab1e", join(snapshot, "model-00001-of-00001.safetensors"));
    symlinkSync("../../blobs/0ddba11", join(snapshot, INDEX));
    assert.deepEqual((await openCheckpoint(join(snapshot, INDEX))).tensors.map(({ name }) => name), ["a"]);
  });

  it("lists the tensors of a missing shard as missing and opens the rest", async () => {
    const checkpoint = await open({ metadata: { total_size: 40 }, weight_map: { ...SOUND, e: "3.safetensors", f: "3.safetensors" } });
    assert.deepEqual(rules(checkpoint), [["missing-shard", "error", undefined]]);
    assert.match(checkpoint.findings[0]!.message, /"3\.safetensors" is missing: its 2 tensors are listed without shape or values/);
    assert.deepEqual(checkpoint.files.map(({ missing }) => missing ?? false), [false, false, true]);
    const e = checkpoint.tensors.find(({ name }) => name === "e")!;
    assert.deepEqual([e.file, e.bytes, e.shape, e.offset, e.expression, e.unreadable], [2, 0, [], null, null, 'the shard "3.safetensors" is missing']);
    assert.equal(checkpoint.tensors.length, 6);
    assert.ok(checkpoint.tensors.slice(0, 4).every(({ expression }) => expression !== null));
  });

  it("takes a dangling link for a missing shard", async () => {
    symlinkSync("nowhere", join(scratch.folder, "model/3.safetensors"));
    assert.deepEqual(rules(await open({ weight_map: { ...SOUND, e: "3.safetensors" } })), [["missing-shard", "error", undefined]]);
  });

  it("opens the rest when a shard is malformed, and says why it is", async () => {
    scratch.write("model/2.safetensors", vectors({ c: 3, d: 4 }).subarray(0, -5));
    const checkpoint = await open({ weight_map: SOUND });
    assert.deepEqual(rules(checkpoint), [["unreadable-shard", "error", undefined]]);
    assert.match(checkpoint.findings[0]!.message, /"2\.safetensors" cannot be read: the file is incomplete: its tensors need 28 bytes after the header but 23 are there/);
    assert.deepEqual(checkpoint.tensors.map(({ name, unreadable }) => [name, unreadable !== undefined]), [["a", false], ["b", false], ["c", true], ["d", true]]);
  });

  it("opens the rest when a shard is a folder", async () => {
    mkdirSync(join(scratch.folder, "model/3.safetensors"));
    const checkpoint = await open({ weight_map: { ...SOUND, e: "3.safetensors" } });
    assert.match(checkpoint.findings[0]!.message, /"3\.safetensors" cannot be read: this is a folder, not a file/);
  });

  it("finds tensors that are not in their shard", async () => {
    const checkpoint = await open({ weight_map: { ...SOUND, e: "2.safetensors" } });
    assert.deepEqual(rules(checkpoint), [["tensor-not-in-shard", "error", "e"]]);
    assert.match(checkpoint.findings[0]!.message, /"e": the index says in the shard "2\.safetensors"/);
    assert.equal(checkpoint.tensors.at(-1)!.unreadable, 'the shard "2.safetensors" does not hold it');
  });

  it("shows a tensor from another shard when it is only there", async () => {
    const checkpoint = await open({ weight_map: { ...SOUND, c: "1.safetensors" } });
    assert.deepEqual(rules(checkpoint), [["tensor-in-other-shard", "warning", "c"]]);
    assert.deepEqual(listing(checkpoint), [["a", "1"], ["b", "1"], ["c", "2"], ["d", "2"]]);
    assert.ok(checkpoint.tensors.every(({ expression }) => expression !== null));
  });

  it("finds a tensor in two shards, whichever comes first, and shows the one the index names", async () => {
    scratch.write("model/2.safetensors", vectors({ b: 9, c: 3, d: 4 }));
    const first = await open({ weight_map: SOUND });
    assert.deepEqual(rules(first), [["tensor-in-two-shards", "error", "b"]]);
    assert.match(first.findings[0]!.message, /"b": also in the shard "2\.safetensors"/);
    assert.deepEqual(first.tensors.find(({ name }) => name === "b")!.shape, [2]);
    const second = await open({ weight_map: { ...SOUND, b: "2.safetensors" } });
    assert.deepEqual(rules(second), [["tensor-in-two-shards", "error", "b"]]);
    assert.match(second.findings[0]!.message, /"b": also in the shard "1\.safetensors"/);
    assert.deepEqual(second.tensors.filter(({ name }) => name === "b").map(({ shape }) => shape), [[9]]);
  });

  it("finds a tensor that the index lists twice", async () => {
    const checkpoint = await open(`{"weight_map":{"a":"2.safetensors","b":"1.safetensors","c":"2.safetensors","d":"2.safetensors","a":"1.safetensors"}}`);
    assert.deepEqual(rules(checkpoint), [["tensor-in-two-shards", "error", "a"]]);
    assert.match(checkpoint.findings[0]!.message, /"a": listed twice by the index, first in the shard "2\.safetensors"/);
    assert.equal(checkpoint.tensors.length, 4);
  });

  it("lists tensors that the index leaves out", async () => {
    const { a, c } = SOUND;
    const checkpoint = await open({ weight_map: { a, c } });
    assert.deepEqual(rules(checkpoint), [["tensor-not-in-index", "warning", "b"], ["tensor-not-in-index", "warning", "d"]]);
    assert.equal(checkpoint.tensors.length, 4);
  });

  it("says once for a shard what is wrong with many tensors", async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `t${i}`);
    const checkpoint = await open({ weight_map: { ...SOUND, ...Object.fromEntries(names.map((name) => [name, "1.safetensors"])) } });
    assert.equal(checkpoint.findings.length, 1);
    assert.match(checkpoint.findings[0]!.message, /"t0", "t1", "t2" and 4,997 more tensors/);
  });

  it("finds a wrong total_size", async () => {
    const checkpoint = await open({ metadata: { total_size: 41 }, weight_map: SOUND });
    assert.deepEqual(rules(checkpoint), [["total-size", "warning", undefined]]);
    assert.match(checkpoint.findings[0]!.message, /total_size 41 but the shards' tensors hold 40 bytes/);
  });

  it("keeps metadata that JavaScript cannot hold as a number", async () => {
    const { metadata } = await open(`{"metadata":{"total_size":123456789012345678901234567890,"x":1e999,"__proto__":{"y":[1.5,true,null]}},"weight_map":{}}`);
    assert.equal(metadata["total_size"], "123456789012345678901234567890");
    assert.equal(metadata["x"], "Infinity");
    assert.deepEqual(Object.entries(metadata).at(-1), ["__proto__", { y: [1.5, true, null] }]);
  });

  for (const [what, index, says] of [
    ["an empty file", "", /the index ends at byte 0 where an object should be/],
    ["no JSON", "model: 1", /the index is not valid JSON: an object should be at byte 0, not model/],
    ["an array", "[]", /an object should be at byte 0/],
    ["no weight_map", "{}", /the index has no "weight_map"/],
    ["a weight_map that is no object", `{"weight_map":[]}`, /weight_map at byte 14 is "\[", not an object/],
    ["two weight_maps", `{"weight_map":{},"weight_map":{}}`, /the key "weight_map" appears twice in the index, again at byte 17/],
    ["a shard that is no string", `{"weight_map":{"a":1}}`, /the shard of "a" at byte 19 is 1, not a string/],
    ["something after its end", `{"weight_map":{}} null`, /the index has null after its end, at byte 18/],
    ["a text that is not UTF-8", Buffer.from([0x7b, 0xfe]), /the index is not UTF-8 at byte 1/],
    ["deeply nested metadata", `{"metadata":{"a":${"[".repeat(1_000_000)}`, /nested deeper than 128 levels at byte/],
    ["metadata with a key twice", `{"metadata":{"a":1,"a":2},"weight_map":{}}`, /the key "a" appears twice in the index/],
    ["more shards than anyone has", `{"weight_map":{${Array.from({ length: 10_001 }, (_, i) => `"t${i}":"${i}"`).join()}}}`, /the index names more than 10,000 shards, at byte \d+/],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(open(index), (error: unknown) => error instanceof CheckpointError && says.test(error.message) && error.message.length < 500);
    });
  }

  it("reads no more of each shard than its header and 64 KiB", async () => {
    const path = scratch.write(`model/${INDEX}`, { weight_map: SOUND });
    const files = new LocalFiles();
    await openCheckpoint(path, files);
    assert.ok(files.counts.bytes < 1000, String(files.counts.bytes));
  });

  it("says of a shard opened by itself which index lists it", async () => {
    scratch.write("model/model-00001-of-00002.safetensors", vectors({ a: 1 }));
    scratch.write("model/model-00002-of-00002.safetensors", vectors({ b: 1 }));
    const index = scratch.write(`model/${INDEX}`, { weight_map: { a: "model-00001-of-00002.safetensors" } });
    assert.equal((await openCheckpoint(join(scratch.folder, "model/model-00001-of-00002.safetensors"))).wholeModel, index);
    assert.equal((await openCheckpoint(join(scratch.folder, "model/model-00002-of-00002.safetensors"))).wholeModel, undefined);
    scratch.write(`model/${INDEX}`, "broken");
    assert.equal((await openCheckpoint(join(scratch.folder, "model/model-00001-of-00002.safetensors"))).wholeModel, undefined);
  });
});
