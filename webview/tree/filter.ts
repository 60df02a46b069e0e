/** What was typed into a filter, applied a moment later, as a pattern. */
import { computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { compilePattern, type Pattern } from "../../src/checkpoint/pattern";

export interface Filter {
  readonly typed: Signal<string>;
  /** Null for no filter, and while the text is not a valid pattern. */
  readonly pattern: ReadonlySignal<Pattern | null>;
  /** Why the text is no pattern. */
  readonly error: ReadonlySignal<string | null>;
}

/** From this many tensors on, typing waits for a pause. */
const MANY = 20_000;
const PAUSE_MS = 120;

/** @param count How many names are filtered. @param onApply Called when another text counts from now on. */
export function createFilter(typed: Signal<string>, count: () => number, onApply: () => void): Filter {
  const applied = signal("");
  let timer: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    const text = typed.value.trim();
    clearTimeout(timer);
    const apply = (): void => {
      if (applied.peek() === text) return;
      applied.value = text;
      onApply();
    };
    if (count() < MANY) apply();
    else timer = setTimeout(apply, PAUSE_MS);
  });
  const compiled = computed<{ pattern: Pattern | null; error: string | null }>(() => {
    if (applied.value === "") return { pattern: null, error: null };
    try {
      return { pattern: compilePattern(applied.value, "part"), error: null };
    } catch (error) {
      return { pattern: null, error: error instanceof Error ? error.message : String(error) };
    }
  });
  return { typed, pattern: computed(() => compiled.value.pattern), error: computed(() => compiled.value.error) };
}
