/** "Merge Models…": models, a base, a method and parameters to begin with become a recipe, which is opened and offered to run. */
import path from "node:path";
import * as vscode from "vscode";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { MergeMethodEntry } from "../merge/methods/method";
import { fittingMethods, newRecipe, presetsFor, type Preset } from "../merge/new-recipe";
import type { RecipeDtype } from "../merge/recipe/recipe";
import { RpcError } from "../protocol/rpc";
import { shortName } from "../protocol/short-name";
import { inspectable } from "./merge-runs";
import { findModels } from "./model-folders";
import { writeWhole } from "./save-export";

/** Shows a recipe's panel. */
export type ShowRecipe = (recipe: vscode.Uri) => void;
/** Runs a recipe. */
export type RunRecipe = (recipe: vscode.Uri) => Promise<void>;

const TITLE = "Merge Models";
const DTYPES: Readonly<Record<string, RecipeDtype>> = { F64: "float64", F32: "float32", F16: "float16", BF16: "bfloat16" };

/** From the palette. */
export async function mergeModels(show: ShowRecipe, run: RunRecipe): Promise<void> {
  mayWrite();
  const models = await pickModels();
  if (models !== undefined) await composeRecipe(models, show, run);
}

/** Of files and folders selected in the Explorer. */
export async function mergeSelected(show: ShowRecipe, run: RunRecipe, clicked: unknown, selected: unknown): Promise<void> {
  mayWrite();
  const uris = (Array.isArray(selected) ? selected : [clicked]).filter((each): each is vscode.Uri => each instanceof vscode.Uri);
  if (uris.length < 2) throw new RpcError({ code: "usage", message: "Select two or more models to merge." });
  await composeRecipe(uris, show, run);
}

async function pickModels(): Promise<vscode.Uri[] | undefined> {
  const found = await findModels();
  const items: (vscode.QuickPickItem & { uri?: vscode.Uri })[] = [
    ...found.map((uri) => ({ label: uri.path.split("/").at(-1) ?? "", description: vscode.workspace.asRelativePath(vscode.Uri.joinPath(uri, "..")), uri })),
    { label: "$(folder-opened) Models elsewhere…" },
  ];
  const picked = await vscode.window.showQuickPick(items, { title: `${TITLE} (1/4)`, placeHolder: "Check the models to merge, the base among them", canPickMany: true, matchOnDescription: true });
  if (picked === undefined) return undefined;
  const uris = picked.flatMap(({ uri }) => uri ?? []);
  if (picked.length > uris.length) {
    uris.push(...((await vscode.window.showOpenDialog({ title: TITLE, openLabel: "Choose", canSelectFiles: true, canSelectFolders: true, canSelectMany: true, ...workspaceFolder() })) ?? []));
  }
  if (uris.length < 2) throw new RpcError({ code: "usage", message: "Choose two or more models to merge." });
  return uris;
}

async function composeRecipe(models: readonly vscode.Uri[], show: ShowRecipe, run: RunRecipe): Promise<void> {
  if (models.some(({ scheme }) => scheme !== "file")) throw new RpcError({ code: "unsupported", message: "Models are merged where they lie on disk; these are in a virtual file system." });
  const base = await pickBase(models);
  if (base === undefined) return;
  const others = base === null ? models : models.filter((uri) => uri !== base);
  const method = await pickMethod(others.length, base !== null);
  if (method === undefined) return;
  const preset = await pickPreset(method, others.length);
  if (preset === undefined) return;
  const recipe = await vscode.window.showSaveDialog({ title: `${TITLE}: where to write the recipe`, saveLabel: "Write Recipe", defaultUri: proposal(method, models), filters: { "Merge recipe": ["yaml", "yml"] } });
  if (recipe === undefined) return;
  const file = /\.merge\.ya?ml$/i.test(recipe.path) ? recipe : recipe.with({ path: `${recipe.path.replace(/\.ya?ml$/i, "")}.merge.yaml` });
  const written = (uri: vscode.Uri): string => relative(path.dirname(file.fsPath), uri.fsPath);
  const text = newRecipe({ method, preset, models: others.map(written), base: base === null ? null : written(base), dtype: await dtypeOf(base ?? models[0]!) });
  await writeWhole(file, Buffer.from(text));
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file), { preview: false });
  show(file);
  const answer = await vscode.window.showInformationMessage(`The recipe ${path.basename(file.fsPath)} is written. Nothing is merged until it is run.`, "Run…");
  if (answer === "Run…") await run(file);
}

/** @returns null for none, undefined when the user changed their mind. */
async function pickBase(models: readonly vscode.Uri[]): Promise<vscode.Uri | null | undefined> {
  const label = (uri: vscode.Uri): string => models.filter((other) => other !== uri).map((other) => shortName(uri.path, other.path)).reduce((longest, name) => (name.length > longest.length ? name : longest), "");
  const items: (vscode.QuickPickItem & { uri: vscode.Uri | null })[] = [
    ...models.map((uri) => ({ label: label(uri), description: vscode.workspace.asRelativePath(uri), uri })),
    { label: "", kind: vscode.QuickPickItemKind.Separator, uri: null },
    { label: "No base", description: "the models are averaged as they are", uri: null },
  ];
  const picked = await vscode.window.showQuickPick(items, { title: `${TITLE} (2/4)`, placeHolder: "Which is the base: the model that the others were made from?" });
  return picked === undefined ? undefined : picked.uri;
}

async function pickMethod(models: number, base: boolean): Promise<MergeMethodEntry | undefined> {
  const items = fittingMethods(models, base).map((method) => ({ label: method.name, description: method.summary, detail: method.formula, method }));
  if (items.length === 0) throw new RpcError({ code: "usage", message: `No method merges ${models} ${models === 1 ? "model" : "models"}${base ? " with a base" : " without a base"}.` });
  return (await vscode.window.showQuickPick(items, { title: `${TITLE} (3/4)`, placeHolder: "Method", matchOnDescription: true }))?.method;
}

async function pickPreset(method: MergeMethodEntry, models: number): Promise<Preset | undefined> {
  const presets = presetsFor(method, models);
  if (presets.length === 1) return presets[0];
  return (await vscode.window.showQuickPick(presets.map((preset) => ({ label: preset.name, description: preset.detail, preset })), { title: `${TITLE} (4/4)`, placeHolder: `Parameters of ${method.name} to begin with` }))?.preset;
}

/** The type that most of a model is stored in; null when it cannot be told: the recipe then says none. */
async function dtypeOf(model: vscode.Uri): Promise<RecipeDtype | null> {
  try {
    const { tensors } = await openCheckpoint((await inspectable(model)).fsPath, new LocalFiles());
    const bytes = new Map<string, number>();
    for (const tensor of tensors) bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.bytes);
    const [most] = [...bytes].sort(([, x], [, y]) => y - x);
    return DTYPES[most?.[0] ?? ""] ?? null;
  } catch {
    // What is wrong with the model is said beside the recipe.
    return null;
  }
}

/** Beside the models, in the workspace where one is open. */
function proposal(method: MergeMethodEntry, models: readonly vscode.Uri[]): vscode.Uri {
  const folder = vscode.workspace.getWorkspaceFolder(models[0]!)?.uri ?? vscode.Uri.joinPath(models[0]!, "..");
  return vscode.Uri.joinPath(folder, `${method.name.replaceAll("_", "-")}.merge.yaml`);
}

/** With slashes everywhere; where it would climb further than the path is long, the path itself. */
function relative(from: string, to: string): string {
  const text = path.relative(from, to).split(path.sep).join("/") || ".";
  return path.isAbsolute(text) || text.startsWith("../../../..") ? to : text;
}

function workspaceFolder(): { defaultUri?: vscode.Uri } {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  return folder === undefined ? {} : { defaultUri: folder };
}

function mayWrite(): void {
  if (!vscode.workspace.isTrusted) throw new RpcError({ code: "untrusted", message: "Writing recipes is off in Restricted Mode; trust this workspace first." });
}
