/** "Relate Models …": a base and the models that were made from it, from a selection in the Explorer or from the palette. */
import * as vscode from "vscode";
import { RpcError } from "../protocol/rpc";
import { shortName } from "../protocol/short-name";
import { activeFile, pickFile } from "./inspect-command";

export type OpenModels = (base: vscode.Uri, models: vscode.Uri[]) => void;

/** Three or more selected files or folders: asks which of them is the base. */
export async function relateSelected(open: OpenModels, clicked: unknown, selected: unknown): Promise<void> {
  const uris = (Array.isArray(selected) ? selected : [clicked]).filter((each): each is vscode.Uri => each instanceof vscode.Uri);
  if (uris.length < 3) throw new RpcError({ code: "usage", message: "Select three or more models: a base, and those that were made from it." });
  // As much of each path as tells it from every other.
  const label = (uri: vscode.Uri): string => uris.filter((other) => other.path !== uri.path).map((other) => shortName(uri.path, other.path)).reduce((longest, name) => (name.length > longest.length ? name : longest), "");
  const items = uris.map((uri) => ({ label: label(uri), description: vscode.workspace.asRelativePath(uri), uri }));
  const picked = await vscode.window.showQuickPick(items, { title: "Relate Models", placeHolder: "Which is the base: the model that the others were made from?" });
  if (picked !== undefined) open(picked.uri, uris.filter((uri) => uri !== picked.uri));
}

/** From the palette: asks for the base, then for one model after the other. */
export async function relateModels(open: OpenModels): Promise<void> {
  const first = activeFile();
  const base = await pickFile("Relate Models: the base", { placeHolder: "The model that the others were made from", folders: true, ...(first === undefined ? {} : { first }) });
  if (base === undefined) return;
  const models: vscode.Uri[] = [];
  for (;;) {
    if (models.length >= 2) {
      const done = { label: `$(check) Relate these ${models.length}`, detail: models.map((uri) => vscode.workspace.asRelativePath(uri)).join(", ") };
      const more = { label: "$(add) Another model …" };
      const picked = await vscode.window.showQuickPick([done, more], { title: "Relate Models" });
      if (picked === undefined) return;
      if (picked === done) break;
    }
    const next = await pickFile(`Relate Models: model ${models.length + 1}`, { placeHolder: "A model or an adapter made from the base", folders: true });
    if (next === undefined) return;
    models.push(next);
  }
  open(base, models);
}
