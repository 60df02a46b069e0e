/** Plans recipes as the editor holds them, typed text included, with the models' headers kept between one key and the next. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as vscode from "vscode";
import { LocalFiles } from "../checkpoint/file-source";
import { ModelStore } from "../merge/models/store";
import { layOutMerge } from "../merge/output/layout";
import { planMerges } from "../merge/plan/plan-merges";
import { existing, freeBytes } from "../merge/plan/destination";
import type { MergePlan } from "../merge/plan/plan";
import type { Problem } from "../merge/problem";
import { readRecipe } from "../merge/recipe/read";
import type { Recipe } from "../merge/recipe/recipe";
import { RpcError } from "../protocol/rpc";
import type { EngineService } from "./engine-service";
import type { MergeRates } from "./merge-rates";

/** As mergekit's default. */
export const SHARD_BYTES = 5e9;

export interface PlannedRecipe {
  recipe: Recipe;
  /** By document. */
  plans: MergePlan[];
  /** Of all documents, in the order of the text. */
  problems: Problem[];
  /** Names in the output folder, by document; empty where it has errors. */
  files: string[][];
  /** On the disk of the recipe. */
  freeBytes: number | null;
}

export class MergePlanner {
  readonly #models = new ModelStore();

  constructor(private readonly engine: EngineService, private readonly rates: MergeRates) {}

  /**
   * @param output Absolute path of the folder to be written: room and inputs are checked against it.
   * @throws RpcError when the recipe's file cannot be read; the signal's reason when it was aborted.
   */
  async plan(uri: vscode.Uri, signal?: AbortSignal, output?: string): Promise<PlannedRecipe> {
    if (uri.scheme !== "file") throw new RpcError({ code: "unsupported", message: "A recipe is planned where it lies on disk, beside its models; save it there first." });
    const recipe = readRecipe(await textOf(uri), uri.fsPath);
    const plans = await planMerges(recipe, {
      folders: foldersOf(uri),
      copyTokenizer: true,
      shardBytes: SHARD_BYTES,
      models: this.#models,
      engine: this.engine,
      rate: (method) => this.rates.of(method),
      ...(output === undefined ? {} : { output }),
      ...(vscode.workspace.isTrusted ? {} : { confinedTo: workspaceFolders() }),
    }, new LocalFiles(), signal);
    const problems = plans.length === 0 ? recipe.problems : plans.flatMap((plan) => plan.problems);
    const files = plans.map((plan) => (plan.tensors.length === 0 ? [] : layOutMerge(plan, { recipe: recipe.text, card: "", shardBytes: SHARD_BYTES, output: output ?? uri.fsPath }).files));
    return { recipe, plans, problems: [...problems].sort((x, y) => x.at.line - y.at.line || x.at.column - y.at.column), files, freeBytes: await freeBytes(await existing(output ?? path.dirname(uri.fsPath))) };
  }
}

/** As typed, when an editor holds it. */
async function textOf(uri: vscode.Uri): Promise<string> {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open !== undefined) return open.getText();
  try {
    return await readFile(uri.fsPath, "utf8");
  } catch (error) {
    throw new RpcError({ code: "io", message: `The recipe cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}).`, file: uri.fsPath });
  }
}

/** Where model paths are looked up: beside the recipe, then in its workspace folder. */
function foldersOf(recipe: vscode.Uri): string[] {
  const workspace = vscode.workspace.getWorkspaceFolder(recipe)?.uri.fsPath;
  return [path.dirname(recipe.fsPath), ...(workspace === undefined ? [] : [workspace])];
}

function workspaceFolders(): string[] {
  return vscode.workspace.workspaceFolders?.filter(({ uri }) => uri.scheme === "file").map(({ uri }) => uri.fsPath) ?? [];
}
