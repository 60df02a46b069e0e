/** `explain` and `relations` on the command line. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Explain, Relations } from "../../../src/protocol/results";
import { fixtures } from "../../files";
import { json, weightLoupe } from "./command-line";

const ADAPTERS = join(fixtures, "adapters");
const COMPARE = join(ADAPTERS, "compare");
const BASE = join(ADAPTERS, "base", "llama-40");
const [A, B, C] = ["a", "b", "c"].map((name) => join(COMPARE, "mixture-f32", name)) as [string, string, string];
const [TUNED, ADAPTER] = [join(COMPARE, "base-plus-adapter", "tuned"), join(COMPARE, "base-plus-adapter", "adapter")];

describe("explain", () => {
  it("takes models after --with, and names them as they were given", async () => {
    const { target, coefficients, perTensor, how } = await json<Explain>(["explain", C, "--with", A, B]);
    assert.deepEqual([target, Object.keys(coefficients)], [C, [A, B]]);
    assert.ok(perTensor.every((each) => Object.keys(each.coefficients).length === 2 && typeof each.residual === "number"));
    assert.deepEqual([how.precision, how.backend], ["f64", "cpu"]);
    const again = await json<Explain>(["explain", C, "--with", A, "--with", B]);
    assert.deepEqual(again.coefficients, coefficients);
  });

  it("prints the sentence and a table for people", async () => {
    const { stdout, stderr, status } = await weightLoupe(["explain", TUNED, "--with", ADAPTER, "--base", BASE]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^tuned ≈ llama-40 \+ 0\.70·adapter, residual /);
    assert.match(stdout, /\n {2}tensor +adapter +residual\n {2}all +0\.7000 /);
    assert.match(stdout, /\n {2}note {2}target − base is of low rank in 6 of the 6 matrices that changed: \d+ in each\.\n$/);
  });

  it("relates several models of one base", async () => {
    const { base, models, norms, cosine, tensors } = await json<Relations>(["relations", BASE, TUNED, ADAPTER, join(COMPARE, "rank16-f32", "tuned")]);
    assert.deepEqual([base, models.length, tensors.length], [BASE, 3, 21]);
    // The model is the base with 0.7 of the adapter.
    assert.ok(Math.abs(norms[0]! / norms[1]! - 0.7) < 1e-6 && Math.abs(cosine[0]![1]! - 1) < 1e-9);
    const { stdout } = await weightLoupe(["relations", BASE, TUNED, ADAPTER]);
    assert.match(stdout, /^tuned and adapter changed in the same direction \(cosine 1\.00\)/);
  });

  it("refuses what it cannot do, in one line", async () => {
    for (const [args, line] of [
      [["explain"], /: explain needs a TARGET before --with: /],
      [["explain", C], /: explain needs --with A B …, the models to explain TARGET with, or --base X$/],
      [["explain", C, A, "--with", B], /: explain takes one TARGET; what is /],
      [["explain", C, "--with", A, A], /mixture-f32\/a: it is named twice among the models to explain with$/],
      [["explain", TUNED, "--with", ADAPTER], /base-plus-adapter\/adapter: it is an adapter, whose update is added to a model; name that with --base$/],
      [["relations", BASE, A], /: relations needs a BASE and two or more models or adapters/],
    ] as const) {
      const { status, stderr, stdout } = await weightLoupe(args);
      assert.deepEqual([status, stdout], [2, ""], stderr);
      assert.match(stderr.trimEnd(), line);
    }
  });
});
