/** The custom editor: read-only, one document with any number of views, nothing kept while hidden. */
import * as vscode from "vscode";
import type { InspectDocument, OpenCheckpoints } from "./documents";
import { FILE_EDITOR, inspectUri, OFFERED_EDITOR } from "./inspect-command";
import { InspectSession, type Services } from "./inspect-session";
import { pageHtml, pageRoots } from "./shell";

export class InspectEditorProvider implements vscode.CustomReadonlyEditorProvider<InspectDocument>, vscode.Disposable {
  readonly #sessions = new Set<InspectSession>();
  readonly #registrations: vscode.Disposable[];
  readonly #activeChanged = new vscode.EventEmitter<void>();
  /** Fires when another session became the active one, or none is any more, or what it does changed. */
  readonly onActiveChanged = this.#activeChanged.event;

  constructor(
    private readonly checkpoints: OpenCheckpoints,
    private readonly services: Services,
  ) {
    this.#registrations = [FILE_EDITOR, OFFERED_EDITOR].map((viewType) =>
      vscode.window.registerCustomEditorProvider(viewType, this, {
        supportsMultipleEditorsPerDocument: true,
        webviewOptions: { enableFindWidget: false },
      }),
    );
  }

  /** The session in the active tab. */
  get active(): InspectSession | undefined {
    return [...this.#sessions].find((session) => session.panel.active);
  }

  get anyVisible(): boolean {
    return [...this.#sessions].some((session) => session.panel.visible);
  }

  /** Opens the inspector on a file, at the page of a tensor when one is named. */
  async show(uri: vscode.Uri, tensor?: string): Promise<void> {
    const open = [...this.#sessions].find(({ document }) => document.uri.toString() === uri.toString());
    if (open !== undefined) {
      open.panel.reveal();
      if (tensor !== undefined) open.showTensor(tensor);
      return;
    }
    const { states } = this.services;
    // A page that is about to be made begins where its state says.
    if (tensor !== undefined) await states.remember(uri.toString(), { ...states.recall(uri.toString()), tab: "overview", selection: tensor });
    await inspectUri(uri, { preview: false });
  }

  openCustomDocument(uri: vscode.Uri): InspectDocument {
    return this.checkpoints.document(uri);
  }

  resolveCustomEditor(document: InspectDocument, panel: vscode.WebviewPanel): void {
    // Set again whenever a panel is restored: the extension may have moved since it was made.
    panel.webview.options = { enableScripts: true, localResourceRoots: pageRoots(this.services.extension) };
    const session = new InspectSession(document, panel, this.services, () => this.#changed());
    this.#sessions.add(session);
    panel.onDidChangeViewState(() => this.#changed());
    panel.onDidDispose(() => {
      this.#sessions.delete(session);
      session.dispose();
      this.#changed();
    });
    panel.webview.html = pageHtml(panel.webview, this.services.extension, "inspect", document.uri.path.split("/").at(-1) ?? "");
    this.#changed();
  }

  dispose(): void {
    for (const registration of this.#registrations) registration.dispose();
    this.#activeChanged.dispose();
  }

  #changed(): void {
    this.#activeChanged.fire();
  }
}
