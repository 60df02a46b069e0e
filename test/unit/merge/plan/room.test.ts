import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { roomBeside } from "../../../../src/merge/plan/destination";
import type { MergePlan } from "../../../../src/merge/plan/plan";
import { readRecipe } from "../../../../src/merge/recipe/read";

describe("room for an output beside its recipe", () => {
  const [document] = readRecipe("models:\n  - model: a\n    parameters: {weight: 1}\nmerge_method: linear\n", "/r.merge.yaml").documents;
  const plan = (outputBytes: number): Pick<MergePlan, "document" | "estimate"> => ({ document: document!, estimate: { inputBytes: 0, outputBytes, peakMemoryBytes: 0, seconds: 0 } });

  it("is a warning at the method where the disk has less", async () => {
    const problem = await roomBeside(tmpdir(), plan(4e18));
    assert.equal(problem?.severity, "warning");
    assert.match(problem.message, /^the output takes 4000000000 GB, and the disk that the recipe lies on has [\d.]+ GB left; make room, or write to another disk$/);
    assert.equal(problem.at.line, 4);
  });

  it("is nothing to speak of where it has enough, or cannot be told", async () => {
    assert.equal(await roomBeside(tmpdir(), plan(1)), null);
    assert.equal(await roomBeside("/no/such/folder", plan(4e18)), null);
    assert.equal(await roomBeside(tmpdir(), { document: document!, estimate: null }), null);
  });
});
