/** The panels of comparisons: one per pair, beside what is open, and back again after the window was reloaded. */
import * as vscode from "vscode";
import type { CompareViewState } from "../protocol/compare";
import { shortName } from "../protocol/short-name";
import { type CompareServices, CompareSession } from "./compare-session";
import { pageHtml, pageRoots } from "./shell";

export const COMPARE_VIEW = "weightLoupe.compare";

export class ComparePanels implements vscode.WebviewPanelSerializer<CompareViewState>, vscode.Disposable {
  readonly #sessions = new Set<CompareSession>();
  readonly #registration: vscode.Disposable;
  readonly #activeChanged = new vscode.EventEmitter<void>();
  /** Fires when another session became the active one, or none is any more, or what it does changed. */
  readonly onActiveChanged = this.#activeChanged.event;

  constructor(private readonly services: CompareServices) {
    this.#registration = vscode.window.registerWebviewPanelSerializer(COMPARE_VIEW, this);
  }

  /** The session in the active tab. */
  get active(): CompareSession | undefined {
    return [...this.#sessions].find((session) => session.panel.active);
  }

  get anyVisible(): boolean {
    return [...this.#sessions].some((session) => session.panel.visible);
  }

  /** Number of open panels. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Shows the pair's panel, made beside the active editor when there is none yet. */
  open(a: vscode.Uri, b: vscode.Uri): void {
    const same = (one: vscode.Uri, other: vscode.Uri): boolean => one.toString() === other.toString();
    const known = [...this.#sessions].find(({ uris }) => same(uris.a, a) && same(uris.b, b));
    if (known !== undefined) {
      known.panel.reveal();
      return;
    }
    const column = vscode.window.tabGroups.activeTabGroup.activeTab === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    this.#start(vscode.window.createWebviewPanel(COMPARE_VIEW, titleOf(a, b), column, { enableFindWidget: false }), a, b);
  }

  /** A panel that the window had open before it was reloaded. */
  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: CompareViewState | undefined): Promise<void> {
    const models = state?.models;
    if (typeof models?.a !== "string" || typeof models.b !== "string") panel.dispose();
    else this.#start(panel, vscode.Uri.parse(models.a), vscode.Uri.parse(models.b));
    return Promise.resolve();
  }

  /** Starts all afresh: the engine was replaced, or the workspace became trusted. */
  async renewAll(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.renew()));
  }

  dispose(): void {
    this.#registration.dispose();
    this.#activeChanged.dispose();
    for (const session of this.#sessions) session.dispose();
  }

  #start(panel: vscode.WebviewPanel, a: vscode.Uri, b: vscode.Uri): void {
    const { extension } = this.services;
    // Set again whenever a panel is restored: the extension may have moved since it was made.
    panel.webview.options = { enableScripts: true, localResourceRoots: pageRoots(extension) };
    panel.iconPath = { light: vscode.Uri.joinPath(extension, "media", "compare-light.svg"), dark: vscode.Uri.joinPath(extension, "media", "compare-dark.svg") };
    panel.title = titleOf(a, b);
    const session = new CompareSession({ a, b }, panel, this.services, {
      analysing: () => this.#changed(),
      swapped: () => { panel.title = titleOf(session.uris.a, session.uris.b); },
    });
    this.#sessions.add(session);
    panel.onDidChangeViewState(() => this.#changed());
    panel.onDidDispose(() => {
      this.#sessions.delete(session);
      session.dispose();
      this.#changed();
    });
    panel.webview.html = pageHtml(panel.webview, extension, "compare", panel.title, { a: a.toString(), b: b.toString() });
    this.#changed();
  }

  #changed(): void {
    this.#activeChanged.fire();
  }
}

function titleOf(a: vscode.Uri, b: vscode.Uri): string {
  return `${shortName(a.path, b.path)} ⇄ ${shortName(b.path, a.path)}`;
}
