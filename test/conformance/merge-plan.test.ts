/**
 * What planning says of the conformance set: recipes with a mistake, each at its line; the others without an error, with the tensors that mergekit
 * wrote. The lines are where the mistake stands, by reading the recipes.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { ModelStore } from "../../src/merge/models/store";
import type { MergePlan } from "../../src/merge/plan/plan";
import { planMerges } from "../../src/merge/plan/plan-merges";
import type { Problem } from "../../src/merge/problem";
import { readRecipe } from "../../src/merge/recipe/read";
import { fixtures } from "../files";

const root = join(fixtures, "merge");
const store = new ModelStore();

async function planned(name: string): Promise<{ plans: MergePlan[]; problems: Problem[]; expect: { options?: string[]; optional_tensors?: string[] } }> {
  const folder = join(root, "cases", name);
  const expect = JSON.parse(readFileSync(join(folder, "expect.json"), "utf8")) as { options?: string[] };
  const has = (flag: string): boolean => expect.options?.includes(flag) ?? false;
  const recipe = readRecipe(readFileSync(join(folder, "recipe.yml"), "utf8"), join(folder, "recipe.yml"));
  const options = { folders: [root], copyTokenizer: !has("--no-copy-tokenizer"), shardBytes: 5e9, allowCrimes: has("--allow-crimes"), unsafeTruncateEmbeddings: has("--unsafe-truncate-embeddings"), models: store };
  const plans = await planMerges(recipe, options, new LocalFiles());
  return { plans, problems: [...new Set([...recipe.problems, ...plans.flatMap(({ problems }) => problems)])], expect };
}

/** Line of the first error; of several lines, those of all errors. */
const LINES: Record<string, number[]> = {
  "base-without-weight": [8], "chat-template-unknown": [8], "dare-density-negative": [5], "della-epsilon-high": [6], "dtype-unknown": [13], "duplicate-model": [5],
  "layer-range-outside": [4], "layer-range-three": [4], "layer-range-type": [4], "missing-base": [8], "missing-model": [5], "missing-tensor": [5], "missing-weight": [5],
  "mixed-architectures": [5], "model-stock-two": [4], "models-and-slices": [11], "modules-unknown": [2], "multi-cycle": [2, 6, 9], "multi-duplicate-name": [5],
  "no-inputs": [1], "normalize-not-a-boolean": [13], "passthrough-two": [3], "reference-two-adapters": [2], "shape-mismatch": [5], "slerp-no-base": [4], "slerp-no-t": [4],
  "slerp-t-on-model": [4], "slerp-three": [3], "slice-lengths": [4], "slice-without-base": [3], "token-force-without-source": [13], "token-id-outside": [14],
  "token-source-unknown": [14], "tokenizer-too-long": [5], "tokenizer-twice": [11], "unknown-method": [11], "vocabulary-mismatch": [5], "weight-not-a-number": [4],
  "yaml-not-a-mapping": [1], "yaml-syntax": [4],
};

describe("plans of recipes with a mistake", () => {
  const names = readdirSync(join(root, "cases")).filter((name) => name.startsWith("err-"));
  it("are all there", () => assert.deepEqual(names.map((name) => name.slice("err-".length)).sort(), Object.keys(LINES).sort()));
  for (const name of names) {
    it(`${name}: at its line, and nothing is planned`, async () => {
      const { plans, problems } = await planned(name);
      const errors = problems.filter(({ severity }) => severity === "error").sort((a, b) => a.at.line - b.at.line);
      assert.deepEqual([...new Set(errors.map(({ at }) => at.line))], LINES[name.slice("err-".length)], errors.map(({ message }) => message).join("\n"));
      for (const plan of plans) if (plan.problems.some(({ severity }) => severity === "error")) assert.equal(plan.tensors.length, 0);
    });
  }
});

describe("plans of recipes that mergekit runs", () => {
  for (const name of readdirSync(join(root, "cases")).filter((each) => !each.startsWith("err-"))) {
    it(`${name}: no error, the same tensors`, async () => {
      const { plans, problems, expect } = await planned(name);
      assert.deepEqual(problems.filter(({ severity }) => severity === "error"), []);
      const written = await openCheckpoint(join(root, "cases", name, "expected"));
      const optional = new Set(expect.optional_tensors ?? []);
      const own = plans.at(-1)!.tensors.filter((tensor) => !optional.has(tensor.name));
      const shown = (tensors: readonly { name: string; dtype: string; shape: readonly number[] }[]): string[] => tensors.map((tensor) => `${tensor.name} ${tensor.dtype} [${tensor.shape.join(", ")}]`).sort();
      assert.deepEqual(shown(own), shown(written.tensors));
      for (const tensor of own) await tensor.read();
    });
  }
});
