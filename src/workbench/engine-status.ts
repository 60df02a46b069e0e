/** The engine in the status bar: version and state, and in its tooltip what can be done. */
import * as vscode from "vscode";
import type { EngineStatus } from "../protocol/inspect";

const LABELS: Record<EngineStatus["state"], { icon: string; says: string }> = {
  stopped: { icon: "$(circle-outline)", says: "not started: it starts when numbers are asked for" },
  starting: { icon: "$(sync~spin)", says: "starting" },
  running: { icon: "$(check)", says: "running" },
  failed: { icon: "$(error)", says: "failed" },
  missing: { icon: "$(warning)", says: "not available" },
};

export class EngineStatusItem implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("weightLoupe.engine", vscode.StatusBarAlignment.Right, 90);

  constructor() {
    this.#item.name = "Weight Loupe Engine";
    this.#item.command = "weightLoupe.showLog";
  }

  /** @param visible Shown while an inspector is on screen, and whenever something is wrong. */
  show(status: EngineStatus, executable: string | undefined, visible: boolean): void {
    const { icon, says } = LABELS[status.state];
    const wrong = status.state === "failed" || status.state === "missing";
    this.#item.text = `${icon} Loupe`;
    this.#item.accessibilityInformation = { label: `Weight Loupe engine ${says}`, role: "button" };
    this.#item.backgroundColor = wrong ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    this.#item.tooltip = tooltip(status, says, executable);
    if (visible || wrong) this.#item.show();
    else this.#item.hide();
  }

  dispose(): void {
    this.#item.dispose();
  }
}

function tooltip(status: EngineStatus, says: string, executable: string | undefined): vscode.MarkdownString {
  const text = new vscode.MarkdownString("", true);
  // These commands and no others may be run from here.
  text.isTrusted = { enabledCommands: ["weightLoupe.restartEngine", "weightLoupe.showLog", "workbench.action.openSettings"] };
  text.appendMarkdown("**Weight Loupe engine** ");
  text.appendText(`${status.version ?? ""} ${says}`.trim());
  if (status.message !== undefined) text.appendMarkdown("\n\n").appendText(status.message);
  if (executable !== undefined) text.appendMarkdown("\n\n").appendText(executable);
  const settings = encodeURIComponent(JSON.stringify(["weightLoupe.engine.path"]));
  text.appendMarkdown(
    `\n\n[$(debug-restart) Restart](command:weightLoupe.restartEngine) &nbsp; [$(output) Show Log](command:weightLoupe.showLog) &nbsp; [$(gear) Settings](command:workbench.action.openSettings?${settings})`,
  );
  return text;
}
