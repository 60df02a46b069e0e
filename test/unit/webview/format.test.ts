import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatBytes, formatCount, formatDuration, formatExact, formatInteger, formatNumber, formatShape, formatShare, visibleText,
} from "../../../webview/ui/format";

/** Reads back what `formatNumber` wrote. */
const parse = (text: string): number => Number(text.replaceAll("−", "-").replace("∞", "Infinity"));

describe("formatting numbers", () => {
  it("keeps four significant digits of any finite number", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e307, max: 1e307 }), (x) => {
        const back = parse(formatNumber(x));
        assert.ok(Math.abs(back - x) <= 5.0001e-4 * Math.abs(x), `${x} → ${formatNumber(x)}`);
      }),
    );
  });

  it("uses scientific notation below 1e-4 and from 1e5 on, and nowhere else", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const size = Math.abs(x);
        assert.equal(formatNumber(x).includes("e"), size !== 0 && (size < 1e-4 || size >= 1e5));
      }),
    );
  });

  it("writes known values", () => {
    assert.equal(formatNumber(0.0123456), "0.01235");
    assert.equal(formatNumber(-1234.56), "−1235");
    assert.equal(formatNumber(1e-5), "1.000e−5");
    assert.equal(formatNumber(123456), "1.235e5");
    assert.equal(formatNumber(42), "42");
    assert.equal(formatNumber(-0), "0");
    assert.equal(formatNumber("NaN"), "NaN");
    assert.equal(formatNumber("-Infinity"), "−∞");
    assert.equal(formatNumber("18446744073709551615"), "1.845e19");
    assert.equal(formatNumber(null), "–");
    assert.equal(formatNumber(undefined), "–");
  });

  it("keeps every digit of the exact value", () => {
    assert.equal(formatExact("18446744073709551615"), "18446744073709551615");
    assert.equal(formatInteger("18446744073709551615"), "18,446,744,073,709,551,615");
    fc.assert(fc.property(fc.double(), (x) => assert.ok(Object.is(Number(formatExact(x)), x === 0 ? 0 : x))));
  });

  it("writes counts and sizes in SI units", () => {
    assert.equal(formatCount(4096), "4,096");
    assert.equal(formatCount(7_241_732_096), "7.24 B");
    assert.equal(formatCount(999_999), "1.00 M");
    assert.equal(formatBytes(512), "512 B");
    assert.equal(formatBytes(90_177_536), "90.2 MB");
    assert.equal(formatBytes(13_476_831_232), "13.5 GB");
    assert.equal(formatBytes(0), "0 B");
  });

  it("never shows four digits before a unit", () => {
    fc.assert(fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (n) => assert.match(formatBytes(n), /^\d{1,3}(\.\d+)? [kMGTPE]?B$/)));
  });

  it("writes shapes, shares and durations", () => {
    assert.equal(formatShape([4096, 11008]), "4096 × 11008");
    assert.equal(formatShape([]), "scalar");
    assert.equal(formatShare(1), "100 %");
    assert.equal(formatShare(0.99999), "> 99.9 %");
    assert.equal(formatShare(0.00001), "< 0.1 %");
    assert.equal(formatDuration(0.8), "0.8 s");
    assert.equal(formatDuration(200), "3 min 20 s");
    assert.equal(formatDuration(7500), "2 h 5 min");
  });
});

describe("hostile text", () => {
  it("shows control and direction characters as escapes", () => {
    assert.equal(visibleText("a\u202eb\n\0"), "a\\u202eb\\n\\0");
    assert.equal(visibleText("modèle.重み"), "modèle.重み");
  });

  it("leaves no invisible character behind", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.doesNotMatch(visibleText(text), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)));
  });
});
