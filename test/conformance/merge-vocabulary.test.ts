/** Aligned vocabulary tensors as the engine reads them, against the evaluator in plain TypeScript. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { planVocabulary } from "../../src/merge/tokenizer/plan-vocabulary";
import { toNumber } from "../../src/protocol/results";
import { evaluate } from "../expressions";
import { CountedEngine } from "../unit/analysis/engine";
import { modelsOf, recipeOf, set, sources, tensorOf } from "../unit/merge/models";

describe("aligned vocabulary tensors in the engine", () => {
  const engine = new CountedEngine();
  after(() => engine.dispose());

  for (const name of ["tokenizer-base", "tokenizer-union", "tokenizer-model", "tokenizer-tokens", "tokenizer-pad", "tokenizer-slerp-union"]) {
    it(`${name}: every value is the evaluator's`, async () => {
      const document = recipeOf(name);
      const models = await modelsOf(document);
      const plan = await planVocabulary(document, models, { copyTokenizer: true, sources });
      const tensors = await Promise.all(models.map(({ reference }) => tensorOf(join(set, reference.path), "model.embed_tokens.weight")));
      for (const expression of plan.align(tensors, "BF16", tensors.map(() => true))) {
        const window = { rowStart: 0, rowStop: plan.rows!, columnStart: 0, columnStop: 32 };
        const { rows } = await engine.request("values", { tensor: expression!, window });
        assert.deepEqual(rows.flat().map(toNumber), [...evaluate(expression!).data]);
      }
    });
  }
});
