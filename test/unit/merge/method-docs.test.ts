/** The page of merge methods is held to the registry, and the example recipes of the documentation to the reader. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { methodMarkdown } from "../../../src/language/method-text";
import { METHODS } from "../../../src/merge/methods/registry";
import { readRecipe } from "../../../src/merge/recipe/read";
import { root } from "../../files";

const page = (name: string): string => readFileSync(join(root, "docs", name), "utf8");

describe("documentation of merging", () => {
  it("has each method as the registry describes it, and no other", () => {
    const text = page("merge-methods.md");
    for (const method of METHODS) assert.ok(text.includes(`### ${method.name}\n\n${methodMarkdown(method)}`), `docs/merge-methods.md: ${method.name} is not as the registry has it`);
    assert.deepEqual([...text.matchAll(/^### (\S+)$/gm)].map(([, name]) => name), METHODS.map(({ name }) => name));
  });

  it("shows recipes that read without a problem", () => {
    const recipes = [...page("recipes.md").matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text!).filter((text) => text.includes("merge_method"));
    assert.ok(recipes.length >= 2);
    for (const text of recipes) assert.deepEqual(readRecipe(text, "example.yml").problems, []);
  });

  it("has every key that the reader knows", () => {
    const text = page("recipes.md");
    for (const key of ["merge_method", "base_model", "dtype", "out_dtype", "tokenizer_source", "chat_template", "name", "profile", "seed", "unmatched", "non_finite", "layer_range", "pad_to_multiple_of", "statistics"]) assert.ok(text.includes(`\`${key}`) || text.includes(key + ":"), key);
  });
});
