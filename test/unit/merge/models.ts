/** The models and recipes of the merge conformance set, as whoever plans vocabularies gets them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import type { Expression } from "../../../src/engine/protocol";
import type { VocabularyModel } from "../../../src/merge/plan/plan";
import { readRecipe } from "../../../src/merge/recipe/read";
import type { MergeDocument, ModelReference } from "../../../src/merge/recipe/recipe";
import { showReference } from "../../../src/merge/recipe/model-reference";
import { fixtures } from "../../files";

export const set = join(fixtures, "merge");
export const sources = new LocalFiles();

export function documentOf(text: string): MergeDocument {
  const { documents, problems } = readRecipe(text, "recipe.yml");
  const wrong = problems.filter(({ severity }) => severity === "error");
  if (wrong.length > 0) throw new Error(wrong.map(({ message }) => message).join("; "));
  return documents[0]!;
}

export const recipeOf = (name: string): MergeDocument => documentOf(readFileSync(join(set, "cases", name, "recipe.yml"), "utf8"));
export const expected = (name: string, file: string): string => join(set, "cases", name, "expected", file);
export const jsonIn = <T = Record<string, unknown>>(file: string): T => JSON.parse(readFileSync(file, "utf8")) as T;

/** The models of a recipe in models form, in its order. */
export async function modelsOf(document: MergeDocument): Promise<VocabularyModel[]> {
  const base = document.base?.value;
  const references = document.body?.form === "models" ? document.body.inputs.map(({ model }) => model) : [];
  if (document.base !== null && !references.some(({ value }) => showReference(value) === showReference(document.base!.value))) references.push(document.base);
  return Promise.all(
    references.map(async ({ value: reference, at }) => {
      const config = jsonIn(join(set, reference.path, "config.json"));
      const embedding = (await openCheckpoint(join(set, reference.path), sources)).tensors.find(({ name }) => name === "model.embed_tokens.weight");
      return { reference, label: reference.path, at, base: base !== undefined && showReference(base) === showReference(reference), merged: true, config, rows: embedding?.shape[0] ?? null, beside: besideOf(reference) };
    }),
  );
}

export const besideOf = (reference: ModelReference): VocabularyModel["beside"] => (name) => {
  const from = join(set, reference.path, name);
  return Promise.resolve(existsSync(from) ? { from } : null);
};

export async function tensorOf(folder: string, name: string): Promise<Expression> {
  return (await openCheckpoint(folder, sources)).tensors.find((tensor) => tensor.name === name)!.expression!;
}
