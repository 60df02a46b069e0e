/** The panel of robust weight signatures: one to a window. */
import * as vscode from "vscode";
import type { Services } from "./inspect-session";
import { pageHtml, pageRoots } from "./shell";
import { SignatureSession } from "./signature-session";

export const SIGNATURE_VIEW = "weightLoupe.signatures";

export class SignaturePanel implements vscode.Disposable {
  #session: SignatureSession | undefined;

  constructor(private readonly services: Pick<Services, "extension" | "log" | "engine">) {}

  /** Shows the panel, made beside the active editor when there is none yet. */
  open(): void {
    if (this.#session !== undefined) {
      this.#session.panel.reveal();
      return;
    }
    const { extension } = this.services;
    const title = "Robust Weight Signatures";
    const column = vscode.window.tabGroups.activeTabGroup.activeTab === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    const panel = vscode.window.createWebviewPanel(SIGNATURE_VIEW, title, column, { enableScripts: true, localResourceRoots: pageRoots(extension) });
    const session = (this.#session = new SignatureSession(panel, this.services));
    panel.onDidDispose(() => {
      session.dispose();
      this.#session = undefined;
    });
    panel.webview.html = pageHtml(panel.webview, extension, "signature", title);
  }

  trusted(): void {
    this.#session?.trusted();
  }

  dispose(): void {
    this.#session?.panel.dispose();
  }
}
