/** The recipes' language: its server, started with the first recipe, and YAML files that say they are one. */
import { existsSync } from "node:fs";
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { RECIPE_LANGUAGE } from "../protocol/merge";
import { type Log, sentence } from "./log";

/** The first line of a YAML file that is a recipe whatever its name. */
const MARKER = /^#\s*weight-loupe:\s*recipe\b/;

/** Commands on recipes are offered while one is in front, wherever the focus is. */
function followActive(editor: vscode.TextEditor | undefined): void {
  void vscode.commands.executeCommand("setContext", "weightLoupe.recipe", editor?.document.languageId === RECIPE_LANGUAGE);
}

export class RecipeLanguage implements vscode.Disposable {
  readonly #subscriptions: vscode.Disposable[];
  /** Changes of trust and of workspace folders come while it starts: one after the other. */
  #client: Promise<LanguageClient | undefined> = Promise.resolve(undefined);
  #wanted = false;

  constructor(private readonly extension: vscode.Uri, private readonly log: Log) {
    this.#subscriptions = [
      vscode.workspace.onDidOpenTextDocument((document) => void this.#look(document)),
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (document.languageId === "yaml" && contentChanges.some(({ range }) => range.start.line === 0)) void this.#look(document);
      }),
      vscode.window.onDidChangeActiveTextEditor(followActive),
      vscode.workspace.onDidCloseTextDocument(() => followActive(vscode.window.activeTextEditor)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#restart()),
      vscode.workspace.onDidChangeWorkspaceFolders(() => this.#restart()),
    ];
    for (const document of vscode.workspace.textDocuments) void this.#look(document);
    followActive(vscode.window.activeTextEditor);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#wanted = false;
    void this.#client.then((client) => client?.dispose());
  }

  async #look(document: vscode.TextDocument): Promise<void> {
    if (document.languageId === "yaml" && MARKER.test(document.lineAt(0).text)) await vscode.languages.setTextDocumentLanguage(document, RECIPE_LANGUAGE);
    if (document.languageId !== RECIPE_LANGUAGE) return;
    followActive(vscode.window.activeTextEditor);
    if (this.#wanted) return;
    this.#wanted = true;
    this.#restart();
  }

  #restart(): void {
    if (!this.#wanted) return;
    this.#client = this.#client.then(async (client) => {
      await client?.dispose();
      return this.#wanted ? this.#start() : undefined;
    }).catch((error: unknown) => {
      this.log.error(`The language server of recipes: ${sentence(error)}`);
      return undefined;
    });
  }

  async #start(): Promise<LanguageClient | undefined> {
    const module = vscode.Uri.joinPath(this.extension, "dist", "recipe-server.js").fsPath;
    if (!existsSync(module)) throw new Error(`there is no ${module}; reinstall the extension`);
    const { LanguageClient, TransportKind } = await import("vscode-languageclient/node");
    const server = { module, transport: TransportKind.ipc };
    const client = new LanguageClient("weight-loupe-recipe", "Weight Loupe Recipes", { run: server, debug: server }, {
      documentSelector: [{ language: RECIPE_LANGUAGE, scheme: "file" }, { language: RECIPE_LANGUAGE, scheme: "untitled" }],
      outputChannel: this.log,
      initializationOptions: { confinedTo: vscode.workspace.isTrusted ? null : (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath) },
    });
    await client.start();
    return client;
  }
}
