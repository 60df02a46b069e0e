/** Every way a NumPy header can be wrong: one clear sentence, nothing evaluated, no large allocation. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { parseNpyHeader } from "../../src/checkpoint/npy-header";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { fixtures, Scratch } from "../files";

/** An array's bytes: magic, version, length, header, data. */
function npyBytes(header: string | Uint8Array, data = 0, { version = 1, length }: { version?: number; length?: number } = {}): Uint8Array {
  const text = typeof header === "string" ? Buffer.from(header, version === 3 ? "utf8" : "latin1") : header;
  const prefix = Buffer.alloc(version === 1 ? 10 : 12);
  prefix.write("\x93NUMPY", "latin1");
  prefix[6] = version;
  if (version === 1) prefix.writeUInt16LE(length ?? text.length, 8);
  else prefix.writeUInt32LE(length ?? text.length, 8);
  return Buffer.concat([prefix, text, new Uint8Array(data)]);
}
const dict = (shape: string, descr = "'<f4'", fortran = "False"): string => `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

const refused: { what: string; bytes: Uint8Array; says: RegExp; code?: string }[] = [
  { what: "an empty file", bytes: new Uint8Array(0), says: /does not start with \\x93NUMPY/ },
  { what: "another format", bytes: Buffer.from("PK\x03\x04 and more"), says: /it is no NumPy array/ },
  { what: "a file cut in its prefix", bytes: npyBytes("").subarray(0, 8), says: /ends after 8 bytes, inside its header/, code: "truncated" },
  { what: "version 4", bytes: npyBytes(dict("(2,)"), 8, { version: 4 }), says: /header version 4\.0; versions 1\.0, 2\.0 and 3\.0/, code: "unsupported" },
  { what: "a header longer than the file", bytes: npyBytes(dict("(2,)"), 0, { length: 500 }), says: /says 500 bytes but only \d+ follow/, code: "truncated" },
  { what: "a header longer than NumPy takes", bytes: npyBytes(dict("(2,)"), 0, { version: 2, length: 2 ** 32 - 1 }), says: /says 4,294,967,295 bytes, more than NumPy's limit of 10,000/ },
  { what: "code in the header", bytes: npyBytes("{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': ()}"), says: /a string, number, tuple, list or dict should be here/ },
  { what: "an expression for a length", bytes: npyBytes(dict("(2*3,)"), 24), says: /a comma or \) should be here/ },
  { what: "a list for a header", bytes: npyBytes("[1, 2]"), says: /is not a dict/ },
  { what: "no descr", bytes: npyBytes("{'fortran_order': False, 'shape': ()}"), says: /has no "descr"/ },
  { what: "a key too many", bytes: npyBytes("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}"), says: /has 4 keys/ },
  { what: "a key twice", bytes: npyBytes("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': ()}"), says: /a key appears twice/ },
  { what: "an order that is no boolean", bytes: npyBytes(dict("(2,)", "'<f4'", "0"), 8), says: /neither True nor False/ },
  { what: "a negative length", bytes: npyBytes(dict("(-2,)"), 8), says: /no non-negative integer/ },
  { what: "a length that is no integer", bytes: npyBytes(dict("('2',)"), 8), says: /no non-negative integer/ },
  { what: "a product that overflows", bytes: npyBytes(dict("(4294967296, 4294967296)")), says: /number of elements overflows/ },
  { what: "more axes than NumPy has", bytes: npyBytes(dict(`(${"1,".repeat(65)})`), 4), says: /65 axes/ },
  { what: "more elements than bytes", bytes: npyBytes(dict("(1000000000000,)"), 8), says: /need 4,000,000,000,000 bytes but only 8 follow/, code: "truncated" },
  { what: "a byte too few", bytes: npyBytes(dict("(2,)"), 7), says: /need 8 bytes but only 7/, code: "truncated" },
  { what: "deep nesting", bytes: npyBytes(`{'descr': ${"[".repeat(5000)}`), says: /nested deeper than 32 levels/ },
  { what: "a type that is not understood", bytes: npyBytes(dict("(2,)", "'float'"), 8), says: /"descr" that is not understood/ },
  { what: "a header that is not UTF-8", bytes: npyBytes(Buffer.from([0x7b, 0xff, 0x7d]), 0, { version: 3 }), says: /is not UTF-8/ },
  { what: "pickled objects", bytes: npyBytes(dict("(1,)", "'|O'"), 40), says: /pickled Python objects, which are not read/, code: "unsupported" },
];

describe("malformed NumPy arrays", () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  for (const { what, bytes, says, code = "malformed" } of refused) {
    it(`refuses ${what}`, async () => {
      const path = scratch.write("x.npy", bytes);
      await assert.rejects(openCheckpoint(path), (error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, says);
        assert.equal(error.code, code);
        assert.equal(error.file, path);
        return true;
      });
    });
  }

  it("refuses an archive's member that is damaged, when it is read", async () => {
    const bytes = Buffer.from(readFileSync(join(fixtures, "numpy", "deflated.npz")));
    const { tensors } = await openCheckpoint(join(fixtures, "numpy", "deflated.npz"));
    assert.ok(tensors.every(({ load }) => load !== undefined));
    // The checksum stands at byte 14 of the local header and 16 of the directory's entry.
    const directory = bytes.readUInt32LE(bytes.length - 6);
    for (const at of [14, directory + 16]) bytes[at]! ^= 1;
    const damaged = await openCheckpoint(scratch.write("damaged.npz", bytes));
    await assert.rejects(damaged.tensors[0]!.load!(), /"model\.embed_tokens\.weight\.npy" is damaged: its CRC-32/);
  });

  it("reads every header that it writes", () => {
    const types = ["<f4", ">f8", "|b1", "<i8", ">u2", "<c16"];
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.boolean(), fc.array(fc.nat(9), { maxLength: 6 }), fc.constantFrom(1, 2, 3), (descr, fortran, shape, version) => {
        const text = dict(`(${shape.map((length) => `${length},`).join(" ")})`, `'${descr}'`, fortran ? "True" : "False");
        const header = parseNpyHeader(npyBytes(text, 0, { version }), "x.npy");
        assert.deepEqual(header.shape, shape);
        assert.equal(header.fortran, fortran);
        assert.equal(header.order, descr.startsWith(">") ? "big" : undefined);
        assert.equal(header.bytes, shape.reduce((a, b) => a * b, Number(descr.slice(2))));
      }),
    );
  });

  it("answers any header with an array or one sentence", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[{}()[\]'",:<f4L \\x0-9A-Za-z_]{0,80}$/)), (text) => {
        try {
          parseNpyHeader(npyBytes(text), "x.npy");
        } catch (error) {
          assert.ok(error instanceof CheckpointError, String(error));
        }
      }),
    );
  });
});
