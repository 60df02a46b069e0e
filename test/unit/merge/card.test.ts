/** The model card: front matter that the Hub reads, the models, the recipe as it was given. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { modelCard } from "../../../src/merge/output/card";

const input = (label: string, base = false) => ({ label, path: `/models/${label}`, base });
const recipe = "merge_method: ties\nmodels:\n  - model: models/a+models/lora\nbase_model: models/base\n";
const card = (options: Partial<Parameters<typeof modelCard>[0]> = {}) =>
  modelCard({ plan: { method: "ties", profile: "mergekit", inputs: [input("models/base", true), input("models/a+models/lora")] }, title: "merged", recipe, ...options });

describe("model card", () => {
  it("has the front matter of a merge", () => {
    const [, matter] = /^---\n(.*?)\n---\n/s.exec(card())!;
    assert.deepEqual(parse(matter!), { base_model: [], library_name: "transformers", tags: ["mergekit", "merge"] });
  });

  it("names the method with its paper, the base and every model, and holds the recipe", () => {
    const text = card();
    for (const part of ["# merged\n", "[ties](https://arxiv.org/abs/2306.01708), with `models/base` as its base.", "- `models/base` (base)\n", "- `models/a+models/lora`\n", recipe.trim()]) assert.ok(text.includes(part), part);
    assert.ok(card({ plan: { method: "ties", profile: "paper", inputs: [] } }).includes("computed as its paper has it"));
  });

  it("cannot be broken out of by names or by the recipe", () => {
    const text = card({ title: "a *b* <c>\n# d", recipe: "# ```\n# ````\nx: 1", plan: { method: "linear", profile: "mergekit", inputs: [input("we`ird")] } });
    assert.ok(text.includes("# a \\*b\\* \\<c\\> \\# d\n"), text);
    assert.ok(text.includes("`````yaml\n# ```\n# ````\nx: 1\n`````\n"), text);
    assert.ok(text.includes("- ``we`ird``\n"), text);
  });
});
