import assert from "node:assert/strict";
import fc from "fast-check";
import { escapeMarkup, escapePlotly, safeFileName } from "../../../webview/plots/escape";

const hostile = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constantFrom("<script>alert(1)</script>", "\"' onload=x", "&lt;", "]]>", "<!--", "\u0000\ud800"));

describe("text from files", () => {
  it("cannot leave its place in HTML or SVG, and reads the same there", () => {
    fc.assert(fc.property(hostile, (text) => {
      const escaped = escapeMarkup(text);
      assert.doesNotMatch(escaped, /[<>"']|&(?!#\d+;)/);
      const read = escaped.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
      // eslint-disable-next-line no-control-regex -- what XML 1.0 leaves out
      const kept = [...text].map((c) => (/^(?:[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs})$/u.test(c) ? "\ufffd" : c)).join("");
      assert.equal(read, kept);
    }));
  });

  it("holds no tag of plotly's dialect and no line end", () => {
    fc.assert(fc.property(hostile, (text) => assert.doesNotMatch(escapePlotly(text), /[<>\r\n]|&(?!#\d+;)/)));
  });

  it("becomes a file name of plain characters that neither hides nor climbs", () => {
    fc.assert(fc.property(hostile, (text) => assert.match(safeFileName(text), /^(?![-.])[A-Za-z0-9._-]{1,120}$/)));
    assert.equal(safeFileName("../../etc/passwd"), "etc-passwd");
    assert.equal(safeFileName("model.layers.0.weight-values"), "model.layers.0.weight-values");
  });
});
