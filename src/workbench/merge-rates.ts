/** How fast merges were on this machine: what estimates go by, once there is something to go by. */
import type * as vscode from "vscode";

const KEY = "weightLoupe.mergeRates";
/** Of less, starting takes most of the time. */
const LEAST_BYTES = 256e6;

export class MergeRates {
  constructor(private readonly memento: vscode.Memento) {}

  /** Bytes of inputs and output in a second, of the method's last merge; undefined when there was none. */
  of(method: string): number | undefined {
    const rate = this.#all()[method];
    return typeof rate === "number" && rate > 0 ? rate : undefined;
  }

  /** @param bytes that a merge read and wrote in `seconds`. */
  async add(method: string, bytes: number, seconds: number): Promise<void> {
    if (bytes < LEAST_BYTES || seconds <= 0) return;
    await this.memento.update(KEY, { ...this.#all(), [method]: Math.round(bytes / seconds) });
  }

  #all(): Record<string, unknown> {
    const stored = this.memento.get<unknown>(KEY);
    return typeof stored === "object" && stored !== null ? (stored as Record<string, unknown>) : {};
  }
}
