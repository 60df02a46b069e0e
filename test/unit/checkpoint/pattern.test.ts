/** Patterns over tensor names, against minimatch with dots for slashes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { minimatch } from "minimatch";
import { compilePattern, PatternError } from "../../../src/checkpoint/pattern";

const matches = (pattern: string, name: string): boolean => compilePattern(pattern, "name").test(name);

describe("patterns over tensor names", () => {
  const cases: [pattern: string, matching: string[], other: string[]][] = [
    ["model.norm.weight", ["model.norm.weight"], ["model.norm.weights", "xmodel.norm.weight", "model_norm_weight"]],
    ["*.weight", ["conv1.weight"], ["weight", "layers.0.weight", "conv1.bias"]],
    ["**.weight", ["weight", "conv1.weight", "model.layers.0.mlp.weight"], ["conv1.bias", "xweight"]],
    ["model.**.weight", ["model.weight", "model.layers.0.weight"], ["modelx.weight", "model.layers.0.bias"]],
    ["model.layers.*.mlp.**", ["model.layers.0.mlp.up_proj.weight"], ["model.layers.0.mlp", "model.layers.0.self_attn.q_proj.weight"]],
    ["layers.?.q", ["layers.7.q", "layers.é.q", "layers.𝄞.q"], ["layers.17.q", "layers...q"]],
    ["**.{q,k,v}_proj.weight", ["l.0.q_proj.weight", "v_proj.weight"], ["l.0.o_proj.weight"]],
    ["{a,**.b}", ["a", "b", "x.y.b"], ["x.a", "xb"]],
    ["{a.{b,c},d}", ["a.b", "a.c", "d"], ["a", "b"]],
    ["a\\*b", ["a*b"], ["axb", "a\\*b"]],
    ["a[0].b", ["a[0].b"], ["a0.b"]],
    ["/proj\\.weight$/", ["q_proj.weight"], ["q_proj.weight.scale"]],
    ["/^MODEL/i", ["model.norm"], ["a.model"]],
    ["/", ["/"], ["//", "a"]],
  ];
  for (const [pattern, matching, other] of cases) {
    it(pattern, () => {
      for (const name of matching) assert.equal(matches(pattern, name), true, name);
      for (const name of other) assert.equal(matches(pattern, name), false, name);
    });
  }

  it("agrees with path globs", () => {
    const segment = fc.string({ unit: fc.constantFrom("a", "b", "0"), minLength: 1, maxLength: 3 });
    const part = fc.oneof(segment, fc.constantFrom("*", "**", "?", "a*", "*b", "?0", "{a,b}", "{a,*0}"));
    const globs = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
    const names = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("."));
    fc.assert(
      fc.property(globs, names, (glob, name) => {
        assert.equal(matches(glob, name), minimatch(name.replaceAll(".", "/"), glob.replaceAll(".", "/"), { dot: true, nocomment: true, nonegate: true, noext: true }));
      }),
      { numRuns: 5000 },
    );
  });

  it("takes any escaped text literally", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
        assert.equal(matches(text.replace(/[\\*?{},]/g, "\\$&"), text), true);
      }),
    );
  });

  it("finds parts of names in any case, and says where", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), fc.string(), (before, text, after) => {
        fc.pre(!/[*?{\\]/.test(text) && !/^\/.+\/i?$/s.test(text));
        const found = compilePattern(text, "part").find(before + text + after);
        assert.notEqual(found, null);
        assert.equal((before + text + after).slice(...found!).toLowerCase(), text.toLowerCase());
      }),
    );
    assert.deepEqual(compilePattern("proj", "part").find("model.Q_PROJ.weight"), [8, 12]);
    assert.equal(compilePattern("a.c", "part").test("abc"), false);
  });

  it("says what is wrong with a pattern", () => {
    assert.throws(() => compilePattern("/(/", "part"), new PatternError("the regular expression /(/ is not valid: unterminated group"));
    assert.throws(() => compilePattern("**.{q,k", "name"), new PatternError('the pattern **.{q,k has a "{" without its "}"'));
  });
});
