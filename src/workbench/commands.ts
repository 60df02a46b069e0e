/** Every command the manifest contributes. */
import * as vscode from "vscode";
import { CompareSelection, compareCheckpoints, compareSelected, compareWith } from "./compare-command";
import type { ComparePanels } from "./compare-panels";
import { convertToSafetensors } from "./convert-command";
import type { EngineService } from "./engine-service";
import { inspect } from "./inspect-command";
import type { InspectEditorProvider } from "./inspect-editor";
import type { InspectSession } from "./inspect-session";
import { type Log, sentence } from "./log";
import { mergeModels, mergeSelected } from "./merge-command";
import type { MergePanels } from "./merge-panels";
import type { MergeRuns } from "./merge-runs";
import { recipeOf } from "./recipe-target";
import { relateModels, relateSelected } from "./models-command";
import type { ModelsPanels } from "./models-panels";
import type { SignaturePanel } from "./signature-panel";
import { openAsHex, openAsText } from "./reveal-as";

export interface CommandTargets {
  readonly editors: InspectEditorProvider;
  readonly comparisons: ComparePanels;
  readonly models: ModelsPanels;
  readonly signatures: SignaturePanel;
  readonly merges: MergePanels;
  readonly runs: MergeRuns;
  readonly engine: EngineService;
  readonly log: Log;
  readonly clearCache: () => Promise<void>;
}

/** Registers all commands; a failing one says why instead of ending in VS Code's generic message. */
export function registerCommands({ editors, comparisons, models, signatures, merges, runs, engine, log, clearCache }: CommandTargets): vscode.Disposable {
  const onActive = (act: (session: InspectSession) => unknown) => async () => {
    const { active } = editors;
    if (active === undefined) await vscode.window.showInformationMessage("Open a checkpoint first.");
    else await act(active);
  };
  /** What inspectors and comparisons have in common. */
  const onActiveView = (act: (session: Pick<InspectSession, "command" | "stopAnalysis" | "reload">) => unknown) => async () => {
    const active = editors.active ?? comparisons.active;
    if (active === undefined) await vscode.window.showInformationMessage("Open a checkpoint first.");
    else await act(active);
  };
  const openComparison = (a: vscode.Uri, b: vscode.Uri): void => comparisons.open(a, b);
  const selection = new CompareSelection(openComparison);
  /** Of a code lens (a recipe's URI and a document's index), else of the recipe in front. */
  const onRecipe = (act: (recipe: vscode.Uri, document: number) => unknown) => async (...args: unknown[]) => {
    const target = recipeOf(args) ?? merges.active;
    if (target === undefined) await vscode.window.showInformationMessage("Open a merge recipe first.");
    else await act(target.recipe, target.document);
  };
  const showRecipe = (recipe: vscode.Uri): void => merges.open(recipe, 0, { tab: "overview" });
  const runRecipe = (recipe: vscode.Uri): Promise<void> => runs.start(recipe, 0, false);
  const commands: Record<string, (...args: unknown[]) => unknown> = {
    inspect: (clicked, selected) => inspect(clicked, selected),
    convert: (clicked) => convertToSafetensors(engine, clicked),
    compare: () => compareCheckpoints(openComparison),
    compareWith: onActive((session) => compareWith(openComparison, session.document.uri)),
    compareSelected: (clicked, selected) => compareSelected(openComparison, clicked, selected),
    selectForCompare: (clicked) => selection.select(clicked),
    compareWithSelected: (clicked) => selection.compareWith(clicked),
    relateModels: () => relateModels((base, others) => models.open(base, others)),
    relateSelected: (clicked, selected) => relateSelected((base, others) => models.open(base, others), clicked, selected),
    signatures: () => signatures.open(),
    mergeModels: () => mergeModels(showRecipe, runRecipe),
    mergeSelected: (clicked, selected) => mergeSelected(showRecipe, runRecipe, clicked, selected),
    previewMerge: onRecipe((recipe, document) => merges.open(recipe, document, { tab: "preview", preview: true })),
    estimateMerge: onRecipe((recipe, document) => merges.open(recipe, document, { tab: "overview" })),
    runMerge: onRecipe((recipe, document) => {
      merges.open(recipe, document, { tab: "overview" });
      return runs.start(recipe, document, false);
    }),
    stopMerge: (...args) => {
      const target = recipeOf(args) ?? merges.active;
      if (target === undefined || runs.state(target.recipe, target.document).state !== "running") runs.stopAll();
      else runs.stop(target.recipe, target.document);
    },
    analyse: onActiveView((session) => session.command("analyse")),
    stopAnalysis: onActiveView((session) => session.stopAnalysis()),
    reload: onActiveView((session) => session.reload()),
    exportReport: onActiveView((session) => session.command("exportReport")),
    focusFilter: onActiveView((session) => session.command("focusFilter")),
    back: onActiveView((session) => session.command("back")),
    forward: onActiveView((session) => session.command("forward")),
    openAsText: onActive((session) => openAsText(session.document.uri)),
    openAsHex: onActive((session) => openAsHex(session.document.uri)),
    openWholeModel: onActive((session) => session.openWholeModel()),
    showLog: () => log.show(),
    restartEngine: () => engine.restart(),
    clearCache,
  };
  return vscode.Disposable.from(
    ...Object.entries(commands).map(([name, act]) =>
      vscode.commands.registerCommand(`weightLoupe.${name}`, async (...args: unknown[]) => {
        try {
          await act(...args);
        } catch (error) {
          log.error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
          const answer = await vscode.window.showErrorMessage(`Weight Loupe: ${sentence(error)}`, "Show Log");
          if (answer === "Show Log") log.show();
        }
      }),
    ),
  );
}
