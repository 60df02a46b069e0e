/** The panels beside recipes: one to a recipe, made, shown, and back again after the window was reloaded. */
import * as vscode from "vscode";
import type { MergeTab, MergeViewState } from "../protocol/merge";
import { MergeSession, type MergeServices } from "./merge-session";
import { pageHtml, pageRoots } from "./shell";

export const MERGE_VIEW = "weightLoupe.merge";

export interface ShowMerge {
  tab: MergeTab;
  /** Begins to measure. */
  preview?: boolean;
}

export class MergePanels implements vscode.WebviewPanelSerializer<MergeViewState>, vscode.Disposable {
  readonly #sessions = new Map<string, MergeSession>();
  readonly #registrations: vscode.Disposable[];

  constructor(private readonly services: MergeServices) {
    this.#registrations = [
      vscode.window.registerWebviewPanelSerializer(MERGE_VIEW, this),
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0) this.#sessions.get(document.uri.toString())?.edited();
      }),
      vscode.workspace.onDidSaveTextDocument((document) => this.#sessions.get(document.uri.toString())?.edited()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => { for (const session of this.#sessions.values()) session.edited(); }),
      services.runs.onChanged(({ recipe, document }) => this.#sessions.get(recipe)?.ran(document)),
    ];
  }

  /** The recipe and document of the panel in front; undefined when it is none of these. */
  get active(): { recipe: vscode.Uri; document: number } | undefined {
    const session = [...this.#sessions.values()].find(({ panel }) => panel.active);
    return session === undefined ? undefined : { recipe: session.recipe, document: session.document };
  }

  /** Whether the panel of a recipe is on screen. */
  visible(recipe: string): boolean {
    return this.#sessions.get(recipe)?.panel.visible === true;
  }

  /** Shows a recipe's panel, made beside the active editor when there is none. */
  open(recipe: vscode.Uri, document: number, show: ShowMerge): void {
    const open = this.#sessions.get(recipe.toString());
    if (open !== undefined) {
      open.panel.reveal(undefined, true);
      open.choose(document);
      open.show(show);
      return;
    }
    const column = vscode.window.tabGroups.activeTabGroup.activeTab === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    const panel = vscode.window.createWebviewPanel(MERGE_VIEW, "Merge", { viewColumn: column, preserveFocus: true }, { enableFindWidget: false });
    this.#start(panel, recipe, document).show(show);
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: MergeViewState | undefined): Promise<void> {
    const subject = state?.subject;
    if (typeof subject?.recipe !== "string" || this.#sessions.has(vscode.Uri.parse(subject.recipe).toString())) panel.dispose();
    else this.#start(panel, vscode.Uri.parse(subject.recipe), Number.isInteger(subject.document) ? subject.document : 0);
    return Promise.resolve();
  }

  dispose(): void {
    for (const registration of this.#registrations) registration.dispose();
    for (const { panel } of this.#sessions.values()) panel.dispose();
  }

  #start(panel: vscode.WebviewPanel, recipe: vscode.Uri, document: number): MergeSession {
    const { extension } = this.services;
    const key = recipe.toString();
    panel.webview.options = { enableScripts: true, localResourceRoots: pageRoots(extension) };
    panel.title = `Merge ${recipe.path.split("/").at(-1) ?? ""}`;
    panel.iconPath = { light: vscode.Uri.joinPath(extension, "media", "recipe-light.svg"), dark: vscode.Uri.joinPath(extension, "media", "recipe-dark.svg") };
    const session = new MergeSession(panel, recipe, document, this.services);
    this.#sessions.set(key, session);
    panel.onDidDispose(() => {
      this.#sessions.delete(key);
      session.dispose();
    });
    panel.webview.html = pageHtml(panel.webview, extension, "merge", panel.title, { recipe: key, document });
    return session;
  }
}
