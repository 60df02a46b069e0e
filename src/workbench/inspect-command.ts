/** "Inspect Checkpoint": from the Explorer, from an editor's title, or from the palette. */
import * as vscode from "vscode";
import { formatOf } from "../checkpoint/registry";

export const FILE_EDITOR = "weightLoupe.inspect";
/** The same editor under a name of its own, for names that other kinds of files have too: it is offered and not imposed. */
export const OFFERED_EDITOR = "weightLoupe.inspectOffered";

/** As in the manifest: names that open in the inspector by default, and all that it is for. */
const OPENED = /\.(?:safetensors|gguf|pt|pth|npy|npz)$/i;
const EXTENSIONS = ["safetensors", "gguf", "pt", "pth", "bin", "ckpt", "npy", "npz", "h5", "hdf5", "keras", "msgpack", "onnx"];
const PATTERN = `**/*.{${EXTENSIONS.join(",")},pth.tar,safetensors.index.json,bin.index.json}`;
/** A workspace with more checkpoints is searched through the file dialog. */
const MOST_OFFERED = 500;

/** Says by the file's name alone whether the inspector is for it. */
export function isCheckpoint(uri: vscode.Uri): boolean {
  return formatOf(uri.path) !== undefined;
}

/**
 * Opens the inspector.
 * @param clicked The file that was right-clicked; absent when called from the palette.
 * @param selected All files selected in the Explorer, when several are.
 */
export async function inspect(clicked?: unknown, selected?: unknown): Promise<void> {
  if (Array.isArray(selected) && selected.length > 1) {
    const files = selected.filter((each): each is vscode.Uri => each instanceof vscode.Uri && isCheckpoint(each));
    for (const uri of files) await inspectUri(uri, { preview: false });
    return;
  }
  const uri = clicked instanceof vscode.Uri ? clicked : await chooseCheckpoint("Inspect Checkpoint");
  if (uri !== undefined) await inspectUri(uri);
}

/** Opens the inspector on a file. */
export async function inspectUri(uri: vscode.Uri, options: vscode.TextDocumentShowOptions = {}): Promise<void> {
  await vscode.commands.executeCommand("vscode.openWith", uri, OPENED.test(uri.path) ? FILE_EDITOR : OFFERED_EDITOR, options);
}

/** The checkpoint of the active tab, else one that the user picks. @param title of what it is for. */
export async function chooseCheckpoint(title: string): Promise<vscode.Uri | undefined> {
  return activeFile() ?? pickFile(title);
}

/** The file of the active tab, when the inspector is for it. */
export function activeFile(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const uri = input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom ? input.uri : undefined;
  return uri !== undefined && isCheckpoint(uri) ? uri : undefined;
}

export interface PickOptions {
  /** Default: "A checkpoint of this workspace". */
  placeHolder?: string;
  /** Stands at the top, chosen. */
  first?: vscode.Uri;
  /** A folder that holds a model may be chosen in the file dialog. */
  folders?: boolean;
}

/** The workspace's checkpoints to choose from, with a file dialog for all others. */
export async function pickFile(title: string, { placeHolder = "A checkpoint of this workspace", first, folders = false }: PickOptions = {}): Promise<vscode.Uri | undefined> {
  const found = await vscode.workspace.findFiles(PATTERN, undefined, MOST_OFFERED);
  if (found.length === 0 && first === undefined && !folders) return browse(title);
  const itemOf = (uri: vscode.Uri): vscode.QuickPickItem & { uri: vscode.Uri; description: string } =>
    ({ label: uri.path.split("/").at(-1) ?? "", description: vscode.workspace.asRelativePath(vscode.Uri.joinPath(uri, "..")), uri });
  const others = found.filter((uri) => uri.toString() !== first?.toString()).map(itemOf)
    .sort((a, b) => a.description.localeCompare(b.description, undefined, { numeric: true }) || a.label.localeCompare(b.label));
  const items: (vscode.QuickPickItem & { uri?: vscode.Uri })[] = [
    ...(first === undefined ? [] : [{ label: "open", kind: vscode.QuickPickItemKind.Separator }, itemOf(first), { label: "workspace", kind: vscode.QuickPickItemKind.Separator }]),
    ...others,
    { label: "", kind: vscode.QuickPickItemKind.Separator },
    { label: "$(folder-opened) Browse…" },
    ...(folders ? [{ label: "$(folder) Browse for a Folder…" }] : []),
  ];
  const picked = await vscode.window.showQuickPick(items, { title, placeHolder, matchOnDescription: true });
  if (picked === undefined) return undefined;
  return picked.uri ?? (picked.label.startsWith("$(folder) ") ? browseFolder(title) : browse(title));
}

async function browseFolder(title: string): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const [uri] = (await vscode.window.showOpenDialog({ title, openLabel: "Choose", canSelectFiles: false, canSelectFolders: true, ...(folder === undefined ? {} : { defaultUri: folder }) })) ?? [];
  return uri;
}

async function browse(title: string): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const [uri] =
    (await vscode.window.showOpenDialog({
      title,
      openLabel: "Open",
      filters: { Checkpoints: [...EXTENSIONS, "tar", "json"] },
      ...(folder === undefined ? {} : { defaultUri: folder }),
    })) ?? [];
  if (uri === undefined || isCheckpoint(uri)) return uri;
  await vscode.window.showWarningMessage(`${uri.path.split("/").at(-1) ?? ""} is not a checkpoint that Weight Loupe opens (${EXTENSIONS.join(", ")}, or the index of a sharded model).`);
  return undefined;
}
