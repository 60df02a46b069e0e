/** Opening a checkpoint's bytes in other editors. */
import * as vscode from "vscode";

/** VS Code's text editor gives up on larger files. Bytes. */
const TEXT_LIMIT = 50 * 1024 * 1024;

export async function openAsText(uri: vscode.Uri): Promise<void> {
  const { size } = await vscode.workspace.fs.stat(uri);
  if (size > TEXT_LIMIT) {
    const mebibytes = Math.round(size / (1024 * 1024)).toLocaleString("en");
    const answer = await vscode.window.showWarningMessage(`This file is ${mebibytes} MB; the text editor reads all of it.`, { modal: true }, "Open Anyway");
    if (answer === undefined) return;
  }
  await vscode.commands.executeCommand("vscode.openWith", uri, "default");
}

/** In the hex editor when it is installed; otherwise offers to look for it, or the text editor. */
export async function openAsHex(uri: vscode.Uri): Promise<void> {
  if (vscode.extensions.getExtension("ms-vscode.hexeditor") !== undefined) {
    await vscode.commands.executeCommand("vscode.openWith", uri, "hexEditor.hexedit");
    return;
  }
  const answer = await vscode.window.showInformationMessage("The Hex Editor extension is not installed.", "Show Extension", "Open as Text");
  if (answer === "Show Extension") await vscode.commands.executeCommand("workbench.extensions.search", "@id:ms-vscode.hexeditor");
  else if (answer === "Open as Text") await openAsText(uri);
}
