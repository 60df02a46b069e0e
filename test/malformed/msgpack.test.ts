/** Damaged and hostile msgpack: one clear sentence, whatever the lengths say. A library writes what our reader reads. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encode, ExtData } from "@msgpack/msgpack";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { msgpack } from "../../src/checkpoint/msgpack";
import { fixtures } from "../files";
import { MemoryFiles } from "./memory-files";

const PATH = "/x.msgpack";
const open = (bytes: Uint8Array): ReturnType<typeof msgpack.open> => msgpack.open(PATH, new MemoryFiles(new Map([[PATH, bytes]])));
const array = (shape: unknown, type: unknown, data: unknown): ExtData => new ExtData(1, encode([shape, type, data]));

const refused: { what: string; bytes: Uint8Array; says: RegExp; code?: string }[] = [
  { what: "an empty file", bytes: new Uint8Array(0), says: /needs 1 bytes but the file has 0/, code: "truncated" },
  { what: "a single number", bytes: Uint8Array.of(7), says: /a single value, not arrays by name/ },
  { what: "an unused type", bytes: Uint8Array.of(0x81, 0xa1, 0x61, 0xc1), says: /byte 3 is 0xc1, which msgpack does not use/ },
  { what: "bytes after the end", bytes: Buffer.concat([encode({ a: 1 }), Buffer.from("x")]), says: /1 bytes after its end, from byte 4/ },
  { what: "a map of 2^32 − 1 entries", bytes: Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff), says: /needs 4,294,967,300 bytes but the file has 5/, code: "truncated" },
  { what: "a text of 4 GiB", bytes: Uint8Array.of(0x81, 0xdb, 0xff, 0xff, 0xff, 0xff), says: /but the file has 6/, code: "truncated" },
  { what: "an extension beyond the file", bytes: Uint8Array.of(0x81, 0xa1, 0x61, 0xc9, 0x7f, 0xff, 0xff, 0xff, 1), says: /value at byte 3 needs/, code: "truncated" },
  { what: "deep nesting of lists", bytes: Buffer.alloc(100_000, 0x91), says: /nests deeper than 128 levels at byte 128/ },
  { what: "deep nesting of maps", bytes: Buffer.from("81a161".repeat(50_000), "hex"), says: /nests deeper than 128 levels/ },
  { what: "deep nesting of extensions", bytes: Buffer.from(`81a161${"c900ffffff02".repeat(3)}`, "hex"), says: /needs/, code: "truncated" },
  { what: "a key twice", bytes: Buffer.from("82a16101a16102", "hex"), says: /the key "a" appears twice in a map, again at byte 4/ },
  { what: "a list for a key", bytes: Buffer.from("819001", "hex"), says: /a key at byte 1 is neither a text nor a number/ },
  { what: "an array without its type", bytes: encode({ a: new ExtData(1, encode([[1]])) }), says: /is not a list of shape, type and bytes/ },
  { what: "a negative length", bytes: encode({ a: array([-1], "float32", new Uint8Array(4)) }), says: /no non-negative integer/ },
  { what: "a product that overflows", bytes: encode({ a: array([2 ** 40, 2 ** 40], "float32", new Uint8Array(4)) }), says: /the number of elements of "a" at byte 3 overflows/ },
  { what: "fewer bytes than the shape needs", bytes: encode({ a: array([3], "float32", new Uint8Array(8)) }), says: /"a" at byte 3 has 8 bytes, but 3 elements of F32 need 12/ },
  { what: "text for bytes", bytes: encode({ a: array([1], "float32", "1234") }), says: /does not end with its bytes/ },
  { what: "65 axes", bytes: encode({ a: array(new Array(65).fill(1), "uint8", new Uint8Array(1)) }), says: /65 axes/ },
  { what: "chunks that are none", bytes: encode({ a: { __msgpack_chunked_array__: true, shape: { 0: 2 }, chunks: { 0: 1 } } }), says: /"a" has a chunk that is no array/ },
  { what: "no chunks", bytes: encode({ a: { __msgpack_chunked_array__: true, shape: { 0: 2 } } }), says: /"a" has no chunks/ },
  { what: "chunks that are too short", bytes: encode({ a: { __msgpack_chunked_array__: true, shape: { 0: 4 }, chunks: { 0: array([1], "float32", new Uint8Array(4)) } } }), says: /has 4 bytes, but 4 elements of F32 need 16/ },
];

describe("malformed msgpack", () => {
  for (const { what, bytes, says, code = "malformed" } of refused) {
    it(`refuses ${what}`, () =>
      assert.rejects(open(bytes), (error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, says);
        assert.equal(error.code, code);
        return true;
      }));
  }

  it("refuses a file cut anywhere", async () => {
    const whole = readFileSync(join(fixtures, "msgpack", "flax_dtypes.msgpack"));
    for (let length = 0; length < whole.length; length++) await assert.rejects(open(whole.subarray(0, length)), CheckpointError, `${length} bytes`);
  });

  it("answers any damage with a checkpoint or one sentence", async () => {
    const whole = readFileSync(join(fixtures, "msgpack", "flax_train_state.msgpack"));
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 0xff, 0xc1, whole[at]! ^ 0x80, whole[at]! + 1]) {
        const bytes = Uint8Array.from(whole);
        bytes[at] = value;
        await open(bytes).catch((error: unknown) => assert.ok(error instanceof CheckpointError, `byte ${at}: ${String(error)}`));
      }
    }
  });

  it("reads around the arrays", async () => {
    const data = new Uint8Array(3 << 20);
    const files = new MemoryFiles(new Map([[PATH, encode({ a: array([data.length], "uint8", data), b: array([data.length], "uint8", data) })]]));
    const { tensors } = await msgpack.open(PATH, files);
    assert.deepEqual(tensors.map(({ name, bytes }) => [name, bytes]), [["a", data.length], ["b", data.length]]);
    assert.ok(files.counts.bytes < 64 * 1024, `${files.counts.bytes} bytes read`);
  });

  it("reads what a library writes", () =>
    fc.assert(
      fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0), fc.boolean(), fc.constant(null), fc.string())), async (values) => {
        const { metadata } = await open(encode(values));
        assert.deepEqual({ ...metadata }, { ...values });
      }),
    ));
});
