/** "Compare …": two models picked in the Explorer, one after the other, or from the palette. */
import * as vscode from "vscode";
import { RpcError } from "../protocol/rpc";
import { activeFile, isCheckpoint, pickFile } from "./inspect-command";

/** Opens the panel of a pair. */
export type OpenComparison = (a: vscode.Uri, b: vscode.Uri) => void;

/** What was chosen with "Select for Compare"; the menu entry that needs it appears with it. */
export class CompareSelection {
  #uri: vscode.Uri | undefined;

  constructor(private readonly open: OpenComparison) {}

  /** @param clicked The file or folder that was right-clicked. @throws RpcError for a file that is no checkpoint. */
  async select(clicked: unknown): Promise<void> {
    this.#uri = await modelOf(clicked);
    await vscode.commands.executeCommand("setContext", "weightLoupe.selectedForCompare", true);
    vscode.window.setStatusBarMessage(`$(diff) ${lastPart(this.#uri)} is selected for comparison`, 5000);
  }

  /** What was selected before is A, what was clicked now is B. */
  async compareWith(clicked: unknown): Promise<void> {
    if (this.#uri === undefined) {
      await vscode.window.showInformationMessage("Select a model for comparison first: right-click it and choose “Select for Compare”.");
      return;
    }
    this.open(this.#uri, await modelOf(clicked));
  }
}

/** "Compare Selected": exactly two, in the order in which the Explorer lists them. */
export async function compareSelected(open: OpenComparison, clicked: unknown, selected: unknown): Promise<void> {
  const uris = (Array.isArray(selected) ? selected : [clicked]).filter((each): each is vscode.Uri => each instanceof vscode.Uri);
  if (uris.length !== 2) throw new RpcError({ code: "usage", message: `Two models are compared; ${uris.length === 1 ? "one is" : `${uris.length} are`} selected.` });
  const [a, b] = await Promise.all(uris.map(modelOf));
  open(a!, b!);
}

/** "Compare Checkpoints…": asks for A, with the file in the active tab at the top, then for B. */
export async function compareCheckpoints(open: OpenComparison): Promise<void> {
  const title = "Compare Checkpoints";
  const a = await pickFile(`${title} (1/2)`, { placeHolder: "A: the model to compare with", folders: true, ...preselected(activeFile()) });
  if (a !== undefined) await compareWith(open, a);
}

/** "Compare with …": the file of the active inspector is A; asks for B. */
export async function compareWith(open: OpenComparison, a: vscode.Uri): Promise<void> {
  const b = await pickFile("Compare Checkpoints (2/2)", { placeHolder: `B: what to compare ${lastPart(a)} with`, folders: true });
  if (b !== undefined) open(a, b);
}

function preselected(uri: vscode.Uri | undefined): { first?: vscode.Uri } {
  return uri === undefined ? {} : { first: uri };
}

/** A checkpoint's file, or a folder: whether that holds a model is seen when it is opened. */
async function modelOf(clicked: unknown): Promise<vscode.Uri> {
  if (!(clicked instanceof vscode.Uri)) throw new RpcError({ code: "usage", message: "Right-click a checkpoint, or a folder that holds a model." });
  if (isCheckpoint(clicked)) return clicked;
  const { type } = await vscode.workspace.fs.stat(clicked);
  if ((type & vscode.FileType.Directory) === 0) throw new RpcError({ code: "usage", message: `${lastPart(clicked)} is not a checkpoint that Weight Loupe opens.`, file: clicked.fsPath });
  return clicked;
}

function lastPart({ path }: vscode.Uri): string {
  return path.split("/").filter((part) => part !== "").at(-1) ?? path;
}
