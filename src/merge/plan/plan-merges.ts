/** From a recipe to what its merges will do, by the headers of its models: every document in turn, those that others need before them. */
import type { SourceOpener } from "../../checkpoint/checkpoint";
import type { MergeModel } from "../models/model";
import { ModelStore } from "../models/store";
import type { MergeDocument, Recipe } from "../recipe/recipe";
import { documentNamed, referencesIn } from "../recipe/references";
import { modelOfPlan } from "./document-model";
import { planDocument } from "./plan-document";
import type { MergePlan, PlanOptions } from "./plan";
import type { Problem } from "../problem";

/**
 * A plan for each document, in the order of the recipe. Those with an error among their problems have no tensors. The problems that reading
 * the text found are among those of the document that they lie in; of a recipe in which no document could be read there are no plans.
 * @param sources opens small files beside the models; models themselves are opened by `options.models`.
 */
export async function planMerges(recipe: Recipe, options: PlanOptions, sources: SourceOpener, signal?: AbortSignal): Promise<MergePlan[]> {
  const store = options.models ?? new ModelStore();
  const own = problemsByDocument(recipe);
  const plans = new Map<MergeDocument, MergePlan>();
  const models = new Map<string, MergeModel>();
  const planOne = async (document: MergeDocument): Promise<void> => {
    const opening = { options, sources, store, documents: models, names: new Set(recipe.documents.flatMap(({ name }) => name?.value ?? [])), ...(signal === undefined ? {} : { signal }) };
    const plan = await planDocument(document, own.get(document) ?? [], opening);
    plans.set(document, plan);
    const name = document.name?.value;
    if (name !== undefined && !models.has(name) && plan.tensors.length > 0) models.set(name, modelOfPlan(name, plan));
  };
  for (const document of inOrder(recipe.documents)) {
    signal?.throwIfAborted();
    await planOne(document);
  }
  return recipe.documents.map((document) => plans.get(document)!);
}

/** The reader's problems, each with the document that it lies in, or else the first. */
function problemsByDocument({ documents, problems }: Recipe): Map<MergeDocument, Problem[]> {
  const found = new Map<MergeDocument, Problem[]>();
  for (const problem of problems) {
    const within = documents.find(({ at }) => problem.at.line >= at.line && problem.at.line <= at.endLine) ?? documents[0];
    if (within !== undefined) found.set(within, [...(found.get(within) ?? []), problem]);
  }
  return found;
}

/** Documents after all that they need; in a circle as they come. */
function inOrder(documents: readonly MergeDocument[]): MergeDocument[] {
  const ordered = new Set<MergeDocument>();
  for (const root of documents) {
    // An explicit stack: a chain may be a thousand documents long.
    const stack = [{ document: root, needs: needed(documents, root) }];
    const open = new Set([root]);
    while (stack.length > 0) {
      const { document, needs } = stack.at(-1)!;
      const next = needs.pop();
      if (next === undefined) {
        ordered.add(document);
        stack.pop();
      } else if (!ordered.has(next) && !open.has(next)) {
        open.add(next);
        stack.push({ document: next, needs: needed(documents, next) });
      }
    }
  }
  return [...ordered];
}

function needed(documents: readonly MergeDocument[], document: MergeDocument): MergeDocument[] {
  return referencesIn(document).flatMap(({ value }) => documentNamed(documents, value) ?? []).filter((other) => other !== document);
}
