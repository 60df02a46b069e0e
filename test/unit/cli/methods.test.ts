/** `methods`: the contract's fields, one method or all, and a name that is none. */
import assert from "node:assert/strict";
import type { Method } from "../../../src/protocol/results";
import { json, weightLoupe } from "./command-line";

describe("methods", () => {
  it("prints all as the contract has them", async () => {
    const all = await json<Method[]>(["methods"]);
    assert.equal(all.length, 22);
    for (const method of all) assert.deepEqual(Object.keys(method), ["name", "summary", "formula", "source", "base", "models", "parameters", "random", "profiles"]);
    const slerp = all.find(({ name }) => name === "slerp")!;
    assert.deepEqual([slerp.base, slerp.models, slerp.random], ["required", { min: 1, max: 1 }, false]);
    assert.deepEqual(slerp.parameters.map(({ name, type, scope, default: value, range }) => [name, type, scope, value, range]), [["t", "number", "global", null, [0, 1]]]);
  });

  it("prints one, for scripts and for people", async () => {
    const ties = await json<Method>(["methods", "ties"]);
    assert.deepEqual(ties.parameters.filter(({ scope }) => scope === "model").map(({ name, default: value }) => [name, value]), [["weight", null], ["density", 1]]);
    const { status, stdout } = await weightLoupe(["methods", "ties"]);
    assert.equal(status, 0);
    for (const text of ["ties", "τ", "2306.01708", "density", "each model", "0 … 1"]) assert.ok(stdout.includes(text), text);
    assert.equal((await weightLoupe(["methods"])).stdout.trim().split("\n").length, 23);
  });

  it("says what was meant", async () => {
    const { status, stderr } = await weightLoupe(["methods", "linaer"]);
    assert.equal(status, 2);
    assert.match(stderr, /no merge method is called "linaer"; do you mean linear\?/);
  });
});
