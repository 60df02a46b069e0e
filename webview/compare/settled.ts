/** Results as the order of rows follows them: in steps, and not while somebody points at the rows. */
import { effect, signal, untracked, type ReadonlySignal, type Signal } from "@preact/signals";
import type { AnalysisProgress } from "../../src/protocol/inspect";

/** While numbers stream in, rows take a new order at most this often. */
const STEP_MS = 1500;

export interface Settled<T> {
  readonly results: ReadonlySignal<T>;
  /** True while the pointer or the focus is on the rows. */
  readonly held: Signal<boolean>;
  /** Takes up all that is known, at once. */
  now(): void;
  dispose(): void;
}

export function createSettled<T>(results: ReadonlySignal<T>, progress: ReadonlySignal<AnalysisProgress | null>): Settled<T> {
  const settled = signal(results.peek());
  const held = signal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const take = (): void => {
    clearTimeout(timer);
    timer = undefined;
    settled.value = results.peek();
  };
  const stop = effect(() => {
    void results.value;
    const running = progress.value?.running === true;
    const still = held.value;
    untracked(() => {
      if (settled.peek() === results.peek()) return;
      // What a page asked for itself, and the end of a run, count at once.
      if (!running) take();
      else if (!still) timer ??= setTimeout(() => { if (held.peek()) timer = undefined; else take(); }, STEP_MS);
    });
  });
  return { results: settled, held, now: take, dispose() { stop(); clearTimeout(timer); } };
}
