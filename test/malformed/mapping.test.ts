/** Mapping files that are wrong, each told with its place and what to do; and those that do not fit the models. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { parseMapping, readMapping } from "../../src/checkpoint/pairing/mapping";
import { pairTensors } from "../../src/checkpoint/pairing/pairing";
import { Scratch } from "../files";
import { model } from "../pairs";

const PATH = "/maps/pairs.yaml";

function refusal(work: () => unknown): CheckpointError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.equal(error.file, PATH);
    assert.doesNotMatch(error.message, /\n/);
    return error;
  }
  return assert.fail("nothing was refused");
}

describe("a malformed mapping file", () => {
  for (const [what, text, says] of [
    ["is empty", "", /^the mapping file is empty; it holds "pairs"/],
    ["is no mapping", "a tensor", /^line 1, column 1: the mapping file has the keys pairs, ignore, off, prefer$/],
    ["is not YAML", "pairs: [\n  {a: x", /^line 2, column 8: this is not valid YAML: /],
    ["has a key twice", "pairs: []\npairs: []", /^line 2, column 1: this is not valid YAML: Map keys must be unique/],
    ["has an unknown key", "pears: []", /^line 1, column 1: the mapping file has no key "pears"; its keys are pairs, ignore, off, prefer$/],
    ["has a prototype's key", "__proto__: []", /has no key "__proto__"/],
    ["has a list for a key", "[x]: y", /the mapping file is|"pairs"|has no key/],
    ["has no list of pairs", "pairs: 7", /^line 1, column 8: "pairs" is a list$/],
    ["has an entry without b", "pairs:\n  - {a: x}", /^line 2, column 5: an entry of "pairs" needs both a and b; b is missing$/],
    ["has a number for a name", "- {a: 1.10, b: x}", /^line 1, column 7: the name 1\.10 must be in quotes, or YAML takes it for a number$/],
    ["has a truth value for a name", "- {a: true, b: x}", /the name true must be in quotes/],
    ["has an empty name", "- {a: '', b: x}", /column 7: a tensor's name or a pattern should stand here/],
    ["has no name in a side", "- {a: {transpose: true}, b: x}", /column 7: a side needs a "name"/],
    ["has one row", "- {a: {name: x, rows: [1]}, b: y}", /column 23: "rows" is \[start, stop\], or/],
    ["has rows that end before they start", "- {a: {name: x, rows: [4, 2]}, b: y}", /"rows" is \[start, stop\]/],
    ["has a run beyond its step", "- {a: {name: x, rows: [2, 8, 3, 4]}, b: y}", /"rows" is \[start, stop\]/],
    ["has half a row", "- {a: {name: x, rows: [0, 1.5]}, b: y}", /column 27: a row is a whole number of at least 0/],
    ["has an axis without rows", "- {a: {name: x, axis: 1}, b: y}", /"axis" says where "rows" are/],
    ["has text for a truth value", "- {a: {name: x, transpose: yes}, b: y}", /"transpose" is true or false/],
    ["has an infinite number", "- {a: {name: x, plus: .inf}, b: y}", /"plus" is a number/],
    ["has no heads", "- {a: {name: x, rotary: 0}, b: y}", /"rotary", a number of heads, is a whole number of at least 1/],
    ["has an alias", "pairs: [{a: &x y, b: *x}]", /^line 1, column 22: aliases \(\*name\) are not used in mapping files; repeat the text$/],
  ] as const) {
    it(`that ${what} is refused with the place`, () => {
      const error = refusal(() => parseMapping(text, PATH));
      assert.equal(error.code, "malformed");
      assert.match(error.message, says);
    });
  }

  it("that doubles itself by aliases is refused before it grows", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);
    assert.match(refusal(() => parseMapping(lines.join("\n"), PATH)).message, /aliases \(\*name\) are not used/);
  });

  it("that is nested without end is refused", () => {
    for (const text of ["[".repeat(200_000), "- ".repeat(200_000), "{a: ".repeat(100_000), Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")]) {
      assert.match(refusal(() => parseMapping(text, PATH)).message, /^the mapping file is nested too deeply, at character [\d,]+$/);
    }
  });

  it("that is too large, missing, or no text is refused", async () => {
    const scratch = new Scratch();
    try {
      const read = (name: string, content: Uint8Array | string): Promise<unknown> => readMapping(scratch.write(name, content), new LocalFiles());
      await assert.rejects(read("large.yaml", "#".repeat(10 << 20)), /the mapping file has 10,485,760 bytes, more than the limit of 1,048,576/);
      await assert.rejects(read("binary.yaml", Uint8Array.of(0x61, 0xff, 0xfe)), /the mapping file is not UTF-8 text/);
      await assert.rejects(readMapping(`${scratch.folder}/none.yaml`, new LocalFiles()), { code: "io" });
    } finally {
      scratch.remove();
    }
  });

  it("never fails otherwise than with a sentence", () => {
    const pieces = fc.constantFrom("pairs:", "- ", "a: ", "b: ", "{", "}", "[", "]", "x", '"', "'", "*", "&", "\n", "  ", ": ", "rows: [0, 1]", "name: ", "ignore:", "!!js/function", "|", ">", "%", "\t", "1e999", "~");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        try {
          parseMapping(parts.join(""), PATH);
        } catch (error) {
          assert.ok(error instanceof CheckpointError, String(error));
          assert.doesNotMatch(error.message, /\n/);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("a mapping file that does not fit the models", () => {
  const a = model({ "x.0.weight": [4, 6], "x.1.weight": [4, 6], "y": [3] });
  const b = model({ "u.0.weight": [4, 6], "u.1.weight": [4, 6], "v": [5], "w.weight": [6, 4] });

  for (const [what, text, says] of [
    ["names a tensor that A lacks", "- {a: z, b: v}", /^line 1, column 7: A has no tensor "z"; look its names up with "inspect"$/],
    ["names a tensor that B lacks", "- {a: y, b: z.0.weight}", /^line 1, column 13: B has no tensor "z\.0\.weight"; it has "u\.0\.weight"$/],
    ["exchanges the models", "- {a: v, b: y}", /^line 1, column 7: A has no tensor "v"; B has it: are a and b, or the two models, exchanged\?$/],
    ["has a pattern that matches nothing", "- {a: 'z.*.weight', b: 'u.*.weight'}", /^line 1, column 7: no tensor of A is named like "z\.\*\.weight"/],
    ["has a pattern that leads to nothing", "- {a: 'x.*.weight', b: 'q.*.weight'}", /column 24: B has no tensor "q\.0\.weight"/],
    ["asks for more than was matched", "- {a: 'x.*.weight', b: 'u.*.*'}", /column 24: u\.\*\.\* needs 2 wildcards on the other side, which has 1/],
    ["has an invalid regular expression", "- {a: '/x(/', b: y}", /column 7: the regular expression \/x\(\/ is not valid: unterminated group/],
    ["has a regular expression without end", "- {a: '/(\\w*\\w*)*!/', b: y}", undefined],
    ["maps a tensor twice", "- {a: x.0.weight, b: u.0.weight}\n- {a: x.0.weight, b: u.1.weight}", /^line 2, column 7: "x\.0\.weight" is mapped twice, first in line 1; /],
    ["maps rows twice", "- {a: {name: x.0.weight, rows: [0, 3]}, b: {name: u.0.weight, rows: [0, 3]}}\n- {a: {name: x.0.weight, rows: [2, 4]}, b: {name: u.0.weight, rows: [3, 4]}}", /^line 2, column 14: "x\.0\.weight" is mapped twice, first in line 1/],
    ["maps what it ignores", "pairs:\n  - {a: y, b: {name: v, rows: [0, 3]}}\nignore:\n  a: [y]", /^line 4, column 7: "y" is mapped twice, first in line 2/],
    ["pairs shapes that differ", "- {a: x.0.weight, b: w.weight}", /^line 1, column 7: "x\.0\.weight" has the shape \[4, 6\] and "w\.weight" \[6, 4\]; give one of them "rows", "transpose"/],
    ["takes rows that are not there", "- {a: y, b: {name: v, rows: [4, 7]}}", /^line 1, column 20: "v", of the shape \[5\], cannot be read so: \[5\] has no part 4:7 on axis 0/],
    ["transposes a vector", "- {a: {name: y, transpose: true}, b: v}", /"y", of the shape \[3\], cannot be read so: /],
    ["counts heads that do not divide", "- {a: {name: x.0.weight, rotary: 3}, b: u.0.weight}", /cannot be read so: 4 rows are no pairs of 3 heads/],
  ] as const) {
    it(`because it ${what} is refused with the place`, () => {
      if (says === undefined) return assert.throws(() => pairTensors(model({ [`${"x".repeat(60)}`]: [1] }), b, { map: parseMapping(text, PATH) }), /takes too long; say it in a simpler way/);
      const error = refusal(() => pairTensors(a, b, { map: parseMapping(text, PATH) }));
      assert.match(error.message, says);
    });
  }
});
