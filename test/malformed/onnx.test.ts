/** Damaged and hostile ONNX models: lengths, shapes and paths that say what is not so. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { PbfWriter } from "pbf";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { onnx } from "../../src/checkpoint/onnx";
import { readVarint } from "../../src/checkpoint/protobuf-fields";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { fixtures, Scratch } from "../files";
import { MemoryFiles } from "./memory-files";

const PATH = "/x.onnx";
const open = (bytes: Uint8Array): ReturnType<typeof onnx.open> => onnx.open(PATH, new MemoryFiles(new Map([[PATH, bytes]])));

interface Initializer {
  dims?: number[];
  type?: number;
  raw?: Uint8Array;
  ints?: number[];
  external?: Record<string, string>;
}

/** A model with one initializer, `w`. */
function model({ dims = [2], type = 1, raw, ints, external }: Initializer): Uint8Array {
  const writer = new PbfWriter();
  const pair = ([key, value]: [string, string], to: PbfWriter): void => {
    to.writeStringField(1, key);
    to.writeStringField(2, value);
  };
  writer.writeMessage(7, (_, graph) => graph.writeMessage(5, (_, tensor) => {
    for (const length of dims) tensor.writeVarintField(1, length);
    tensor.writeVarintField(2, type);
    if (ints !== undefined) tensor.writePackedVarint(5, ints);
    tensor.writeStringField(8, "w");
    if (raw !== undefined) tensor.writeBytesField(9, raw);
    if (external !== undefined) {
      for (const entry of Object.entries(external)) tensor.writeMessage(13, pair, entry);
      tensor.writeVarintField(14, 1);
    }
  }, null), null);
  return writer.finish();
}

const F32x2 = new Uint8Array(8);
const refused: { what: string; bytes: Uint8Array; says: RegExp }[] = [
  { what: "an empty file", bytes: new Uint8Array(0), says: /has no graph; it is no ONNX model/ },
  { what: "text", bytes: Buffer.from("hello, world"), says: /the file is damaged or no protobuf message/ },
  { what: "a number that does not end", bytes: Buffer.alloc(40, 0xff), says: /the number at byte 0 does not end/ },
  { what: "a field beyond its message", bytes: Uint8Array.of(0x3a, 4, 0x2a, 0x7f, 0, 0), says: /reaches to byte 131, beyond the end of its message at byte 6/ },
  { what: "a length of 2^63", bytes: Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), says: /says it has 9,223,372,036,854,775,807 bytes/ },
  { what: "a group", bytes: Uint8Array.of(0x3b, 0), says: /has wire type 3/ },
  { what: "a number for a graph", bytes: Uint8Array.of(0x38, 1), says: /the field 7 at byte 1 has wire type 0, not 2/ },
  { what: "data that are too short", bytes: model({ raw: new Uint8Array(7) }), says: /"w" at byte \d+ has 7 bytes of data, but its shape needs 8/ },
  { what: "data that are too long", bytes: model({ raw: new Uint8Array(9) }), says: /has 9 bytes of data, but its shape needs 8/ },
  { what: "no data", bytes: model({}), says: /"w" at byte \d+ has no data/ },
  { what: "a negative length", bytes: model({ dims: [-2], raw: F32x2 }), says: /has -2 for a length/ },
  { what: "a product that overflows", bytes: model({ dims: [2 ** 40, 2 ** 40], raw: F32x2 }), says: /number of elements overflows/ },
  { what: "65 axes", bytes: model({ dims: new Array<number>(65).fill(1), raw: F32x2 }), says: /more than 64 axes/ },
  { what: "too few numbers", bytes: model({ dims: [1_000_000_000], type: 6, ints: [1, 2, 3] }), says: /has 3 bytes of data, too few for 1,000,000,000 elements/ },
  { what: "external data without a name", bytes: model({ external: {} }), says: /has no name/ },
  { what: "external data in a folder above", bytes: model({ external: { location: "../../etc/passwd" } }), says: /"\.\.\/\.\.\/etc\/passwd" of the external data lies outside/ },
  { what: "external data at an absolute path", bytes: model({ external: { location: "/etc/passwd" } }), says: /named by an absolute path/ },
  { what: "external data on another drive", bytes: model({ external: { location: "C:\\x" } }), says: /named by an absolute path/ },
  { what: "external data with a NUL", bytes: model({ external: { location: "a\0b" } }), says: /has a NUL character/ },
];

describe("malformed ONNX models", () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  for (const { what, bytes, says } of refused) {
    it(`refuses ${what}`, () =>
      assert.rejects(open(bytes), (error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, says);
        return true;
      }));
  }

  it("refuses external data that are too short, shifted or a link out of the folder", async () => {
    scratch.write("inside/w.bin", F32x2);
    const cases: [Record<string, string>, RegExp][] = [
      [{ location: "w.bin", offset: "4" }, /needs 8 bytes from byte 4 of ".*w\.bin", which has 8/],
      [{ location: "w.bin", offset: "-4" }, /at "-4", which is no offset/],
      [{ location: "w.bin", length: "1e3" }, /"1e3" bytes, which is no length/],
      [{ location: "w.bin", length: "4" }, /says its data have 4 bytes, but its shape needs 8/],
    ];
    for (const [external, says] of cases) await assert.rejects(openCheckpoint(scratch.write("inside/x.onnx", model({ external }))), says);
    assert.ok((await openCheckpoint(scratch.write("inside/x.onnx", model({ external: { location: "w.bin" } })))).tensors[0]!.expression !== null);
    if (process.platform === "win32") return;
    mkdirSync(join(scratch.folder, "outside"));
    scratch.write("outside/secret.bin", F32x2);
    symlinkSync("../outside/secret.bin", join(scratch.folder, "inside", "link.bin"));
    await assert.rejects(openCheckpoint(scratch.write("inside/y.onnx", model({ external: { location: "link.bin" } }))), /is a symbolic link that leaves the model's folder/);
  });

  it("lists a model whose external data are missing", async () => {
    const { tensors, files, findings } = await openCheckpoint(scratch.write("alone/x.onnx", model({ external: { location: "w.bin" } })));
    assert.match(tensors[0]!.unreadable!, /its file "w\.bin" is missing/);
    assert.equal(files[1]!.missing, true);
    assert.equal(findings.length, 1);
  });

  it("refuses numbers that are more or fewer than the shape says, when they are read", async () => {
    const fewer = await open(model({ dims: [3], type: 3, ints: [1, 300] }));
    await assert.rejects(fewer.tensors[0]!.load!(), /has fewer elements than its shape/);
    const more = await open(model({ dims: [1], type: 3, ints: [1, 2] }));
    await assert.rejects(more.tensors[0]!.load!(), /has more elements than its shape/);
  });

  it("refuses a file cut anywhere in its graph, and answers any damage", async () => {
    const whole = readFileSync(join(fixtures, "onnx", "typed_data.onnx"));
    for (let length = 0; length < whole.length; length++) await open(whole.subarray(0, length)).catch((error: unknown) => assert.ok(error instanceof CheckpointError, `${length} bytes: ${String(error)}`));
    for (let at = 0; at < whole.length; at++) {
      const bytes = Uint8Array.from(whole);
      bytes[at]! ^= 0xff;
      const opened = await open(bytes).catch((error: unknown) => assert.ok(error instanceof CheckpointError, `byte ${at}: ${String(error)}`));
      for (const { load } of opened?.tensors ?? []) await load?.().catch((error: unknown) => assert.ok(error instanceof CheckpointError, `byte ${at}: ${String(error)}`));
    }
  });

  it("reads around the data", async () => {
    const raw = new Uint8Array(3 << 20);
    const files = new MemoryFiles(new Map([[PATH, model({ dims: [raw.length], type: 2, raw })]]));
    assert.equal((await onnx.open(PATH, files)).tensors[0]!.bytes, raw.length);
    assert.ok(files.counts.bytes < 64 * 1024, `${files.counts.bytes} bytes read`);
  });

  it("reads the numbers that a library writes", () =>
    fc.assert(fc.property(fc.maxSafeNat(), (value) => {
      const writer = new PbfWriter();
      writer.writeVarint(value);
      const bytes = writer.finish();
      assert.deepEqual(readVarint(bytes, 0), { value: BigInt(value), length: bytes.length });
    })));
});
