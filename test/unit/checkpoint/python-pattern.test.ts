/** Python's regular expressions, as adapters' configurations have them. */
import assert from "node:assert/strict";
import { fullMatch, UnusablePattern } from "../../../src/checkpoint/adapters/python-pattern";

describe("Python's patterns", () => {
  it("match the whole text", () => {
    for (const [pattern, text, expected] of [
      ["q_proj", "q_proj", true],
      ["q_proj", "model.q_proj", false],
      ["(.*\\.)?(q_proj)", "model.q_proj", true],
      ["(.*\\.)?(q_proj)", "model.xq_proj", false],
      ["(.*\\.)?(q|k)", "m.k", true],
      [".*layers\\.(0|1[0-9])\\.mlp", "model.layers.12.mlp", true],
      [".*layers\\.(0|1[0-9])\\.mlp", "model.layers.2.mlp", false],
      ["a|b.c", "a", true],
      ["(?P<part>x+)\\.(?P=part)", "xx.xx", true],
      ["(?P<part>x+)\\.(?P=part)", "xx.x", false],
      ["\\Aq\\Z", "q", true],
      ["\\\\A", "\\A", true],
    ] as const) assert.equal(fullMatch(pattern, text, {}), expected, `${pattern} on ${text}`);
  });

  it("are refused when they are none, or match too slowly, in all too slowly", () => {
    for (const pattern of ["(", "[", "a{2,1}", "x".repeat(30_000)]) assert.throws(() => fullMatch(pattern, "a", {}), UnusablePattern);
    const config = {};
    let given = 0;
    const text = `${"a".repeat(28)}b`;
    for (let i = 0; i < 1000; i++) {
      try {
        fullMatch(`(a+)+${i}`, text, config);
      } catch (error) {
        assert.ok(error instanceof UnusablePattern);
        given++;
      }
    }
    assert.ok(given > 900, String(given));
    assert.equal(fullMatch("(a|b)+", "abab", {}), true);
  });
});
