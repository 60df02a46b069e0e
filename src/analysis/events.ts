/** Typed events for several listeners. */

/** Methods are the events' names, their argument the event. */
export class Events<E extends { [K in keyof E]: (argument: never) => void }> {
  readonly #listeners = new Set<Partial<E>>();

  /** Adds a listener; returns its removal. */
  on(listener: Partial<E>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether anyone would hear it. */
  heard(event: keyof E): boolean {
    return [...this.#listeners].some((listener) => listener[event] !== undefined);
  }

  emit<K extends keyof E>(event: K, argument: Parameters<E[K]>[0]): void {
    for (const listener of [...this.#listeners]) (listener[event] as ((argument: Parameters<E[K]>[0]) => void) | undefined)?.(argument);
  }
}
