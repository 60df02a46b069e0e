/** Small state of pages that survives a reload of the window: signals by key, over what was stored before. */
import { signal, type Signal } from "@preact/signals";

export class PageStates {
  readonly #pages = new Map<string, Signal<unknown>>();
  /** How many there are: what keeps the state must notice those that come later. */
  readonly #count = signal(0);
  /** From the last session, by keys that no page has asked for yet. */
  #stored: Record<string, unknown> = {};

  /** The state of that key; made at the first call. */
  of<T>(key: string, initial: T): Signal<T> {
    let state = this.#pages.get(key);
    if (state === undefined) {
      this.#pages.set(key, (state = signal<unknown>(Object.hasOwn(this.#stored, key) ? this.#stored[key] : initial)));
      this.#count.value = this.#pages.size;
    }
    return state as Signal<T>;
  }

  /** All of it, followed by whoever reads it inside an effect. */
  values(): Record<string, unknown> {
    void this.#count.value;
    return { ...this.#stored, ...Object.fromEntries([...this.#pages].map(([key, page]) => [key, page.value])) };
  }

  /** Puts back what an earlier `values` answered; `undefined` counts as absent. */
  restore(values: Record<string, unknown>): void {
    this.#stored = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
    for (const [key, page] of this.#pages) if (Object.hasOwn(this.#stored, key)) page.value = this.#stored[key];
  }
}
