/** What each document's view keeps (selection, filter, axes) over closing, moving and reloading the window. */
import type * as vscode from "vscode";

/** The documents looked at longest ago are forgotten beyond this many. */
const LIMIT = 200;

export class ViewStates<State extends object> {
  /** @param key under which all of them are kept. */
  constructor(private readonly storage: vscode.Memento, private readonly key: string) {}

  /** The state last kept for a document (a URI; both, for a pair), or an empty one. */
  recall(document: string): Partial<State> {
    return this.entries().find(([key]) => key === document)?.[1] ?? {};
  }

  async remember(document: string, state: State): Promise<void> {
    await this.storage.update(this.key, [[document, state] as const, ...this.entries().filter(([other]) => other !== document)].slice(0, LIMIT));
  }

  private entries(): (readonly [string, State])[] {
    const stored = this.storage.get<unknown>(this.key);
    return Array.isArray(stored) ? (stored as (readonly [string, State])[]) : [];
  }
}
