/** The JSON reader against `JSON.parse`, where that is the truth, and where it is not: duplicates, big integers, positions. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CheckpointError } from "../../../src/checkpoint/checkpoint";
import { JsonReader } from "../../../src/checkpoint/json-reader";

const read = (text: string | Uint8Array, pythonNumbers = false): unknown => {
  const reader = new JsonReader(typeof text === "string" ? Buffer.from(text) : text, { file: "f", what: "the text", pythonNumbers });
  const value = reader.value();
  reader.end();
  return value;
};
const refused = (text: string | Uint8Array): CheckpointError => {
  try {
    read(text);
  } catch (error) {
    assert.ok(error instanceof CheckpointError, String(error));
    return error;
  }
  return assert.fail(`accepted ${String(text)}`);
};

/** Integers beyond 2^53 are kept as text, and those that overflow are words. */
const json = fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }).filter((value) => !/\d{16}/.test(JSON.stringify(value)));

describe("JSON reader", () => {
  it("reads what JSON.parse reads", () => {
    fc.assert(fc.property(json, fc.constantFrom(undefined, 1, "\t", "\r\n"), (value, space) => {
      // Lone surrogates are no text; everything else that JSON.stringify writes is.
      const text = JSON.stringify(value, null, space);
      if (/\\ud[89a-f]/i.test(text)) refused(text);
      else assert.deepEqual(JSON.parse(JSON.stringify(read(text))), JSON.parse(text));
    }), { numRuns: 500 });
  });

  it("reads strings with escapes in any spelling", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const escaped = `"${[...text].map((c) => [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")).join("")}"`;
      assert.equal(read(escaped), text);
      assert.equal(read(JSON.stringify(text)), text);
    }));
  });

  it("keeps the same short strings apart whatever their hash", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", "."), maxLength: 16 }), { maxLength: 200 }), (texts) => {
      assert.deepEqual(read(JSON.stringify(texts)), texts);
    }));
  });

  it("refuses what JSON.parse refuses, and says where", () => {
    fc.assert(fc.property(json, fc.nat(), fc.string({ minLength: 1, maxLength: 3 }), (value, at, inserted) => {
      const text = JSON.stringify(value);
      const place = at % (text.length + 1);
      const broken = text.slice(0, place) + inserted + text.slice(place);
      let valid = true;
      try { JSON.parse(broken); } catch { valid = false; }
      if (!valid) {
        const { offset } = refused(broken).where;
        assert.ok(offset !== undefined && offset >= 0 && offset <= Buffer.byteLength(broken));
      }
    }), { numRuns: 500 });
  });

  it("finds the first byte that is not UTF-8", () => {
    const bad = fc.constantFrom([0x80], [0xff], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf0, 0x9f, 0x98]);
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), bad, fc.string({ maxLength: 300 }), (before, bytes, after) => {
      const start = Buffer.from(before);
      assert.equal(refused(Buffer.concat([start, Buffer.from(bytes), Buffer.from(`"${after}`)])).where.offset, start.length);
    }));
  });

  it("keeps integers beyond 2^53 exact, and numbers that no double holds as words", () => {
    assert.deepEqual(read("[9007199254740993, -9007199254740993, 9007199254740991, 1e400, -1e400, 12345678901234567890.5]"), [
      "9007199254740993", "-9007199254740993", 9007199254740991, "Infinity", "-Infinity", 12345678901234567890.5,
    ]);
    const reader = new JsonReader(Buffer.from("[18446744073709551615,007]"), { file: "f", what: "the text" });
    const integers: (number | bigint)[] = [];
    assert.throws(() => reader.array(() => {
      assert.ok(reader.atInteger(), "not an integer");
      integers.push(reader.integer());
    }), /not an integer/);
    assert.deepEqual(integers, [18446744073709551615n]);
  });

  it("refuses keys that appear twice, however they are spelt", () => {
    assert.match(refused('{"a":1,"b":{"x":1},"\\u0061":2}').message, /the key "a" appears twice in the text, again at byte 19/);
    assert.match(refused('{"__proto__":1,"__proto__":2}').message, /"__proto__" appears twice/);
  });

  it("makes own properties of names that objects inherit", () => {
    const value = read('{"__proto__":{"polluted":true},"constructor":1}') as object;
    assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  it("bounds nesting without recursing further", () => {
    for (const open of ["[", '{"a":']) assert.match(refused(open.repeat(5_000_000)).message, /nested deeper than 128 levels/);
    assert.doesNotThrow(() => read("[".repeat(128) + "]".repeat(128)));
  });

  it("reads Python's bare words when asked to", () => {
    assert.deepEqual(read('{"a": NaN, "b": [Infinity, -Infinity]}', true), { a: "NaN", b: ["Infinity", "-Infinity"] });
    assert.match(refused('{"a": NaN}').message, /a value should be at byte 6, not NaN/);
  });
});
