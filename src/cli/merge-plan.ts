/** From a recipe and the command line's settings to what will be written where. */
import path from "node:path";
import type { Engine } from "../analysis/engine";
import { LocalFiles } from "../checkpoint/file-source";
import { modelCard } from "../merge/output/card";
import { layOutMerge, type LayoutOptions } from "../merge/output/layout";
import { preflight } from "../merge/output/preflight";
import type { MergePlan, PlanOptions } from "../merge/plan/plan";
import { planMerges } from "../merge/plan/plan-merges";
import type { Recipe } from "../merge/recipe/recipe";
import type { Preflight } from "../protocol/results";
import type { MergeSettings } from "./merge-options";

/** A document of the recipe: what it will do, and where its output goes; null for one that only others use. */
export interface PlannedMerge {
  plan: MergePlan | null;
  report: Preflight;
  layout: LayoutOptions | null;
  /** The output folder in the terms in which it was given. */
  shown: string | null;
}

/**
 * Plans every document, and lays out those that are written: the one without a name; where all have names, each into a folder of its own.
 * @throws CheckpointError when a layout cannot be written down; the signal's reason when it was aborted.
 */
export async function planRecipe(recipe: Recipe, settings: MergeSettings, { engine, signal }: { engine?: Engine; signal?: AbortSignal }): Promise<PlannedMerge[]> {
  const output = settings.output === null ? null : path.resolve(settings.output);
  const options: PlanOptions = {
    folders: [process.cwd(), path.dirname(recipe.path)],
    copyTokenizer: settings.copyTokenizer, shardBytes: settings.shardBytes, allowCrimes: settings.allowCrimes,
    unsafeTruncateEmbeddings: settings.unsafeTruncateEmbeddings, cloneTensors: settings.cloneTensors,
    ...(settings.profile === null ? {} : { profile: settings.profile }), ...(settings.seed === null ? {} : { seed: settings.seed }),
    ...(output === null ? {} : { output }), ...(engine === undefined ? {} : { engine }),
  };
  const plans = await planMerges(recipe, options, new LocalFiles(), signal);
  if (plans.length === 0) return [{ plan: null, report: preflight(recipe.problems, null, null), layout: null, shown: null }];
  const allNamed = plans.every(({ document }) => document.name !== null);
  return plans.map((plan) => {
    const { name } = plan.document;
    const { problems } = plan;
    if (!allNamed && name !== null) return { plan, report: preflight(problems, plan, []), layout: null, shown: null };
    if (allNamed && /^\.|[\\/:]/.test(name!.value)) {
      const unfit = { severity: "error" as const, code: "document-name", message: `${JSON.stringify(name!.value)} is to be the name of an output folder; leave out dots at its start, slashes and colons.`, at: name!.at };
      return { plan, report: preflight([...problems, unfit], plan, null), layout: null, shown: null };
    }
    const shown = settings.output === null ? null : allNamed ? path.join(settings.output, name!.value) : settings.output;
    const target = output ?? path.resolve("merged");
    const layout: LayoutOptions = {
      recipe: recipe.text, shardBytes: settings.shardBytes, options: settings.options, output: allNamed ? path.join(target, name!.value) : target,
      card: settings.writeModelCard ? modelCard({ plan, recipe: recipe.text, title: allNamed ? name!.value : path.basename(target) }) : null,
    };
    const errors = problems.some(({ severity }) => severity === "error");
    return { plan, report: preflight(problems, plan, errors ? null : layOutMerge(plan, layout).files), layout, shown };
  });
}
