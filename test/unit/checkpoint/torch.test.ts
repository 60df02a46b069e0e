/** PyTorch files as they are met: large, compressed, sharded, in training, as tar. */
import assert from "node:assert/strict";
import { closeSync, cpSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { evaluate } from "../../expressions";
import { fixtures, Scratch } from "../../files";
import { dict, op, pickle, tensor, u64 } from "../../pickle-writer";
import { zipBytes } from "../../zip-writer";

const folder = join(fixtures, "torch");

describe("PyTorch files", () => {
  let scratch: Scratch;
  beforeEach(() => { scratch = new Scratch(); });
  afterEach(() => scratch.remove());

  it("of 14 GB are listed from their directory and pickle alone", async () => {
    const count = 400;
    const elements = 9_000_000;
    const path = join(scratch.folder, "large.pt");
    writeSparseArchive(path, count, elements);
    const files = new LocalFiles();
    const { tensors, files: [file] } = await openCheckpoint(path, files);
    assert.ok(file!.bytes > 14e9, `${file!.bytes} bytes`);
    assert.equal(tensors.length, count);
    for (const { offset, parameters } of tensors) {
      assert.equal(parameters, elements);
      assert.equal(offset! % 64, 0);
    }
    assert.ok(files.counts.bytes < 1 << 20, `${files.counts.bytes} bytes read`);
  });

  it("of 14 GB in the legacy form are listed from their pickles and counts alone", async () => {
    const count = 400;
    const elements = 9_000_000;
    const root = dict(Object.fromEntries(Array.from({ length: count }, (_, i) => [`layer.${i}.weight`, tensor({ key: String(i), count: elements, shape: [3000, 3000], strides: [3000, 1], view: op("N") })])));
    const start = Buffer.concat([
      pickle([op("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")]), pickle([op("M\xe9\x03")]), pickle([op("}")]), pickle([root]),
      pickle([op("]("), ...Array.from({ length: count }, (_, i) => Buffer.concat([op("X\x03\0\0\0".replace("\x03", String.fromCharCode(String(i).length))), op(String(i))])), op("e")]),
    ]);
    const path = join(scratch.folder, "large.pth");
    const file = openSync(path, "w");
    writeSync(file, start, 0, start.length, 0);
    for (let i = 0; i < count; i++) writeSync(file, u64(BigInt(elements)), 0, 8, start.length + i * (8 + 4 * elements));
    ftruncateSync(file, start.length + count * (8 + 4 * elements));
    closeSync(file);
    const files = new LocalFiles();
    const { tensors } = await openCheckpoint(path, files);
    assert.deepEqual(tensors.map(({ offset }) => offset), Array.from({ length: count }, (_, i) => start.length + i * (8 + 4 * elements) + 8));
    assert.ok(files.counts.bytes < 4 << 20, `${files.counts.bytes} bytes read`);
  });

  it("that are compressed are decompressed when their values are asked for", async () => {
    const values = Float32Array.from({ length: 300_000 }, (_, i) => i % 1000);
    const bytes = zipBytes({ members: [{ name: "m/data.pkl", data: pickle([dict({ w: tensor({ count: values.length, offset: 7, shape: [2, 3], strides: [1, 1000] }) })]), deflate: true }, { name: "m/data/0", data: new Uint8Array(values.buffer), deflate: true }] });
    const files = new LocalFiles();
    const { tensors: [w] } = await openCheckpoint(scratch.write("m.pt", bytes), files);
    assert.deepEqual([w!.offset, w!.expression, w!.unreadable], [null, null, undefined]);
    assert.deepEqual([...evaluate(await w!.load!()).data], [7, 7, 7, 8, 8, 8]);
  });

  it("are not decompressed for who has lost interest", async () => {
    const { tensors: [w] } = await openCheckpoint(join(folder, "zip_deflated.pt"));
    await assert.rejects(w!.load!(AbortSignal.abort()), { name: "AbortError" });
  });

  it("that are shards know their index, and the index its shards", async () => {
    cpSync(join(folder, "sharded_bin"), scratch.folder, { recursive: true });
    const index = join(scratch.folder, "pytorch_model.bin.index.json");
    const shard = await openCheckpoint(join(scratch.folder, "pytorch_model-00001-of-00002.bin"));
    assert.equal(shard.wholeModel, index);
    const whole = await openCheckpoint(scratch.folder);
    assert.equal(whole.format, "torch");
    assert.deepEqual(whole.tensors.slice(0, shard.tensors.length).map(({ name }) => name).sort(), shard.tensors.map(({ name }) => name).sort());
    assert.equal(whole.layers, 2);
  });

  it("whose shard would run something say so", async () => {
    cpSync(join(folder, "would_run_system.pt"), join(scratch.folder, "a.bin"));
    const { findings, tensors } = await openCheckpoint(scratch.write("m.bin.index.json", { weight_map: { "model.w": "a.bin", "model.b": "a.bin" } }));
    assert.deepEqual(findings.map(({ rule }) => rule), ["unsafe-global"]);
    assert.equal(tensors.length, 2);
  });

  it("of a tar archive are refused when it is damaged", async () => {
    const sound = readFileSync(join(folder, "old_tar.pth.tar"));
    const cases: [string, (bytes: Buffer) => void, RegExp][] = [
      ["a member that goes on", (bytes) => retitle(bytes, 0, "sys_info", 2 ** 30), /member "sys_info" would end at byte/],
      ["no storages", (bytes) => retitle(bytes, headerOf(bytes, "storages"), "storage", 341), /no member "storages"/],
      ["a member twice", (bytes) => retitle(bytes, headerOf(bytes, "storages"), "tensors", 341), /two members named "tensors"/],
      ["a damaged header", (bytes) => bytes.writeUInt8(0x58, headerOf(bytes, "tensors") + 20), /damaged header/],
      ["a storage that goes on", (bytes) => bytes.writeBigUInt64LE(1n << 40n, headerOf(bytes, "storages") + 512 + 0x2e), /storage 1007 says 1,099,511,627,776 elements/],
      ["a tensor of many axes", (bytes) => bytes.writeUInt32LE(1e6, headerOf(bytes, "tensors") + 512 + 0x26), /has 1000000 axes/],
      ["a tensor beyond its storage", (bytes) => bytes.writeBigUInt64LE(9n, headerOf(bytes, "tensors") + 512 + 0x2e), /"state_dict\.conv\.weight" reaches to element/],
    ];
    for (const [what, damage, says] of cases) {
      const bytes = Buffer.from(sound);
      damage(bytes);
      await assert.rejects(openCheckpoint(scratch.write("m.pth.tar", bytes)), (error: Error) => says.test(error.message) || assert.fail(`${what}: ${error.message}`));
    }
  });
});

/** Byte of the header of a member of a tar archive. */
function headerOf(bytes: Buffer, name: string): number {
  for (let at = 0; at < bytes.length; at += 512) if (bytes.toString("latin1", at, at + name.length + 1) === `${name}\0`) return at;
  throw new Error(`no member ${name}`);
}

/** Gives the tar header at `at` another name and size, with a checksum that fits. */
function retitle(bytes: Buffer, at: number, name: string, size: number): void {
  bytes.fill(0, at, at + 100);
  bytes.write(name, at, "latin1");
  bytes.write(`${size.toString(8).padStart(11, "0")}\0`, at + 124, "latin1");
  bytes.fill(" ", at + 148, at + 156);
  const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}

/** An archive of F32 tensors of zeros that takes no room: only headers, pickle and directory are written. */
function writeSparseArchive(path: string, count: number, elements: number): void {
  const data = pickle([dict(Object.fromEntries(Array.from({ length: count }, (_, i) => [`layer.${i}.weight`, tensor({ key: String(i), count: elements, shape: [3000, 3000], strides: [3000, 1] })])))]);
  const file = openSync(path, "w");
  let at = 0;
  const central: Buffer[] = [];
  const member = (name: string, bytes: number, content?: Buffer): void => {
    const raw = Buffer.from(name);
    const padding = (64 - ((at + 30 + raw.length + 4) % 64)) % 64;
    const local = Buffer.alloc(30 + raw.length + 4 + padding);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(bytes, 18);
    local.writeUInt32LE(bytes, 22);
    local.writeUInt16LE(raw.length, 26);
    local.writeUInt16LE(4 + padding, 28);
    raw.copy(local, 30);
    local.write("FB", 30 + raw.length, "latin1");
    local.writeUInt16LE(padding, 32 + raw.length);
    writeSync(file, local, 0, local.length, at);
    if (content !== undefined) writeSync(file, content, 0, content.length, at + local.length);
    const entry = Buffer.alloc(46 + raw.length + 12);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(bytes, 20);
    entry.writeUInt32LE(bytes, 24);
    entry.writeUInt16LE(raw.length, 28);
    entry.writeUInt16LE(12, 30);
    entry.writeUInt32LE(0xffffffff, 42);
    raw.copy(entry, 46);
    entry.writeUInt16LE(1, 46 + raw.length);
    entry.writeUInt16LE(8, 48 + raw.length);
    entry.writeBigUInt64LE(BigInt(at), 50 + raw.length);
    central.push(entry);
    at += local.length + bytes;
  };
  member("large/data.pkl", data.length, data);
  for (let i = 0; i < count; i++) member(`large/data/${i}`, 4 * elements);
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(56 + 20 + 22);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeBigUInt64LE(BigInt(count + 1), 24);
  end.writeBigUInt64LE(BigInt(count + 1), 32);
  end.writeBigUInt64LE(BigInt(directory.length), 40);
  end.writeBigUInt64LE(BigInt(at), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(at + directory.length), 64);
  end.writeUInt32LE(0x06054b50, 76);
  end.fill(0xff, 84, 96);
  writeSync(file, Buffer.concat([directory, end]), 0, directory.length + end.length, at);
  closeSync(file);
}
