/** `weight-loupe merge`: runs a merge recipe, or tells what it would take and do. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Rate } from "../analysis/rate";
import { CheckpointError } from "../checkpoint/checkpoint";
import { LocalFiles } from "../checkpoint/file-source";
import { modelCard } from "../merge/output/card";
import { layOutMerge, type LayoutOptions } from "../merge/output/layout";
import { NonFinite } from "../merge/output/non-finite";
import { preflight } from "../merge/output/preflight";
import { unfinishedMerge, writeMerge, type MergeProgress } from "../merge/output/write-merge";
import type { MergePlan, PlanOptions } from "../merge/plan/plan";
import { planMerges } from "../merge/plan/plan-merges";
import { readRecipe } from "../merge/recipe/read";
import type { Recipe } from "../merge/recipe/recipe";
import type { Merge, Preflight } from "../protocol/results";
import { UsageError } from "./arguments";
import type { Command, Context } from "./command";
import { withEngine, type RunningEngine } from "./engine-process";
import { Exit } from "./failure";
import { MERGE_OPTIONS, mergeSettings, type MergeSettings } from "./merge-options";
import { mergeReport, preflightReport } from "./merge-report";
import { ProgressLine } from "./terminal";

/** Longer ones are no recipes. */
const MOST_BYTES = 64 << 20;

export const merge: Command = {
  name: "merge",
  operands: "RECIPE",
  summary: "merges models as a recipe in mergekit's format says; with --dry-run or --preview only tells what it would take, or do",
  options: MERGE_OPTIONS,
  async run(args, context) {
    const [file, ...more] = args.operands;
    if (file === undefined) throw new UsageError("merge needs a RECIPE: a YAML file in mergekit's format");
    if (more.length > 0) throw new UsageError(`merge takes one RECIPE; what is ${JSON.stringify(more[0])}? The folder to write is given by -o`);
    const settings = mergeSettings(args);
    if (settings.ignored.length > 0) process.stderr.write(`note: ${settings.ignored.join(", ")} ${settings.ignored.length === 1 ? "has" : "have"} no effect here\n`);
    const recipe = readRecipe(await recipeText(file), path.resolve(file));
    // Headers need no engine.
    if (settings.dryRun) return told(await planned(recipe, settings, context), recipe, file, context);
    return withEngine(context.log, async (running) => {
      const merges = await planned(recipe, settings, context, running);
      if (merges.some(({ report }) => !report.ok)) return told(merges, recipe, file, context, settings.preview === null);
      return run(merges, recipe, file, settings, running, context);
    });
  },
};

/** A document of the recipe: what it will do, and where its output goes; null for one that only others use. */
export interface PlannedMerge {
  plan: MergePlan | null;
  report: Preflight;
  layout: LayoutOptions | null;
  /** The output folder in the terms in which it was given. */
  shown: string | null;
}

async function recipeText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    if (bytes.length > MOST_BYTES) throw new CheckpointError("unsupported", "this is too long for a recipe", file);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") throw new CheckpointError("malformed", "this is no recipe: it is not UTF-8 text", file);
    throw new CheckpointError("io", code === "ENOENT" ? "there is no such file" : `it cannot be read (${code ?? String(error)})`, file);
  }
}

/** Plans every document, and lays out those that are written. */
async function planned(recipe: Recipe, settings: MergeSettings, { signal }: Context, running?: RunningEngine): Promise<PlannedMerge[]> {
  const output = settings.output === null ? null : path.resolve(settings.output);
  const options: PlanOptions = {
    folders: [process.cwd(), path.dirname(recipe.path)],
    copyTokenizer: settings.copyTokenizer, shardBytes: settings.shardBytes, allowCrimes: settings.allowCrimes,
    unsafeTruncateEmbeddings: settings.unsafeTruncateEmbeddings, cloneTensors: settings.cloneTensors,
    ...(settings.profile === null ? {} : { profile: settings.profile }), ...(settings.seed === null ? {} : { seed: settings.seed }),
    ...(output === null ? {} : { output }), ...(running === undefined ? {} : { engine: running.engine }),
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

/** Prints what is known before anything is written. @param asMerge as the document of a merge that did not come to be. */
async function told(merges: readonly PlannedMerge[], recipe: Recipe, file: string, { json, write }: Context, asMerge = false): Promise<number> {
  const reports = merges.map(({ report }) => (asMerge ? notMerged(report) : report));
  await write(json ? document(reports, recipe) : preflightReport(merges, file, process.stdout));
  return reports.every(({ ok }) => ok) ? Exit.done : Exit.no;
}

function notMerged(report: Preflight): Merge {
  return { ...report, output: null, seconds: 0, peakMemoryBytes: 0 };
}

/** One document for one merge, an array for several. */
export function document(reports: readonly Preflight[], { documents }: Recipe): string {
  return `${JSON.stringify(documents.length > 1 ? reports : reports[0])}\n`;
}

async function run(merges: readonly PlannedMerge[], recipe: Recipe, file: string, settings: MergeSettings, { engine, info }: RunningEngine, { json, signal, write }: Context): Promise<number> {
  const results: Merge[] = [];
  let status: number = Exit.done;
  for (const { plan, report, layout, shown } of merges) {
    if (plan === null || layout === null || shown === null || status !== Exit.done) {
      results.push(notMerged(report));
      continue;
    }
    const line = new MergeLine();
    try {
      const { files, problems, seconds, peakMemoryBytes, resumed } = await writeMerge({ ...layout, plan, engine, engineVersion: info.version, enginePid: () => engine.pid, resume: settings.resume, signal, onProgress: (progress) => line.show(progress) });
      if (settings.resume && resumed === 0) process.stderr.write(`note: there was no unfinished merge into ${layout.output}; all of it is new\n`);
      const found = preflight([...plan.problems, ...problems], plan, report.plan?.files ?? null);
      results.push({ ...found, output: { path: shown, files }, seconds, peakMemoryBytes: peakMemoryBytes || (plan.estimate?.peakMemoryBytes ?? 0) });
    } catch (error) {
      if (!(error instanceof NonFinite)) {
        if (signal.aborted && (await unfinishedMerge(layout.output)) !== null) process.stderr.write("note: what is done is kept; --resume goes on from there\n");
        throw error;
      }
      results.push({ ...notMerged(report), ok: false, problems: preflight([...plan.problems, error.problem], null, null).problems });
      status = Exit.no;
    } finally {
      line.clear();
    }
  }
  await write(json ? document(results, recipe) : mergeReport(results, file, process.stdout));
  return status;
}

/** Progress on a terminal. */
class MergeLine {
  private readonly line = new ProgressLine("merging");
  private readonly rate = new Rate();
  private told = 0;
  private first = true;

  show({ done, total, tensor }: MergeProgress): void {
    // What an earlier run had done says nothing of the rate.
    if (!this.first) this.rate.add(done - this.told, done - this.told);
    this.first = false;
    this.told = done;
    const { bytes: bytesPerSecond } = this.rate.perSecond();
    this.line.show({ done, total, bytesPerSecond, secondsLeft: bytesPerSecond > 0 ? (total - done) / bytesPerSecond : null, current: tensor.name });
  }

  clear(): void {
    this.line.clear();
  }
}
