/** `convert`: files come back bit by bit, types are rounded as NumPy rounds them, and nothing half-written stays. */
import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { ConvertDocument } from "../../../src/cli/convert";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { fixtures, headerOf, root, safetensorsBytes, Scratch } from "../../files";
import { json, weightLoupe } from "./command-line";

const SAFETENSORS = join(fixtures, "safetensors");
const LLAMA = "examples/tiny-llama/checkpoint-1200";

/** Doubles, and what NumPy 2.4's `astype` makes of them: among them ties, subnormals, overflows. */
const DOUBLES = [0, -0, 1, -2.5, 0.1, 1 / 3, 65504, 65519.99, 65520, 1e-8, 2 ** -24, 2 ** -25, 2.9802322387695316e-8, 6.1e-5, 1.0009765625, 1.00048828125, 1.0014648437500002, Infinity, -Infinity, 1e300, 3.4028235677973366e38, 1e-46];
const HALVES = [0x0, 0x8000, 0x3c00, 0xc100, 0x2e66, 0x3555, 0x7bff, 0x7bff, 0x7c00, 0x0, 0x1, 0x0, 0x1, 0x3ff, 0x3c01, 0x3c00, 0x3c02, 0x7c00, 0xfc00, 0x7c00, 0x7c00, 0x0];

describe("convert", () => {
  let scratch: Scratch;
  let out: string;
  beforeEach(() => {
    scratch = new Scratch();
    out = join(scratch.folder, "out.safetensors");
  });
  afterEach(() => scratch.remove());

  /** Stored bytes of every tensor by name. */
  async function tensors(path: string): Promise<Record<string, { dtype: string; shape: number[]; data: string }>> {
    const { tensors, files } = await openCheckpoint(path);
    return Object.fromEntries(tensors.map(({ name, dtype, shape, bytes, file, offset }) => [name, { dtype, shape, data: readFileSync(files[file]!.path).subarray(offset!, offset! + bytes).toString("hex") }]));
  }

  it("gives every safetensors file back: tensors of every dtype, metadata, byte for byte where its library wrote it", async () => {
    for (const name of readdirSync(SAFETENSORS).filter((name) => name.endsWith(".safetensors"))) {
      const file = join(SAFETENSORS, name);
      const document = await json<ConvertDocument>(["convert", file, "-o", out]);
      const [before, after] = [await openCheckpoint(file), await openCheckpoint(out)];
      assert.deepEqual(await tensors(out), await tensors(file), name);
      assert.deepEqual(after.metadata, before.metadata, name);
      assert.equal(document.tensors, before.tensors.length);
      assert.equal(document.bytes, readFileSync(out).length);
      assert.ok(after.tensors.every(({ dtype, offset }) => offset! % ({ F64: 8, I64: 8, U64: 8, C64: 8, F32: 4, BF16: 2, F16: 2 }[dtype] ?? 1) === 0), "aligned");
    }
    for (const name of ["every_dtype", "many_tensors", "model", "special_values", "tied_dropped"]) {
      await json(["convert", join(SAFETENSORS, `${name}.safetensors`), "-o", out]);
      assert.ok(readFileSync(out).equals(readFileSync(join(SAFETENSORS, `${name}.safetensors`))), name);
    }
    assert.deepEqual(readdirSync(scratch.folder), ["out.safetensors"]);
  });

  it("makes one file of shards, and takes the tensors that are asked for", async () => {
    await json(["convert", "examples/tiny-llama-sharded", "-o", out]);
    assert.deepEqual(await tensors(out), await tensors(join(root, "examples/tiny-llama-sharded")));
    const { tensors: count, parameters } = await json<ConvertDocument>(["convert", LLAMA, "-o", out, "--tensor", "**norm**"]);
    const names = Object.keys(await tensors(out));
    assert.ok(names.length > 2 && names.every((name) => name.includes("norm")));
    assert.deepEqual([count, parameters], [names.length, 24 * names.length]);
  });

  it("rounds to another type as NumPy does, and keeps integers", async () => {
    const data = new Uint8Array(Float64Array.from(DOUBLES).buffer);
    const file = scratch.write("in.safetensors", safetensorsBytes(headerOf({ x: { dtype: "F64", shape: [11, 2], bytes: data.length }, n: { dtype: "I64", shape: [1], bytes: 8 } }, { note: "kept" }), Buffer.concat([data, Buffer.alloc(8, 7)])));
    await json(["convert", file, "-o", out, "--dtype", "f16"]);
    const half = await tensors(out);
    assert.deepEqual(half.x, { dtype: "F16", shape: [11, 2], data: Buffer.from(Uint16Array.from(HALVES).buffer).toString("hex") });
    assert.deepEqual(half.n, { dtype: "I64", shape: [1], data: "07".repeat(8) });
    assert.deepEqual((await openCheckpoint(out)).metadata, { note: "kept" });
    await json(["convert", file, "-o", out, "--dtype", "F32"]);
    assert.equal((await tensors(out)).x!.data, Buffer.from(Float32Array.from(DOUBLES).buffer).toString("hex"));
    // And back: every narrow number is one of the wider type.
    const again = join(scratch.folder, "again.safetensors");
    await json(["convert", out, "-o", again, "--dtype", "F64"]);
    assert.equal((await tensors(again)).x!.data, Buffer.from(Float64Array.from(DOUBLES, Math.fround).buffer).toString("hex"));
  });

  it("says in one sentence what it cannot do, and leaves nothing", async () => {
    const file = join(SAFETENSORS, "model.safetensors");
    const missing = join(scratch.folder, "no", "such", "out.safetensors");
    const folder = join(scratch.folder, "folder");
    mkdirSync(folder);
    for (const [args, line] of [
      [[file], "weight-loupe: FILE: convert needs -o OUT.safetensors: the file to write"],
      [["-o", out], "weight-loupe: convert needs a FILE: a checkpoint, an index, or a folder with one model"],
      [[file, "-o"], "weight-loupe: --output needs a value: -o OUT.safetensors"],
      [[file, "-o", out, "--dtype", "I8"], "weight-loupe: FILE: --dtype I8 is no type to convert to: F64, F32, F16, BF16, F8_E4M3, F8_E5M2, F8_E4M3FNUZ, F8_E5M2FNUZ"],
      [[file, "-o", missing], `weight-loupe: ${missing}: it cannot be written: there is no folder ${join(scratch.folder, "no", "such")}`],
      [[file, "-o", folder], `weight-loupe: ${folder}: this is a folder; name the file to write`],
      [[file, "-o", out, "--base", join(root, LLAMA)], "weight-loupe: FILE: this is not an adapter, so there is nothing to merge into a base model"],
    ] as const) {
      const { status, stderr, stdout } = await weightLoupe(["convert", ...args]);
      assert.deepEqual([status, stderr.replaceAll(file, "FILE"), stdout], [2, `${line}\n`, ""]);
    }
    assert.deepEqual(readdirSync(scratch.folder), ["folder"]);
  });

  it("never writes to what it reads, under whatever name", async () => {
    const before = readFileSync(join(SAFETENSORS, "model.safetensors"));
    const file = scratch.write("model.safetensors", before);
    linkSync(file, join(scratch.folder, "hard.safetensors"));
    symlinkSync(file, join(scratch.folder, "soft.safetensors"));
    for (const name of ["model.safetensors", "hard.safetensors", "soft.safetensors"]) {
      const { status, stderr } = await weightLoupe(["convert", file, "-o", join(scratch.folder, name)]);
      assert.equal(status, 2);
      assert.match(stderr, /this is one of the files that are read; choose another name to write to\n$/);
    }
    assert.ok(readFileSync(file).equals(before));
    assert.deepEqual(readdirSync(scratch.folder).sort(), ["hard.safetensors", "model.safetensors", "soft.safetensors"]);
  });

  it("leaves what was there when it is interrupted", async function () {
    this.timeout(30_000);
    const bytes = 768 << 20;
    const file = scratch.write("large.safetensors", safetensorsBytes(headerOf({ x: { dtype: "F32", shape: [bytes / 4], bytes } })));
    truncateSync(file, readFileSync(file).length + bytes);
    scratch.write("out.safetensors", "the one before");
    const { status, stdout } = await weightLoupe(["convert", file, "-o", out, "--dtype", "F64"], {
      started: (child) => {
        const look = setInterval(() => {
          if (!readdirSync(scratch.folder).some((name) => name.endsWith(".tmp"))) return;
          clearInterval(look);
          child.kill("SIGINT");
        }, 5);
        child.once("close", () => clearInterval(look));
      },
    });
    assert.deepEqual([status, stdout], [130, ""]);
    assert.deepEqual(readdirSync(scratch.folder).sort(), ["large.safetensors", "out.safetensors"]);
    assert.equal(readFileSync(out, "utf8"), "the one before");
    assert.ok(existsSync(file));
  });
});
