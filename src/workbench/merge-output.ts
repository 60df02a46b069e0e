/** Asking for the folder that a merged model is written into. */
import { stat } from "node:fs/promises";
import path from "node:path";
import * as vscode from "vscode";

/**
 * The folder beside the recipe that has its name, the one that was written last time, or another that the user names.
 * @param last The output of the recipe's former run.
 * @returns an absolute path; undefined when the user changed their mind.
 */
export async function chooseOutput(recipe: vscode.Uri, last: string | undefined): Promise<string | undefined> {
  const folder = path.dirname(recipe.fsPath);
  const name = path.basename(recipe.fsPath).replace(/(?:\.merge)?\.ya?ml$/i, "") || "merged";
  const proposed = path.join(folder, name === "mergekit_config" ? "merged" : name);
  const items: (vscode.QuickPickItem & { output?: string })[] = [];
  for (const output of new Set([...(last === undefined ? [] : [last]), proposed])) {
    const there = await stat(output).catch(() => undefined);
    items.push({ label: `$(folder) ${vscode.workspace.asRelativePath(output)}`, description: there === undefined ? "a new folder" : "replaces what an earlier merge wrote there", detail: output, output });
  }
  items.push({ label: "$(folder-opened) Another Folder…" });
  const picked = await vscode.window.showQuickPick(items, { title: `Run ${path.basename(recipe.fsPath)}`, placeHolder: "Folder to write the merged model into" });
  if (picked === undefined || picked.output !== undefined) return picked?.output;
  const chosen = await vscode.window.showSaveDialog({ title: "A New Folder for the Merged Model", saveLabel: "Write Here", defaultUri: vscode.Uri.file(proposed) });
  return chosen?.fsPath;
}
