/** Mapping files in the editor: chosen by a dialog, written from the pairing on screen. */
import * as vscode from "vscode";
import { RpcError } from "../protocol/rpc";
import { writeWhole } from "./save-export";

const FILTERS = { "Mapping file": ["yaml", "yml"] };

/** Asks for one; null when the user changed their mind. @param beside A model that it is for. */
export async function chooseMapping(beside: vscode.Uri): Promise<string | null> {
  const [uri] = (await vscode.window.showOpenDialog({ title: "Mapping File", openLabel: "Use", filters: FILTERS, defaultUri: vscode.Uri.joinPath(beside, "..") })) ?? [];
  if (uri === undefined) return null;
  if (uri.scheme !== "file") throw new RpcError({ code: "unsupported", message: "A mapping file is read from disk; save a copy there first.", file: uri.toString() });
  return uri.fsPath;
}

/**
 * Asks where, writes, and opens what was written beside the comparison.
 * @throws RpcError in Restricted Mode, or when the place is one of the models' own files.
 */
export async function saveMapping(beside: vscode.Uri, content: string, inputs: () => Promise<vscode.Uri[]>): Promise<{ path: string | null }> {
  if (!vscode.workspace.isTrusted) {
    throw new RpcError({ code: "untrusted", message: "Saving files is off in Restricted Mode: trust this workspace to save the mapping." });
  }
  const target = await vscode.window.showSaveDialog({ title: "Save Pairing", saveLabel: "Save", filters: FILTERS, defaultUri: vscode.Uri.joinPath(beside, "..", "mapping.yaml") });
  if (target === undefined) return { path: null };
  if ((await inputs()).some((input) => input.toString() === target.toString())) {
    throw new RpcError({ code: "io", message: "This is a file of the models themselves; choose another name.", file: target.fsPath });
  }
  await writeWhole(target, Buffer.from(content));
  await vscode.window.showTextDocument(target, { preview: false });
  return { path: target.scheme === "file" ? target.fsPath : target.toString() };
}
