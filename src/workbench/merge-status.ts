/** Merges under way in the status bar: how far, how fast, how long yet. */
import * as vscode from "vscode";
import { MERGE_COMMANDS, type RunState } from "../protocol/merge";

export interface RunningMerge {
  /** Of the recipe's file. */
  name: string;
  recipe: string;
  document: number;
  state: Extract<RunState, { state: "running" }>;
}

export class MergeStatusItem implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("weightLoupe.merge", vscode.StatusBarAlignment.Left, 0);

  constructor() {
    this.#item.name = "Weight Loupe Merge";
  }

  show(running: readonly RunningMerge[]): void {
    const [first] = running;
    if (first === undefined) {
      this.#item.hide();
      return;
    }
    const bytes = sum(running.map(({ state }) => state.bytes));
    const total = sum(running.map(({ state }) => state.totalBytes));
    const percent = Math.floor((100 * bytes) / Math.max(1, total));
    const left = Math.max(...running.map(({ state }) => state.secondsLeft ?? 0));
    const rate = sum(running.map(({ state }) => state.bytesPerSecond));
    const what = running.length === 1 ? first.name : `${running.length} merges`;
    this.#item.text = `$(git-merge) ${what} ${percent} %${rate > 0 ? ` · ${inUnits(rate)}/s` : ""}${left > 1 ? ` · ${inTime(left)} left` : ""}`;
    this.#item.accessibilityInformation = { label: `Merging ${what}, ${percent} per cent written`, role: "button" };
    this.#item.tooltip = tooltip(running);
    this.#item.command = { command: MERGE_COMMANDS.estimate, title: "Show", arguments: [first.recipe, first.document] };
    this.#item.show();
  }

  dispose(): void {
    this.#item.dispose();
  }
}

function tooltip(running: readonly RunningMerge[]): vscode.MarkdownString {
  const text = new vscode.MarkdownString("", true);
  text.isTrusted = { enabledCommands: ["weightLoupe.stopMerge"] };
  for (const { name, recipe, document, state } of running) {
    text.appendText(`${name}: ${state.done} of ${state.total} tensors to ${state.output}`);
    text.appendMarkdown(` &nbsp; [$(debug-stop) Stop](command:weightLoupe.stopMerge?${encodeURIComponent(JSON.stringify([recipe, document]))})\n\n`);
  }
  return text;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function inUnits(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

function inTime(seconds: number): string {
  return seconds < 60 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
