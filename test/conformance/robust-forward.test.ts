/** The forward pass that the other tests rely on: it gives the counts that PyTorch and NumPy gave. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixtures } from "../files";
import { correct, readWeights } from "../robust/forward";
import { CORRUPTIONS, modelFile, results } from "../robust/tables";

interface Accuracies {
  models: Record<string, Record<string, { correct: number; correct_first_100: number }>>;
}
const { models } = JSON.parse(readFileSync(join(fixtures, "robust", "accuracies.json"), "utf8")) as Accuracies;

describe("forward pass of examples/robust", () => {
  it("names as many images right as was counted when the models were trained", () => {
    for (const name of ["base", "clean", "fog", "clean-again"]) {
      const sets = models[name]!;
      const weights = readWeights(modelFile(name));
      for (const set of ["clean", ...CORRUPTIONS]) assert.equal(correct(weights, set, 100), sets[set]!.correct_first_100, `${name} on ${set}`);
    }
  });

  it("gives the whole counts of the clean model and of the base", () => {
    for (const [name, counts] of [["clean", results.baseline_correct.clean_model], ["base", results.baseline_correct.base_model]] as const) {
      const weights = readWeights(modelFile(name));
      for (const set of ["clean", "fog"]) assert.equal(correct(weights, set), counts[set], `${name} on ${set}`);
    }
  });
});
