/** One computation for callers that ask for the same thing at the same time. */

interface Flight<T> {
  result: Promise<T>;
  waiting: number;
  controller: AbortController;
}

/**
 * Shares computations in flight by key. A caller that aborts leaves at once; the computation itself is aborted when the
 * last of its callers has left.
 */
export class Coalescer {
  readonly #flights = new Map<string, Flight<unknown>>();

  /** The result of the computation in flight under `key`, started by `start` if there is none. */
  async share<T>(key: string, signal: AbortSignal | undefined, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    let flight = this.#flights.get(key) as Flight<T> | undefined;
    if (flight === undefined) {
      const controller = new AbortController();
      const created: Flight<T> = { result: start(controller.signal), waiting: 0, controller };
      const forget = (): void => {
        if (this.#flights.get(key) === created) this.#flights.delete(key);
      };
      created.result.then(forget, forget);
      this.#flights.set(key, created);
      flight = created;
    }
    const { result, controller } = flight;
    flight.waiting++;
    const leave = (): void => {
      if (--flight.waiting > 0) return;
      // Those who ask from now on need a computation that is not being aborted.
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
      controller.abort();
    };
    if (signal === undefined) return result;
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => {
        leave();
        reject(signal.reason instanceof Error ? signal.reason : new DOMException("Cancelled.", "AbortError"));
      };
      signal.addEventListener("abort", abort, { once: true });
      result.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    });
  }
}
