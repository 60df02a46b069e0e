/** Every way a safetensors header can be wrong: one clear sentence, no more read than header + 64 KiB, no large allocation. */
import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { headerOf, safetensorsBytes, Scratch, vectors } from "../files";

const entry = (dtype: string, shape: unknown, offsets: unknown): string => `{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":${JSON.stringify(offsets)}}`;
const W = `{"w":${entry("F32", [2], [0, 8])}}`;

interface Refused {
  what: string;
  bytes: Uint8Array;
  /** What the sentence must say: what is wrong, and where. */
  says: RegExp;
  code?: string;
  tensor?: string;
  offset?: number;
}

const refused: Refused[] = [
  { what: "an empty file", bytes: new Uint8Array(0), says: /the file has 0 bytes; .*8-byte header length/, code: "truncated", offset: 0 },
  { what: "a file shorter than the length field", bytes: new Uint8Array(7), says: /the file has 7 bytes/, code: "truncated", offset: 7 },
  { what: "a header length beyond the file", bytes: safetensorsBytes("{}", 1014, 9_999_999_999n), says: /the header says 9,999,999,999 bytes but the file has 1,024/, code: "truncated", offset: 0 },
  { what: "a header length that overflows when 8 is added", bytes: safetensorsBytes("{}", 0, 2n ** 64n - 1n), says: /the header says 18,446,744,073,709,551,615 bytes but the file has 10/ },
  { what: "a header one byte longer than the rest of the file", bytes: safetensorsBytes("{}", 0, 3n), says: /the header says 3 bytes but the file has 10/ },
  { what: "an empty header", bytes: safetensorsBytes(""), says: /the header ends at byte 8 where an object should be/, offset: 8 },
  { what: "a header that is not UTF-8", bytes: safetensorsBytes(Buffer.concat([Buffer.from('{"a'), Buffer.from([0xff]), Buffer.from('":1}')])), says: /the header is not UTF-8 at byte 11/, offset: 11 },
  { what: "UTF-8 cut in the middle of a character", bytes: safetensorsBytes(Buffer.from([0x7b, 0x22, 0xe2, 0x82])), says: /not UTF-8 at byte 10/, offset: 10 },
  { what: "a surrogate encoded as UTF-8", bytes: safetensorsBytes(Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22])), says: /not UTF-8 at byte 10/ },
  { what: "a header that is no JSON", bytes: safetensorsBytes("<html>nope</html>"), says: /the header is not valid JSON: an object should be at byte 8, not "<"/, offset: 8 },
  { what: "an array for a header", bytes: safetensorsBytes("[]"), says: /an object should be at byte 8/ },
  { what: "a header cut short", bytes: safetensorsBytes(W.slice(0, -2), 8), says: /the header ends at byte \d+/ },
  { what: "a string that does not end", bytes: safetensorsBytes('{"abc'), says: /the header ends inside the string that starts at byte 9/, offset: 9 },
  { what: "a trailing comma", bytes: safetensorsBytes(`${W.slice(0, -1)},}`, 8), says: /a key in double quotes should be at byte/ },
  { what: "something after the closing brace", bytes: safetensorsBytes(`${W} x`, 8), says: /the header has x after its end, at byte \d+/ },
  { what: "two objects", bytes: safetensorsBytes(`${W}{}`, 8), says: /the header has "\{" after its end/ },
  { what: "a raw control character in a name", bytes: safetensorsBytes('{"a\nb":1}'), says: /a raw control character in a string at byte 11/ },
  { what: "an invalid escape", bytes: safetensorsBytes('{"a\\x":1}'), says: /an invalid escape in the string at byte 9/ },
  { what: "half a surrogate pair", bytes: safetensorsBytes('{"\\ud800":1}'), says: /half a surrogate pair in the string at byte 9/ },
  { what: "deep nesting", bytes: safetensorsBytes(`{"w":${"[".repeat(100_000)}`), says: /"w" at byte 13 is "\[", not an object/, tensor: "w" },
  { what: "deep nesting in a field that is ignored", bytes: safetensorsBytes(`{"w":{"x":${"[".repeat(100_000)}`), says: /nested deeper than 128 levels at byte \d+/ },
  { what: "deep nesting of objects", bytes: safetensorsBytes(`{"w":{"x":${'{"a":'.repeat(100_000)}`), says: /nested deeper than 128 levels/ },
  { what: "a tensor twice", bytes: safetensorsBytes(`{"w":${entry("F32", [2], [0, 8])},"w":${entry("F32", [2], [0, 8])}}`, 8), says: /the tensor "w" appears twice in the header, again at byte 62/, tensor: "w", offset: 62 },
  { what: "a tensor twice, once escaped", bytes: safetensorsBytes(`{"w":${entry("F32", [1], [0, 4])},"\\u0077":${entry("F32", [1], [4, 8])}}`, 8), says: /the tensor "w" appears twice/ },
  { what: "__metadata__ twice", bytes: safetensorsBytes(`{"__metadata__":{},"__metadata__":{}}`), says: /"__metadata__" appears twice .* byte 27/ },
  { what: "a metadata key twice", bytes: safetensorsBytes(`{"__metadata__":{"a":"1","a":"2"}}`), says: /the key "a" appears twice in __metadata__, again at byte 33/ },
  { what: "metadata that is no object", bytes: safetensorsBytes(`{"__metadata__":"pt"}`), says: /__metadata__ at byte 24 is "pt", not an object/ },
  { what: "a number in the metadata", bytes: safetensorsBytes(`{"__metadata__":{"step":100}}`), says: /the value of "step" in __metadata__ at byte 32 is 100, not a string/, offset: 32 },
  { what: "an object in the metadata", bytes: safetensorsBytes(`{"__metadata__":{"a":{"b":"c"}}}`), says: /the value of "a" in __metadata__ at byte 29 is "\{", not a string/ },
  { what: "an entry that is no object", bytes: safetensorsBytes(`{"w":[1]}`), says: /the entry of "w" at byte 13 is "\[", not an object/ },
  { what: "no dtype", bytes: safetensorsBytes(`{"w":{"shape":[],"data_offsets":[0,4]}}`, 4), says: /the entry of "w" at byte 9 has no dtype/, tensor: "w" },
  { what: "no shape", bytes: safetensorsBytes(`{"w":{"dtype":"F32","data_offsets":[0,4]}}`, 4), says: /has no shape/ },
  { what: "no offsets", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[]}}`, 4), says: /has no data_offsets/ },
  { what: "a field twice", bytes: safetensorsBytes(`{"w":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4), says: /dtype of "w" appears twice, again at byte 36/ },
  { what: "a dtype that is no string", bytes: safetensorsBytes(`{"w":{"dtype":32,"shape":[],"data_offsets":[0,4]}}`, 4), says: /dtype of "w" at byte 22 is 32, not a string/ },
  { what: "a shape that is no array", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":4,"data_offsets":[0,16]}}`, 16), says: /shape of "w" at byte 36 is 4, not an array/ },
  { what: "a negative length", bytes: safetensorsBytes(`{"w":${entry("F32", [-2], [0, 8])}}`, 8), says: /shape\[0\] of "w" at byte \d+ is -2, not a non-negative integer/ },
  { what: "a fractional length", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8), says: /shape\[0\] of "w" at byte 37 is 2\.0, not a non-negative integer/, offset: 37 },
  { what: "a negative offset", bytes: safetensorsBytes(`{"w":${entry("F32", [2], [-8, 0])}}`, 8), says: /data_offsets\[0\] of "w" at byte \d+ is -8, not a non-negative integer/ },
  { what: "a fractional offset", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0.0,8]}}`, 8), says: /data_offsets\[0\] of "w" at byte 56 is 0\.0/ },
  { what: "an offset with an exponent", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8e0]}}`, 8), says: /data_offsets\[1\] of "w" at byte 58 is 8e0/ },
  { what: "an offset with a leading zero", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,08]}}`, 8), says: /data_offsets\[1\] of "w" at byte 58 is 08/ },
  { what: "an offset in quotes", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2],"data_offsets":["0",8]}}`, 8), says: /data_offsets\[0\] of "w" at byte 56 is "0", not a non-negative integer/ },
  { what: "an offset of null", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,null]}}`, 8), says: /data_offsets\[1\] of "w" at byte 58 is null/ },
  { what: "one offset", bytes: safetensorsBytes(`{"w":${entry("F32", [2], [0])}}`, 8), says: /data_offsets of "w" has 1 offsets, not 2/ },
  { what: "three offsets", bytes: safetensorsBytes(`{"w":${entry("F32", [2], [0, 8, 8])}}`, 8), says: /data_offsets of "w" has more than 2 offsets/ },
  { what: "an end before the beginning", bytes: safetensorsBytes(`{"w":${entry("F32", [2], [8, 0])}}`, 8), says: /data_offsets of "w" begin at 8, after their end 0/, tensor: "w" },
  { what: "an offset beyond 2^53", bytes: safetensorsBytes(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}}`, 8), says: /data_offsets\[1\] of "w" at byte 58 is 18,446,744,073,709,551,616, more than any file holds/ },
  { what: "a size that differs from shape and dtype", bytes: safetensorsBytes(`{"w":${entry("F32", [3], [0, 8])}}`, 8), says: /"w" is F32 \[3\], 12 bytes, but its data_offsets hold 8/, tensor: "w" },
  { what: "a rank-0 tensor of no bytes", bytes: safetensorsBytes(`{"w":${entry("F32", [], [0, 0])}}`), says: /"w" is F32 \[\], 4 bytes, but its data_offsets hold 0/ },
  { what: "a size that differs by half a byte", bytes: safetensorsBytes(`{"w":${entry("F6_E2M3", [4], [0, 4])}}`, 4), says: /"w" is F6_E2M3 \[4\], 3 bytes, but its data_offsets hold 4/ },
  { what: "a shape product beyond 2^64 by one factor", bytes: safetensorsBytes(`{"w":{"dtype":"U8","shape":[2,18446744073709551614],"data_offsets":[0,8]}}`, 8), says: /shape\[1\] of "w" at byte 38 is 18,446,744,073,709,551,614/ },
  { what: "a shape product of 2^64", bytes: safetensorsBytes(`{"w":${entry("U8", [2 ** 32, 2 ** 32], [0, 8])}}`, 8), says: /the shape of "w", \[4294967296, 4294967296\], overflows/, tensor: "w" },
  { what: "a shape product that wraps round to a small number", bytes: safetensorsBytes(`{"w":${entry("F32", [4194305, 4194305, 211106198978564], [0, 16])}}`, 16), says: /\[4194305, 4194305, 211106198978564\], overflows/ },
  { what: "ends whose sum would overflow", bytes: safetensorsBytes(`{${Array.from({ length: 8 }, (_, i) => `"w${i}":{"dtype":"U8","shape":[2305843009213693951],"data_offsets":[0,2305843009213693951]}`).join()}}`), says: /shape\[0\] of "w0" at byte \d+ is 2,305,843,009,213,693,951, more than any file/ },
  { what: "too many axes", bytes: safetensorsBytes(`{"w":${entry("U8", Array.from({ length: 65 }, () => 1), [0, 1])}}`, 1), says: /shape of "w" has more than 64 axes/ },
  { what: "F4 that ends inside a byte", bytes: safetensorsBytes(`{"w":${entry("F4", [3], [0, 2])}}`, 2), says: /"w" has 3 elements of F4, 4 bits each: not a whole number of bytes/ },
  { what: "F6 that ends inside a byte", bytes: safetensorsBytes(`{"w":${entry("F6_E3M2", [5], [0, 4])}}`, 4), says: /"w" has 5 elements of F6_E3M2, 6 bits each/ },
  { what: "a hole at the start", bytes: safetensorsBytes(`{"w":${entry("F32", [2], [8, 16])}}`, 16), says: /bytes 0–8 of the data, before "w", belong to no tensor/, tensor: "w" },
  { what: "a hole between tensors", bytes: safetensorsBytes(`{"a":${entry("F32", [2], [0, 8])},"b":${entry("F32", [2], [9, 17])}}`, 17), says: /bytes 8–9 of the data, before "b", belong to no tensor/, tensor: "b" },
  { what: "an overlap", bytes: safetensorsBytes(`{"a":${entry("F32", [2], [0, 8])},"b":${entry("F32", [2], [4, 12])}}`, 12), says: /"b" \(bytes 4–12 of the data\) overlaps "a" \(bytes 0–8\)/, tensor: "b" },
  { what: "two tensors of the same bytes", bytes: safetensorsBytes(`{"a":${entry("F32", [2], [0, 8])},"b":${entry("F32", [2], [0, 8])}}`, 8), says: /"b" \(bytes 0–8 of the data\) overlaps "a" \(bytes 0–8\)/ },
  { what: "an empty tensor inside another", bytes: safetensorsBytes(`{"a":${entry("F32", [2], [0, 8])},"b":${entry("F32", [0], [4, 4])}}`, 8), says: /"b" .* overlaps "a"/ },
  { what: "bytes after the last tensor", bytes: safetensorsBytes(W, 10), says: /2 bytes after the last tensor, from byte \d+, belong to no tensor/ },
  { what: "bytes after a header without tensors", bytes: safetensorsBytes("{}", 5), says: /5 bytes after the last tensor, from byte 10/ },
  { what: "two bytes too few", bytes: safetensorsBytes(W, 6), says: /the file is incomplete: its tensors need 8 bytes after the header but 6 are there; "w" would end at byte \d+/, code: "truncated", tensor: "w" },
  { what: "an unknown dtype past the end of the file", bytes: safetensorsBytes(`{"w":${entry("NEW", [1], [0, 999_999])}}`, 8), says: /need 999,999 bytes after the header but 8 are there/, code: "truncated" },
  { what: "a name that would act on a terminal", bytes: safetensorsBytes(`{"\\u001b[2J\\u202e":1}`), says: /the entry of "\\u001b\[2J\\u202e" at byte/ },
  { what: "an endless name", bytes: safetensorsBytes(`{"${"x".repeat(100_000)}":1}`), says: /^the entry of "x{120}…" at byte \d+ is 1, not an object$/ },
];

describe("malformed safetensors", () => {
  let scratch: Scratch;
  before(() => { scratch = new Scratch(); });
  after(() => scratch.remove());

  for (const [number, { what, bytes, says, code, tensor, offset }] of refused.entries()) {
    it(`refuses ${what}`, async () => {
      const path = scratch.write(`${number}.safetensors`, bytes);
      const files = new LocalFiles();
      const error = await openCheckpoint(path, files).then(() => assert.fail("it opened"), (reason: unknown) => reason);
      assert.ok(error instanceof CheckpointError, String(error));
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /\n/);
      assert.ok(error.message.length < 600);
      assert.equal(error.file, path);
      assert.equal(error.code, code ?? error.code);
      if (tensor !== undefined) assert.equal(error.where.tensor, tensor);
      if (offset !== undefined) assert.equal(error.where.offset, offset);
      assert.ok(files.counts.largest <= bytes.length, "a read larger than the file");
    });
  }

  it("refuses a header beyond the format's limit without reading it", async () => {
    const path = scratch.write("large.safetensors", safetensorsBytes("{}", 0, 100_000_001n));
    truncateSync(path, 200_000_000);
    const files = new LocalFiles();
    await assert.rejects(openCheckpoint(path, files), /the header says 100,000,001 bytes, more than the format's limit of 100,000,000/);
    assert.ok(files.counts.bytes <= 65_536);
  });

  it("says what cannot be opened at all", async () => {
    await assert.rejects(openCheckpoint(`${scratch.folder}/none.safetensors`), { code: "io", message: "there is no such file" });
    scratch.write("folder.safetensors/inner.txt", "");
    await assert.rejects(openCheckpoint(`${scratch.folder}/folder.safetensors`), { code: "usage", message: /the folder holds no checkpoint/ });
    await assert.rejects(openCheckpoint(scratch.write("model.weights", "x")), { code: "unsupported" });
  });
});

describe("unusual but valid safetensors", () => {
  let scratch: Scratch;
  before(() => { scratch = new Scratch(); });
  after(() => scratch.remove());
  const open = async (bytes: Uint8Array) => openCheckpoint(scratch.write("file.safetensors", bytes));

  it("accepts whitespace around the header, unordered keys, fields it does not know, and null metadata", async () => {
    const { tensors } = await open(safetensorsBytes(` \n{"b":{"data_offsets":[4,8],"extra":{"deep":[1,{"a":null}]},"shape":[1],"dtype":"F32"},"__metadata__":null,"a":${entry("F32", [], [0, 4])}}\t  `, 8));
    assert.deepEqual(tensors.map(({ name, shape }) => [name, shape]), [["a", []], ["b", [1]]]);
  });

  it("accepts no tensors, empty tensors and rank 0", async () => {
    assert.deepEqual((await open(safetensorsBytes("{}"))).tensors, []);
    const { tensors } = await open(safetensorsBytes(headerOf({ a: { dtype: "F32", shape: [], bytes: 4 }, b: { dtype: "I64", shape: [3, 0, 7], bytes: 0 } }), 4));
    assert.deepEqual(tensors.map(({ parameters, bytes }) => [parameters, bytes]), [[1, 4], [0, 0]]);
  });

  it("lists unknown dtypes and says that they cannot be decoded", async () => {
    const { tensors } = await open(safetensorsBytes(headerOf({ a: { dtype: "F3_E1M1", shape: [7], bytes: 3 }, b: { dtype: "C64", shape: [2], bytes: 16 } }), 19));
    assert.deepEqual(tensors.map(({ dtype, expression, unreadable }) => [dtype, expression, unreadable]), [
      ["F3_E1M1", null, 'values of dtype "F3_E1M1" cannot be decoded'],
      ["C64", null, "values of dtype C64 cannot be decoded"],
    ]);
  });

  it("takes names of Object.prototype as names", async () => {
    const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
    const header = `{"__metadata__":{"__proto__":"x","constructor":"y"},${names.map((name, i) => `"${name}":${entry("U8", [1], [i, i + 1])}`).join()}}`;
    const { tensors, metadata } = await open(safetensorsBytes(header, 4));
    assert.deepEqual(tensors.map(({ name }) => name), names);
    assert.deepEqual(Object.entries(metadata), [["__proto__", "x"], ["constructor", "y"]]);
    assert.equal(Object.getPrototypeOf(metadata), Object.prototype);
  });

  it("reads no more than the header and 64 KiB, in a sparse file of 100 GB", async () => {
    const tensors = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`model.layers.${i}.mlp.up_proj.weight`, { dtype: "BF16", shape: [5000, 10_000], bytes: 100_000_000 }]));
    const start = safetensorsBytes(headerOf(tensors));
    const path = scratch.write("sparse.safetensors", start);
    truncateSync(path, start.length + 1e11);
    const files = new LocalFiles();
    const checkpoint = await openCheckpoint(path, files);
    assert.equal(checkpoint.tensors.length, 1000);
    assert.equal(checkpoint.layers, 1000);
    assert.equal(checkpoint.tensors.at(-1)!.offset, start.length + 999e8);
    assert.ok(files.counts.bytes <= start.length + 65_536, `${files.counts.bytes} bytes read, header ${start.length}`);
    assert.ok(files.counts.largest <= Math.max(start.length, 65_536));
  });

  it("opens a file whose header is smaller than one read in one read", async () => {
    const files = new LocalFiles();
    await openCheckpoint(scratch.write("small.safetensors", vectors({ a: 3 })), files);
    assert.equal(files.counts.reads, 1);
  });
});
