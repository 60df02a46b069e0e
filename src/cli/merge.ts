/** `weight-loupe merge`: runs a merge recipe, or tells what it would take and do. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Rate } from "../analysis/rate";
import { CheckpointError } from "../checkpoint/checkpoint";
import { NonFinite } from "../merge/output/non-finite";
import { preflight } from "../merge/output/preflight";
import { unfinishedMerge, writeMerge, type MergeProgress } from "../merge/output/write-merge";
import { readRecipe } from "../merge/recipe/read";
import type { Recipe } from "../merge/recipe/recipe";
import type { Merge, Preflight } from "../protocol/results";
import { UsageError } from "./arguments";
import type { Command, Context } from "./command";
import { withEngine, type RunningEngine } from "./engine-process";
import { Exit } from "./failure";
import { MERGE_OPTIONS, mergeSettings, type MergeSettings } from "./merge-options";
import { planRecipe, type PlannedMerge } from "./merge-plan";
import { previewMerges, previewReport } from "./merge-preview";
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
    if (settings.dryRun) return told(await planRecipe(recipe, settings, { signal: context.signal }), recipe, file, context);
    return withEngine(context.log, async (running) => {
      const merges = await planRecipe(recipe, settings, { engine: running.engine, signal: context.signal });
      if (merges.some(({ report }) => !report.ok)) return told(merges, recipe, file, context, settings.preview === null);
      if (settings.preview !== null) {
        const documents = await previewMerges(merges, settings.preview, running.engine, context.signal);
        await context.write(context.json ? document(documents, recipe) : previewReport(documents, process.stdout));
        return Exit.done;
      }
      return run(merges, recipe, file, settings, running, context);
    });
  },
};

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
function document(reports: readonly Preflight[], { documents }: Recipe): string {
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
