/** Files that are no sound GGUF are refused, each with a sentence that names place and reason; odd but sound ones open. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { fixtures, Scratch } from "../files";
import { ggufBytes, string, u32, u64, type Described, type TypedValue, type WrittenTensor } from "../gguf-writer";
import { openOrRefuse } from "./consistency";
import { mutate, Random } from "./mutate";

const F32 = 0;
const Q4_K = 12;
const tensor = (changes: Partial<WrittenTensor> = {}): WrittenTensor => ({ name: "w", lengths: [4, 2], type: F32, bytes: 32, ...changes });
const entry = (key: string | Uint8Array, type: TypedValue["type"], value: unknown): [string | Uint8Array, TypedValue] => [key, { type, value }];
const nested = (depth: number): TypedValue["value"] => (depth === 0 ? { item: "uint8", items: [1] } : { item: "array", items: [nested(depth - 1)] });

interface Case {
  what: string;
  bytes: Uint8Array;
  says: RegExp;
  code?: CheckpointError["code"];
  tensor?: string;
  key?: string;
}
const bad = (what: string, described: Described, says: RegExp, more: Partial<Case> = {}): Case => ({ what, bytes: ggufBytes(described), says, ...more });
const two = (second: Partial<WrittenTensor>): Described => ({ tensors: [tensor(), tensor({ name: "v", ...second })] });

const refused: Case[] = [
  { what: "an empty file", bytes: new Uint8Array(0), says: /^the file has 0 bytes; a GGUF file starts with a header of 24$/, code: "truncated" },
  { what: "a header cut short", bytes: ggufBytes({}).subarray(0, 23), says: /^the file has 23 bytes/, code: "truncated" },
  bad("another magic", { magic: "GGML" }, /^this is no GGUF file: it does not start with GGUF$/),
  bad("version 0", { version: 0 }, /^it is GGUF version 0; versions 2 and 3 are read$/, { code: "unsupported" }),
  bad("version 1", { version: 1 }, /GGUF version 1;/, { code: "unsupported" }),
  bad("version 4", { version: 4 }, /GGUF version 4;/, { code: "unsupported" }),
  bad("the other byte order", { version: 0x03000000 }, /^its byte order is big endian/, { code: "unsupported" }),
  bad("2^32 tensors in 24 bytes", { counts: [2n ** 32n, 0n] }, /^the header announces 4,294,967,296 tensors, more than the 0 bytes after it can hold$/),
  bad("2^32 entries in 24 bytes", { counts: [0n, 2n ** 32n] }, /announces 4,294,967,296 metadata entries/),
  bad("−1 tensors", { counts: [-1n, 0n] }, /announces 18,446,744,073,709,55\d,\d{3} tensors/),
  bad("−1 entries", { counts: [0n, -1n] }, /announces 18,446,744,073,709,55\d,\d{3} metadata entries/),
  bad("a string longer than the file", { metadata: [entry("k", 8, u64(2n ** 40n))] }, /^the value of the metadata key "k" at byte 37 is a string of 1,099,511,627,776 bytes, but the file has 0 after it$/, { code: "truncated", key: "k" }),
  { what: "a key of 2^63 bytes", bytes: Buffer.concat([ggufBytes({ counts: [0n, 1n] }), u64(2n ** 63n), Buffer.alloc(20)]), says: /^a metadata key at byte 24 is a string of 9,223,372,036,854,77\d,\d{3} bytes/, code: "truncated" },
  bad("an array longer than the file", { metadata: [entry("k", "array", { item: "uint32", items: [1, 2], length: 2n ** 61n })] }, /^the array "k" at byte \d+ announces 2,305,843,009,213,69\d,\d{3} items, more than the 8 bytes/, { key: "k" }),
  bad("an array of strings longer than the file", { metadata: [entry("k", "array", { item: "string", items: ["a"], length: 1000n })] }, /announces 1,000 items/, { key: "k" }),
  bad("arrays nested too deep", { metadata: [entry("k", "array", nested(4))] }, /^the metadata value "k" nests arrays more than 4 deep, at byte \d+$/, { key: "k" }),
  bad("too many arrays in arrays", { metadata: [entry("k", "array", { item: "array", items: Array.from({ length: 10_001 }, () => ({ item: "uint8", items: [] })) })] }, /more than 10,000 arrays inside arrays/, { key: "k" }),
  bad("a bool of 2", { metadata: [entry("k", "bool", 2)] }, /^the metadata value "k" holds a bool at byte 37 that is neither 0 nor 1$/, { key: "k" }),
  bad("a bool of 2 deep in an array", { metadata: [entry("k", "array", { item: "bool", items: Array.from({ length: 500 }, (_, i) => (i === 250 ? 2 : 1)) })] }, /holds a bool at byte 299 /, { key: "k" }),
  bad("an unknown value type", { metadata: [entry("k", 13, new Uint8Array(8))] }, /^the metadata value "k" has type 13 at byte 33, which GGUF does not have$/, { key: "k" }),
  bad("an unknown item type", { metadata: [entry("k", "array", { item: 99, items: [new Uint8Array(8)] })] }, /has type 99/, { key: "k" }),
  bad("an empty key", { metadata: [entry("", "uint8", 1)], data: 1 }, /^a metadata key is empty$/),
  bad("a key twice", { metadata: [entry("k", "uint8", 1), entry("k", "uint8", 1)] }, /^the metadata key "k" is there twice, again at byte 38$/),
  bad("a key that is not UTF-8", { metadata: [entry(Buffer.of(0x61, 0xff), "uint8", 1)] }, /is not UTF-8/),
  bad("metadata cut short", { metadata: [entry("k", 10, new Uint8Array(4))] }, /^the file ends at byte 41, inside the value of the metadata key "k" at byte 37$/, { code: "truncated" }),
  bad("alignment 0", { metadata: [entry("general.alignment", "uint32", 0)] }, /"general.alignment" is 0, not a power of two/, { key: "general.alignment" }),
  bad("alignment 48", { metadata: [entry("general.alignment", "uint32", 48)] }, /"general.alignment" is 48, not a power of two/, { key: "general.alignment" }),
  bad("an alignment of another type", { metadata: [entry("general.alignment", "uint64", 32n)] }, /"general.alignment" is of type uint64, not uint32/, { key: "general.alignment" }),
  bad("a tensor twice", two({ name: "w" }), /^the tensor "w" is listed twice, again at byte \d+$/, { tensor: "w" }),
  bad("a name of 64 bytes", { tensors: [tensor({ name: "n".repeat(64) })] }, /^the name of tensor 1 at byte 24 has 64 bytes; GGUF allows 63$/),
  bad("a name that is not UTF-8", { tensors: [tensor({ name: Buffer.of(0xc3, 0x28) })] }, /has a name that is not UTF-8/),
  bad("five axes", { tensors: [tensor({ lengths: [1, 1, 1, 1, 8] })] }, /has 5 axes; GGUF allows 4/, { tensor: "w" }),
  bad("2^32 − 1 axes", { tensors: [tensor({ axes: 0xffffffff })] }, /has 4,294,967,295 axes/, { tensor: "w" }),
  bad("a negative length", { tensors: [tensor({ lengths: [-4n, 2] })] }, /has an axis of negative length, -4/, { tensor: "w" }),
  bad("a length of 0", { tensors: [tensor({ lengths: [0, 2], bytes: 0 })] }, /has an axis of length 0/, { tensor: "w" }),
  bad("2^62 elements", { tensors: [tensor({ lengths: [2n ** 62n] })] }, /has 4611686018427387904 elements, more than can be addressed/, { tensor: "w" }),
  bad("a product that overflows to 0", { tensors: [tensor({ lengths: [2n ** 32n, 2n ** 32n] })] }, /more than can be addressed/, { tensor: "w" }),
  bad("a size that overflows", { tensors: [tensor({ lengths: [2n ** 52n, 1] })] }, /beyond what can be addressed/, { tensor: "w" }),
  bad("an unknown tensor type", { tensors: [tensor({ type: 42 })] }, /has type 42, which GGUF does not have/, { tensor: "w" }),
  bad("a removed tensor type", { tensors: [tensor({ type: 4 })] }, /has type Q4_2, which was removed from GGUF/, { tensor: "w" }),
  bad("rows that are no whole blocks", { tensors: [tensor({ type: Q4_K, lengths: [128, 2], bytes: 144 })] }, /has rows of 128 elements, not a whole number of Q4_K blocks of 256/, { tensor: "w" }),
  bad("a quantised scalar", { tensors: [tensor({ type: Q4_K, lengths: [] })] }, /has rows of 1 elements/, { tensor: "w" }),
  bad("two tensors of the same bytes", two({ offset: 0n }), /^the tensor "v" is said to start at byte 0 of the data, where 32 is due: that overlaps what comes before it in the list, up to "w"$/, { tensor: "v" }),
  bad("a misaligned offset", two({ offset: 33n }), /where 32 is due: that is not a multiple of the alignment 32$/, { tensor: "v" }),
  bad("a gap", two({ offset: 64n }), /where 32 is due: that leaves a gap before it$/, { tensor: "v" }),
  bad("tensors out of order", { tensors: [tensor({ offset: 32n }), tensor({ name: "v", offset: 0n })] }, /"w" is said to start at byte 32 of the data, where 0 is due/, { tensor: "w" }),
  bad("an offset past the end", two({ offset: 2n ** 50n }), /is said to start at byte 1,125,899,906,842,624 of the data/, { tensor: "v" }),
  bad("an offset of 2^64 − 1", two({ offset: -1n }), /beyond what can be addressed/, { tensor: "v" }),
  bad("data cut short", { ...two({}), data: 63 }, /^the file is incomplete: its tensors reach to byte \d+ but it ends at byte \d+; "v" would end at byte \d+$/, { code: "truncated", tensor: "v" }),
  bad("no data", { ...two({}), data: 0 }, /the file is incomplete: .* "w" would end/, { code: "truncated", tensor: "w" }),
  { what: "a tensor list cut short", bytes: ggufBytes({ tensors: [tensor({ name: "n".repeat(60) })] }).subarray(0, 60), says: /^the file ends at byte 60, inside the entry of tensor 1 at byte 32$/, code: "truncated" },
  bad("a name that would act on a terminal", { tensors: [tensor({ name: "\u001b[2J\u202e", type: 4 })] }, /^the tensor "\\u001b\[2J\\u202e" at byte 24 /),
];

describe("malformed GGUF", () => {
  let scratch: Scratch;
  before(() => { scratch = new Scratch(); });
  after(() => scratch.remove());

  for (const [i, { what, bytes, says, code, tensor: name, key }] of refused.entries()) {
    it(`refuses ${what}`, async () => {
      const path = scratch.write(`${i}.gguf`, bytes);
      const files = new LocalFiles();
      const error = await openCheckpoint(path, files).then(() => assert.fail("it opened"), (reason: unknown) => reason);
      assert.ok(error instanceof CheckpointError, String(error));
      assert.match(error.message, says);
      assert.ok(error.message.length < 600 && !error.message.includes("\n"));
      assert.equal(error.file, path);
      assert.equal(error.code, code ?? "malformed");
      if (name !== undefined) assert.equal(error.where.tensor, name);
      if (key !== undefined) assert.equal(error.where.key, key);
      assert.ok(files.counts.largest <= bytes.length, "a read larger than the file");
    });
  }

  it("refuses metadata that is longer than any tokenizer, without reading all of it", async () => {
    const start = Buffer.concat([ggufBytes({ counts: [0n, 1n] }), string("k"), u32(8), u64(10n ** 11n)]);
    const path = scratch.write("long.gguf", start);
    truncateSync(path, 2e11);
    const files = new LocalFiles();
    await assert.rejects(openCheckpoint(path, files), { code: "malformed", message: /take more than 100,000,000 bytes, the most that is read$/ });
    assert.ok(files.counts.bytes <= 65_536);
  });
});

describe("unusual but valid GGUF", () => {
  let scratch: Scratch;
  before(() => { scratch = new Scratch(); });
  after(() => scratch.remove());

  it("accepts scalars, names of Object.prototype, an alignment below 8, and bytes after the last tensor", async () => {
    const metadata = [entry("__proto__", "string", "x"), entry("general.alignment", "uint32", 2), entry("constructor", "uint8", 7)];
    const bytes = ggufBytes({ metadata, alignment: 2, tensors: [tensor({ name: "__proto__", lengths: [], bytes: 4 }), tensor({ name: "", lengths: [3], type: 24, bytes: 3 })], data: 100 });
    const checkpoint = await openCheckpoint(scratch.write("odd.gguf", bytes));
    assert.deepEqual(checkpoint.tensors.map(({ name, shape, parameters }) => [name, shape, parameters]), [["__proto__", [], 1], ["", [3], 3]]);
    assert.deepEqual(Object.entries(checkpoint.metadata), [["__proto__", "x"], ["general.alignment", 2], ["constructor", 7]]);
  });

  it("passes long arrays of numbers unread, in a sparse file of 100 GB", async () => {
    const start = Buffer.concat([ggufBytes({ counts: [0n, 2n] }), string("a"), u32(9), u32(6), u64(10n ** 10n)]);
    const path = scratch.write("sparse.gguf", start);
    const rest = 4e10;
    truncateSync(path, start.length + rest + 100);
    const files = new LocalFiles();
    // What follows the array is zeros: an entry without a key.
    await assert.rejects(openCheckpoint(path, files), { message: "a metadata key is empty", where: { offset: start.length + rest } });
    assert.ok(files.counts.bytes <= 3 * 65_536, `${files.counts.bytes} bytes`);
  });

  it("reads a large tokenizer once, in few reads", async () => {
    const tokens = Array.from({ length: 128_000 }, (_, i) => `token ${i}`);
    const bytes = ggufBytes({ metadata: [entry("tokenizer.ggml.tokens", "array", { item: "string", items: tokens }), entry("after", "uint8", 1)], tensors: [tensor()] });
    const files = new LocalFiles();
    const checkpoint = await openCheckpoint(scratch.write("tokens.gguf", bytes), files);
    assert.ok(files.counts.bytes <= bytes.length, `${files.counts.bytes} of ${bytes.length} bytes`);
    assert.ok(files.counts.reads <= 6);
    assert.equal(checkpoint.metadata["after"], 1);
    assert.ok(JSON.stringify(checkpoint.metadata).length < 1000);
    assert.deepEqual(checkpoint.tables?.get("tokenizer.ggml.tokens")?.search("TOKEN 12799", 3), {
      matches: [{ index: 12_799, text: "token 12799" }, { index: 127_990, text: "token 127990" }, { index: 127_991, text: "token 127991" }],
      total: 11,
    });
  });
});

describe("generated GGUF", () => {
  const PATH = "/m/model.gguf";
  const name = fc.string({ unit: "grapheme", maxLength: 15 }).filter((text) => Buffer.byteLength(text) < 64);
  const types = fc.constantFrom({ type: 0, elements: 1, bytes: 4, dtype: "F32" }, { type: 30, elements: 1, bytes: 2, dtype: "BF16" }, { type: 8, elements: 32, bytes: 34, dtype: "Q8_0" }, { type: 40, elements: 64, bytes: 36, dtype: "NVFP4" }, { type: 29, elements: 256, bytes: 56, dtype: "IQ1_M" });
  const described = fc.record({ type: types, row: fc.integer({ min: 1, max: 5 }), rest: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }) });
  const value: fc.Arbitrary<TypedValue & { shown: unknown }> = fc.oneof(
    fc.integer({ min: 0, max: 255 }).map((number) => ({ type: "uint8" as const, value: number, shown: number })),
    fc.double().map((number) => ({ type: "float64" as const, value: number, shown: Number.isFinite(number) ? number : String(number) })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((number) => ({ type: "int64" as const, value: number, shown: number >= -(2n ** 53n) + 1n && number <= 2n ** 53n - 1n ? Number(number) : String(number) })),
    fc.string({ unit: "grapheme" }).map((text) => ({ type: "string" as const, value: text, shown: text })),
    fc.array(fc.boolean(), { maxLength: 9 }).map((items) => ({ type: "array" as const, value: { item: "bool", items }, shown: items })),
    fc.array(fc.string({ unit: "grapheme" }), { maxLength: 9 }).map((items) => ({ type: "array" as const, value: { item: "string", items }, shown: items })),
  );
  const key = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.startsWith("general."));

  it("opens as what it says", async () => {
    const tensors = fc.uniqueArray(fc.tuple(name, described), { selector: ([text]) => text, maxLength: 8 });
    const metadata = fc.uniqueArray(fc.tuple(key, value), { selector: ([text]) => text, maxLength: 6 });
    await fc.assert(fc.asyncProperty(tensors, metadata, async (listed, entries) => {
      const bytes = ggufBytes({
        metadata: entries.map(([text, { type, value: written }]) => [text, { type, value: written }]),
        tensors: listed.map(([text, { type, row, rest }]) => ({ name: text, lengths: [row * type.elements, ...rest], type: type.type, bytes: rest.reduce((a, b) => a * b, row) * type.bytes })),
      });
      const checkpoint = await openOrRefuse(PATH, new Map([[PATH, bytes]]));
      assert.ok(checkpoint !== null);
      assert.deepEqual(checkpoint.tensors.map((each) => [each.name, each.dtype, each.shape]), listed.map(([text, { type, row, rest }]) => [text, type.dtype, [...rest].reverse().concat(row * type.elements)]));
      assert.deepEqual(new Map(Object.entries(checkpoint.metadata)), new Map(entries.map(([text, { shown }]) => [text, shown])));
    }), { numRuns: 300 });
  });

  it("opens consistently or is refused whatever happens to the bytes of the reference files", async () => {
    const folder = join(fixtures, "gguf");
    const sources = readdirSync(folder).filter((file) => file.endsWith(".gguf")).map((file) => new Uint8Array(readFileSync(join(folder, file))));
    await fc.assert(fc.asyncProperty(fc.constantFrom(...sources), fc.integer(), async (bytes, seed) => {
      await openOrRefuse(PATH, new Map([[PATH, mutate(bytes, new Random(seed))]]));
    }), { numRuns: 1500 });
  });

  it("opens consistently or is refused when a number in it changes", async () => {
    const bytes = ggufBytes({ metadata: [entry("k", "array", { item: "string", items: ["a", "b"] }), entry("general.alignment", "uint32", 32)], tensors: [tensor(), tensor({ name: "v", type: Q4_K, lengths: [256], bytes: 144 })] });
    await fc.assert(fc.asyncProperty(fc.nat(bytes.length - 8), fc.constantFrom(1, 4, 8), fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n)), async (at, width, written) => {
      const changed = Buffer.from(bytes);
      u64(written).copy(changed, at, 0, width);
      await openOrRefuse(PATH, new Map([[PATH, changed]]));
    }), { numRuns: 1000 });
  });
});
