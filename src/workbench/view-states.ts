/** What each document's view keeps (selection, filter, axes) over closing, moving and reloading the window. */
import type * as vscode from "vscode";
import type { ViewState } from "../protocol/inspect";

const KEY = "weightLoupe.viewStates";
/** The documents looked at longest ago are forgotten beyond this many. */
const LIMIT = 200;

export class ViewStates {
  constructor(private readonly storage: vscode.Memento) {}

  /** The state last kept for a document, or an empty one. */
  recall(document: vscode.Uri): ViewState {
    return this.entries().find(([key]) => key === document.toString())?.[1] ?? {};
  }

  async remember(document: vscode.Uri, state: ViewState): Promise<void> {
    const key = document.toString();
    await this.storage.update(KEY, [[key, state] as const, ...this.entries().filter(([other]) => other !== key)].slice(0, LIMIT));
  }

  private entries(): (readonly [string, ViewState])[] {
    const stored = this.storage.get<unknown>(KEY);
    return Array.isArray(stored) ? (stored as (readonly [string, ViewState])[]) : [];
  }
}
