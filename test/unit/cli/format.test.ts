/** Numbers and names as the reports show them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bytes, count, duration, number, printable, shape } from "../../../src/cli/format";
import { table } from "../../../src/cli/table";

describe("formats of the command line", () => {
  const cases: [shown: string, expected: string][] = [
    [number(0), "0"], [number(-0), "0"], [number(1), "1.000"], [number(-0.017849), "−0.01785"], [number(1234.56), "1235"], [number(9999.6), "10000"],
    [number(65_535), "65535"], [number(99_999), "99999"], [number(100_000), "1.000e5"], [number(0.0001), "0.0001000"], [number(0.00009), "9.000e-5"],
    [number("NaN"), "NaN"], [number("Infinity"), "∞"], [number("-Infinity"), "−∞"], [number("18446744073709551615"), "1.845e19"],
    [count(999), "999"], [count(1000), "1.00 K"], [count(16_248), "16.2 K"], [count(999_499), "999 K"], [count(999_500), "1.00 M"], [count(7.24e9), "7.24 B"],
    [bytes(0), "0 B"], [bytes(999), "999 B"], [bytes(1000), "1.00 kB"], [bytes(13.5e9), "13.5 GB"],
    [duration(0.2), "1 s"], [duration(61), "1 min 1 s"], [duration(7500), "2 h 5 min"],
    [shape([]), "scalar"], [shape([4096, 11008]), "4096 × 11008"],
  ];
  for (const [shown, expected] of cases) it(expected, () => assert.equal(shown, expected));

  it("numbers keep four digits", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e300, max: 1e300 }), (x) => {
        const back = Number(number(x).replace("−", "-"));
        assert.ok(Math.abs(back - x) <= 5.1e-4 * Math.abs(x) || Math.abs(x) < 1e-300, `${x} as ${number(x)}`);
      }),
    );
  });

  it("what a terminal would act on is never shown", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // eslint-disable-next-line no-control-regex
        assert.doesNotMatch(printable(text), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
    assert.equal(printable("plain é 漢字"), "plain é 漢字");
  });

  it("columns align, also under wide characters", () => {
    const lines = table([{ title: "name", align: "left" }, { title: "n", align: "right" }], [["漢字", "1"], ["ab", "100"], ["é", "20"]], (text) => text);
    assert.deepEqual(lines, ["  name    n", "  漢字    1", "  ab    100", "  é      20"]);
    assert.deepEqual(table([{ title: "name", align: "left" }], [], (text) => text), []);
  });
});
