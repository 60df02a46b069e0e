/** Zip archives: every form that writers make is read, and every way in which readers could disagree is refused. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { readZip, type ZipArchive } from "../../src/checkpoint/zip";
import { zipBytes, type Archive, type Member } from "../zip-writer";
import { MemoryFiles } from "./memory-files";

const PATH = "/m/a.zip";

async function open(bytes: Uint8Array): Promise<ZipArchive> {
  const source = await new MemoryFiles(new Map([[PATH, new Uint8Array(bytes)]])).open(PATH);
  return readZip(source);
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const A: Member = { name: "a", data: "first" };
const B: Member = { name: "b", data: "second" };
const PLAIN = zipBytes({ members: [A, B] });
const LONG = "x".repeat(10_000);

describe("zip archives", () => {
  it("are read in every form that is written", async () => {
    const forms: Archive[] = [
      { members: [] },
      { members: [A, B] },
      { members: [A, B], wide: true },
      { members: [{ ...A, wide: true }, { ...B, wide: true, deflate: true }], wide: true },
      { members: [{ ...A, streamed: true }, { ...B, streamed: true, deflate: true }] },
      { members: [{ ...A, align: 64 }, { ...B, align: 4096 }], comment: "a comment" },
      { members: [{ name: "folder/", data: "" }, { name: "folder/ünï", data: LONG, deflate: true }] },
    ];
    for (const form of forms) {
      const archive = await open(zipBytes(form));
      assert.deepEqual(archive.entries.map(({ name }) => name), form.members.map(({ name }) => name));
      for (const [i, entry] of archive.entries.entries()) {
        const { data, align, deflate } = form.members[i]!;
        const bytes = await archive.readEntry(entry, 1 << 20);
        assert.equal(text(bytes), data);
        assert.equal(crc32(bytes), entry.crc32);
        assert.equal(entry.method, deflate === true ? 8 : 0);
        if (align !== undefined) assert.equal(entry.dataOffset % align, 0);
        const pieces: Uint8Array[] = [];
        await archive.extract(entry, (piece) => Promise.resolve(void pieces.push(Uint8Array.from(piece))));
        assert.equal(Buffer.concat(pieces).toString(), data);
      }
    }
  });

  const refused: { what: string; bytes: Uint8Array; says: RegExp }[] = [
    { what: "nothing", bytes: new Uint8Array(), says: /no end record/ },
    { what: "an archive cut short", bytes: PLAIN.subarray(0, -1), says: /no end record; the file is incomplete/ },
    { what: "something after the archive", bytes: Buffer.concat([PLAIN, Buffer.from("#!")]), says: /has something after the archive/ },
    { what: "something before the archive", bytes: Buffer.concat([Buffer.from("#!"), PLAIN]), says: /something was put before or into it/ },
    { what: "something before an archive that knows of it", bytes: Buffer.concat([Buffer.from("#!"), zipBytes({ members: [{ ...A, says: { headerOffset: 2 } }], end: { start: 2 + 30 + 1 + 5 } })]), says: /the archive begins at byte 2, after something else/ },
    { what: "a name twice", bytes: zipBytes({ members: [A, { ...B, name: "a" }] }), says: /two members named "a"/ },
    { what: "an empty name", bytes: zipBytes({ members: [{ ...A, name: "" }] }), says: /has an empty name/ },
    { what: "a NUL in a name", bytes: zipBytes({ members: [{ ...A, name: "a\0.npy" }] }), says: /NUL character in it/ },
    { what: "an encrypted member", bytes: zipBytes({ members: [{ ...A, says: { flags: 1 } }] }), says: /the member "a" is encrypted/ },
    { what: "another name in the local header", bytes: zipBytes({ members: [{ ...A, localSays: { name: "c" } }] }), says: /another name in its local header/ },
    { what: "a longer name in the local header", bytes: zipBytes({ members: [{ ...A, localSays: { name: "aa" } }, B] }), says: /another name in its local header|overlaps/ },
    { what: "another method in the local header", bytes: zipBytes({ members: [{ ...A, localSays: { method: 8 } }] }), says: /another compression method in its local header/ },
    { what: "another size in the local header", bytes: zipBytes({ members: [{ ...A, localSays: { bytes: 4, compressedBytes: 4 } }] }), says: /another size in its local header \(4 bytes\) than in the directory \(5\)/ },
    { what: "members that overlap", bytes: zipBytes({ members: [{ ...A, says: { bytes: 6, compressedBytes: 6 } }, B] }), says: /the member "b" overlaps the member "a"/ },
    { what: "two members that are one", bytes: zipBytes({ members: [A, { ...A, name: "b", says: { headerOffset: 0 } }] }), says: /overlaps|another name/ },
    { what: "a member that reaches into the directory", bytes: zipBytes({ members: [{ ...A, says: { bytes: 99, compressedBytes: 99 } }] }), says: /would end at byte 130, inside the archive's directory/ },
    { what: "a member beyond the file", bytes: zipBytes({ members: [{ ...A, says: { headerOffset: 1e9 } }] }), says: /should begin at byte 1,000,000,000/ },
    { what: "no header where the directory says", bytes: zipBytes({ members: [{ ...A, says: { headerOffset: 1 } }] }), says: /has no local header at byte 1/ },
    { what: "a stored member of two sizes", bytes: zipBytes({ members: [{ ...A, says: { bytes: 1e6 } }] }), says: /is stored as 5 bytes but says it has 1,000,000/ },
    { what: "more than deflate can hold", bytes: zipBytes({ members: [{ ...A, deflate: true, says: { bytes: 4e9 } }] }), says: /more than deflate can/ },
    { what: "more entries than the directory", bytes: zipBytes({ members: [A], end: { count: 2 } }), says: /says 2 members but has only 47 bytes/ },
    { what: "fewer entries than the directory", bytes: zipBytes({ members: [A, B], end: { count: 1 } }), says: /has 47 bytes after its 1 entries/ },
    { what: "a directory beyond the file", bytes: zipBytes({ members: [A], end: { bytes: 4e9 } }), says: /reaches beyond byte/ },
    { what: "a wide directory of half the file's count", bytes: zipBytes({ members: [A], wide: true, end: { count: 2 ** 40 } }), says: /members in 47 bytes, more than the limit/ },
    { what: "a wide directory of more bytes than any file", bytes: zipBytes({ members: [A], wide: true, end: { bytes: 2 ** 60 } }), says: /more than any file holds/ },
  ];
  for (const { what, bytes, says } of refused) {
    it(`are refused: ${what}`, async () => {
      await assert.rejects(open(bytes), (error) => error instanceof CheckpointError && says.test(error.message) || assert.fail(String(error)));
    });
  }

  it("refuse a ZIP64 record that contradicts the end record", async () => {
    const bytes = zipBytes({ members: [A], wide: true });
    bytes.writeUInt16LE(7, bytes.length - 12);
    await assert.rejects(open(bytes), /contradict each other/);
  });

  const deflated = { ...A, data: LONG, deflate: true };
  for (const [what, member, limit, says] of [
    ["a member larger than asked for", A, 4, /has 5 bytes, more than the limit of 4/],
    ["a member that inflates to more than it says", { ...deflated, says: { bytes: 9999 } }, 1e6, /cannot be decompressed|does not decompress to the 9,999 bytes/],
    ["a member that inflates to less than it says", { ...deflated, says: { bytes: 10_001 } }, 1e6, /does not decompress to the 10,001 bytes/],
    ["an unknown method", { ...A, says: { method: 14 } }, 1e6, /is compressed by method 14/],
    ["what is no deflate stream", { ...A, says: { method: 8 } }, 1e6, /cannot be decompressed/],
  ] as const) {
    it(`do not give ${what}`, async () => {
      const archive = await open(zipBytes({ members: [member] }));
      await assert.rejects(archive.readEntry(archive.entries[0]!, limit), (error) => error instanceof CheckpointError && says.test(error.message));
      if (limit === 1e6) await assert.rejects(archive.extract(archive.entries[0]!, () => Promise.resolve()), (error) => error instanceof CheckpointError);
    });
  }

  it("open or are refused whatever byte is changed", async () => {
    const sound = zipBytes({ members: [{ ...A, align: 64 }, { ...B, deflate: true, wide: true }], wide: true, comment: "c" });
    await fc.assert(fc.asyncProperty(fc.nat(sound.length - 1), fc.nat(255), async (at, value) => {
      const bytes = Uint8Array.from(sound);
      bytes[at] = value;
      try {
        const archive = await open(bytes);
        for (const entry of archive.entries) {
          assert.ok(entry.dataOffset + entry.compressedBytes <= bytes.length);
          await archive.readEntry(entry, 1 << 20);
        }
      } catch (error) {
        assert.ok(error instanceof CheckpointError, String(error));
      }
    }), { numRuns: 1500 });
  });
});
