/** The workspace's models: folders that hold one, and files that stand for themselves. */
import * as vscode from "vscode";
import { isCheckpoint } from "./inspect-command";

/** Weights under names that tell of a whole model in their folder. */
const PATTERN = "**/*.{safetensors,gguf,bin,pt,pth,safetensors.index.json,bin.index.json}";
const IN_FOLDER = /^(?:model|pytorch_model|adapter_model|consolidated)[^/]*\.(?:safetensors|bin|pt|pth|index\.json)$|-\d{5}-of-\d{5}\./i;
/** A workspace with more is picked from through the file dialog. */
const MOST_FOUND = 2000;

/** Sorted by path. Training state beside the weights is no model. */
export async function findModels(): Promise<vscode.Uri[]> {
  const files = await vscode.workspace.findFiles(PATTERN, "**/.*.merging/**", MOST_FOUND);
  const models = new Map<string, vscode.Uri>();
  for (const file of files) {
    const name = file.path.split("/").at(-1) ?? "";
    if (!isCheckpoint(file) || /^(?:optimizer|scheduler|rng_state|training_args|scaler)/i.test(name)) continue;
    const model = IN_FOLDER.test(name) ? vscode.Uri.joinPath(file, "..") : file;
    models.set(model.toString(), model);
  }
  return [...models.values()].sort((x, y) => x.path.localeCompare(y.path, undefined, { numeric: true }));
}
