import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { METHODS } from "../../../src/merge/methods/registry";
import { fittingMethods, newRecipe, presetsFor } from "../../../src/merge/new-recipe";
import { readRecipe } from "../../../src/merge/recipe/read";

const write = (name: string, preset: number, models: string[], base: string | null): string => {
  const method = METHODS.find((each) => each.name === name)!;
  return newRecipe({ method, preset: presetsFor(method, models.length)[preset]!, models, base, dtype: "bfloat16" });
};

describe("a new recipe", () => {
  it("is one without problems, for every method, every preset, with a base and without", () => {
    let tried = 0;
    for (const base of [null, "models/base"]) {
      for (const count of [1, 2, 3]) {
        const models = ["models/a", "../b@c", "yes"].slice(0, count);
        for (const method of fittingMethods(count, base !== null)) {
          for (const preset of presetsFor(method, count)) {
            const text = newRecipe({ method, preset, models, base, dtype: "bfloat16" });
            const { problems, documents: [document] } = readRecipe(text, "/new.merge.yaml");
            assert.deepEqual(problems.map(({ message }) => message), [], `${method.name}, ${preset.name}:\n${text}`);
            assert.equal(document?.method?.value, method.name);
            assert.ok(document.body?.form === "models");
            const named = [...document.body.inputs.map(({ model }) => model.value.path), ...(document.base === null ? [] : [document.base.value.path])];
            for (const model of [...models, ...(base === null ? [] : [base])]) assert.ok(named.includes(model.split("@")[0]!), `${method.name} leaves out ${model}:\n${text}`);
            tried++;
          }
        }
      }
    }
    assert.ok(tried > 60, String(tried));
  });

  it("offers what the numbers of models allow", () => {
    const names = (count: number, base: boolean): string[] => fittingMethods(count, base).map(({ name }) => name);
    assert.ok(names(2, false).includes("slerp") && names(2, false).includes("linear") && !names(2, false).includes("ties"));
    assert.ok(names(1, true).includes("slerp") && names(1, true).includes("ties") && !names(1, true).includes("model_stock"));
    assert.ok(names(2, true).includes("model_stock") && !names(2, true).includes("slerp"));
    assert.ok(!names(3, false).includes("slerp") && !names(3, false).includes("fisher"));
  });

  it("writes gradients and filters, quotes what YAML would read otherwise, and takes the first of two as the way's beginning", () => {
    assert.equal(write("slerp", 1, ["true", "b: c"], null), `# ${METHODS.find(({ name }) => name === "slerp")!.summary}
merge_method: slerp
base_model: "true"
models:
  - model: "true"
  - model: "b: c"
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - filter: mlp
      value: [1, 0.5, 0.7, 0.3, 0]
    - value: 0.5
dtype: bfloat16
`);
  });
});

describe("the grammar of recipes", () => {
  it("knows the methods of the registry, and no others", () => {
    const grammar = JSON.parse(readFileSync("syntaxes/recipe.tmLanguage.json", "utf8")) as { repository: { recipe: { patterns: { match?: string }[] } } };
    const rule = grammar.repository.recipe.patterns.find(({ match }) => match?.includes("(merge_method)") === true)!.match!;
    const named = /\(([a-z_|]+\|[a-z_|]+)\)/.exec(rule)![1]!.split("|");
    assert.deepEqual(named.sort(), METHODS.map(({ name }) => name).sort());
  });
});
