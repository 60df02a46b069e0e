/** How options take their values. */
import assert from "node:assert/strict";
import { parseArguments, UsageError, type OptionSpec } from "../../../src/cli/arguments";

const SPECS: Record<string, OptionSpec> = {
  with: { value: "several", usage: "--with A B…", meaning: "" },
  alpha: { value: "several", usage: "--alpha X…", meaning: "" },
  output: { value: "required", short: "o", usage: "-o OUT", meaning: "" },
};

describe("arguments", () => {
  it("give an option of several all values up to the next option, negative numbers among them", () => {
    const args = parseArguments(["model", "--with", "a", "b", "--alpha", "-0.5", "-.5", "1", "-o", "out", "--with", "c"], SPECS);
    assert.deepEqual([args.operands, args.values("with"), args.values("alpha"), args.values("output")], [["model"], ["a", "b", "c"], ["-0.5", "-.5", "1"], ["out"]]);
  });

  it("stop at the one value that is joined by an equals sign", () => {
    const args = parseArguments(["--with=a", "model"], SPECS);
    assert.deepEqual([args.operands, args.values("with")], [["model"], ["a"]]);
  });

  it("refuse it without a value", () => {
    assert.throws(() => parseArguments(["--with", "-o", "out"], SPECS), (error: unknown) => error instanceof UsageError && error.message === "--with needs a value: --with A B…");
  });
});
