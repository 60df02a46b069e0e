/** Says that a merge is done, or failed, when its panel is not on screen to say so. */
import * as vscode from "vscode";
import type { Log } from "./log";
import type { MergePanels } from "./merge-panels";
import { inspectable, type EndedRun, type MergeRuns } from "./merge-runs";

export function announceMerges(runs: MergeRuns, panels: MergePanels, inspect: (uri: vscode.Uri) => Promise<void>, log: Log): vscode.Disposable {
  return runs.onEnded((ended) => {
    if (!panels.visible(ended.recipe.toString())) void announce(ended, panels, inspect, log);
  });
}

async function announce({ recipe, document, state }: EndedRun, panels: MergePanels, inspect: (uri: vscode.Uri) => Promise<void>, log: Log): Promise<void> {
  const name = recipe.path.split("/").at(-1) ?? "";
  const show = (): void => panels.open(recipe, document, { tab: "overview" });
  if (state.state === "done") {
    const answer = await vscode.window.showInformationMessage(`${name} is merged into ${vscode.workspace.asRelativePath(state.output)}.`, "Inspect Result", "Show");
    if (answer === "Inspect Result") await inspect(await inspectable(vscode.Uri.file(state.output)));
    else if (answer === "Show") show();
    return;
  }
  const answer = await vscode.window.showErrorMessage(`Merging ${name}: ${state.message}`, "Show", "Show Log");
  if (answer === "Show") show();
  else if (answer === "Show Log") log.show();
}
