/** Files and folders: what is read, what is chosen, what is said. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { renameSync, rmSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { FileSource, LocalFiles } from "../../../src/checkpoint/file-source";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { fixtures, Scratch, vectors } from "../../files";

describe("opening", () => {
  let scratch: Scratch;
  beforeEach(() => { scratch = new Scratch(); });
  afterEach(() => scratch.remove());

  describe("a byte source over a file", () => {
    it("reads what is asked and counts it", async () => {
      const source = new FileSource(scratch.write("f", Uint8Array.from({ length: 100 }, (_, i) => i)));
      assert.equal(await source.size(), 100);
      assert.deepEqual([...await source.read(10, 3)], [10, 11, 12]);
      assert.equal((await source.read(100, 0)).length, 0);
      await Promise.all([source.read(0, 50), source.read(50, 50)]);
      assert.deepEqual(source.counts, { reads: 4, bytes: 103, largest: 50 });
      await source.close();
      assert.deepEqual([...await source.read(99, 1)], [99], "opens again after it was closed");
      await source.close();
    });

    it("allocates nothing for a read past the end", async () => {
      const source = new FileSource(scratch.write("f", "short"));
      await assert.rejects(source.read(0, 2 ** 50), { code: "truncated", message: "the file ends at byte 5 but 1,125,899,906,842,624 bytes are needed" });
      assert.equal(source.counts.reads, 0);
    });

    it("says when the file shrank or was replaced while it was read", async () => {
      const path = scratch.write("f", new Uint8Array(1000));
      const shrunk = new FileSource(path);
      await shrunk.read(0, 1);
      truncateSync(path, 100);
      await assert.rejects(shrunk.read(0, 1000), { code: "truncated", message: /the file ends at byte 100/ });
      await shrunk.close();
      const replaced = new FileSource(path);
      await replaced.size();
      renameSync(scratch.write("g", new Uint8Array(100)), path);
      utimesSync(path, 1, 1);
      await assert.rejects(replaced.read(0, 1), { code: "io", message: /the file changed while it was being read/ });
    });

    it("says when the file was removed before it was read", async () => {
      const path = scratch.write("f", "content");
      const source = new FileSource(path);
      await source.size();
      rmSync(path);
      await assert.rejects(source.read(0, 1), { code: "io", message: "there is no such file" });
    });

    it("refuses what is no file, without waiting for it", async () => {
      await assert.rejects(new FileSource(scratch.folder).size(), { message: "this is a folder, not a file" });
      await assert.rejects(new FileSource(join(scratch.folder, "none")).size(), { code: "io", message: "there is no such file" });
      await assert.rejects(new FileSource(join(scratch.write("file", ""), "below")).size(), { message: "there is no such file" });
      const fifo = join(scratch.folder, "fifo");
      if (spawnSync("mkfifo", [fifo]).status === 0) await assert.rejects(new FileSource(fifo).size(), { message: "this is not a regular file" });
    });
  });

  describe("a folder", () => {
    const chosen = async (): Promise<string> => {
      const { path, files } = await openCheckpoint(scratch.folder);
      assert.equal(path, scratch.folder);
      return files.map((file) => file.path.slice(scratch.folder.length + 1)).join();
    };

    it("is its index before its files, and a conventional name before others", async () => {
      scratch.write("other.safetensors", vectors({ a: 1 }));
      assert.equal(await chosen(), "other.safetensors");
      scratch.write("adapter_model.safetensors", vectors({ a: 1 }));
      assert.equal(await chosen(), "adapter_model.safetensors");
      scratch.write("model.safetensors", vectors({ a: 1 }));
      assert.equal(await chosen(), "model.safetensors");
      scratch.write("model.safetensors.index.json", { weight_map: { a: "other.safetensors" } });
      assert.equal(await chosen(), "other.safetensors");
    });

    it("is its only index whatever its name", async () => {
      scratch.write("x-1-of-2.safetensors", vectors({ a: 1 }));
      scratch.write("x-2-of-2.safetensors", vectors({ b: 1 }));
      scratch.write("x.safetensors.index.json", { weight_map: { a: "x-1-of-2.safetensors", b: "x-2-of-2.safetensors" } });
      assert.equal(await chosen(), "x-1-of-2.safetensors,x-2-of-2.safetensors");
    });

    it("is refused when it holds none or several", async () => {
      await assert.rejects(chosen(), { code: "usage", message: "the folder holds no checkpoint" });
      for (const name of "abcdefg") scratch.write(`${name}.safetensors`, vectors({ a: 1 }));
      await assert.rejects(chosen(), { code: "usage", message: 'the folder holds 7 checkpoints ("a.safetensors", "b.safetensors", "c.safetensors", "d.safetensors", "e.safetensors" …); name one of them' });
    });
  });

  it("gives every tensor its place, size and expression", async () => {
    const path = scratch.write("m.safetensors", vectors({ a: 2, b: 3 }));
    const { tensors, files } = await openCheckpoint(path);
    const start = files[0]!.bytes - 20;
    assert.deepEqual(tensors, [
      { name: "a", dtype: "F32", shape: [2], parameters: 2, bytes: 8, file: 0, offset: start, expression: { kind: "range", file: path, offset: start, bytes: 8, dtype: "F32", shape: [2] } },
      { name: "b", dtype: "F32", shape: [3], parameters: 3, bytes: 12, file: 0, offset: start + 8, expression: { kind: "range", file: path, offset: start + 8, bytes: 12, dtype: "F32", shape: [3] } },
    ]);
    assert.ok(Math.abs(files[0]!.modified! - Date.now()) < 60_000);
  });

  it("resolves relative paths", async () => {
    const path = scratch.write("m.safetensors", vectors({ a: 1 }));
    const before = process.cwd();
    process.chdir(scratch.folder);
    try {
      assert.ok((await openCheckpoint("m.safetensors")).path.endsWith(path.slice(-20)));
    } finally {
      process.chdir(before);
    }
  });

  it("gives a tied tensor the name that save_model dropped", async () => {
    const { tensors } = await openCheckpoint(join(fixtures, "safetensors/tied_dropped.safetensors"));
    assert.deepEqual(tensors.flatMap(({ name, sharedWith }) => (sharedWith === undefined ? [] : [[name, sharedWith]])), [["embed.weight", ["head.weight"]]]);
  });

  it("takes metadata for dropped names only when it can be", async () => {
    const header = { __metadata__: { format: "a", a: "b", c: "nothing", d: "b" }, a: { dtype: "U8", shape: [1], data_offsets: [0, 1] }, b: { dtype: "U8", shape: [1], data_offsets: [1, 2] } };
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    const { tensors } = await openCheckpoint(scratch.write("m.safetensors", Buffer.concat([length, json, new Uint8Array(2)])));
    assert.deepEqual(tensors.map(({ sharedWith }) => sharedWith), [undefined, ["d"]]);
  });

  it("opens fifty files at once", async () => {
    const paths = Array.from({ length: 50 }, (_, i) => scratch.write(`${i}.safetensors`, vectors({ [`t${i}`]: i + 1 })));
    const opened = await Promise.all(paths.map(async (path) => openCheckpoint(path)));
    assert.deepEqual(opened.map(({ tensors }) => [tensors[0]!.name, tensors[0]!.parameters]), paths.map((_, i) => [`t${i}`, i + 1]));
  });

  it("adds up what all sources of one opening read", async () => {
    const files = new LocalFiles();
    await openCheckpoint(scratch.write("m.safetensors", vectors({ a: 1 })), files);
    scratch.write("config.json", { model_type: "x" });
    await openCheckpoint(join(scratch.folder, "m.safetensors"), files);
    assert.equal(files.counts.reads, 3);
  });
});
