/** Work that many events ask for and that is done once for all of them. */
export class Throttle {
  #timer: NodeJS.Timeout | undefined;
  #readyAt = 0;

  /** @param intervalMs least time between two runs; a run that takes long stretches it, so that at most a tenth of the time is spent in it. */
  constructor(
    private readonly intervalMs: number,
    private readonly work: () => void,
  ) {}

  /** Has the work done soon. */
  request(): void {
    this.#timer ??= setTimeout(() => this.flush(), Math.max(0, Math.min(this.#readyAt - performance.now(), 60_000)));
  }

  /** Does now what was requested; nothing if nothing was. */
  flush(): void {
    if (this.#timer === undefined) return;
    this.cancel();
    const start = performance.now();
    this.work();
    const end = performance.now();
    this.#readyAt = end + Math.max(this.intervalMs, 9 * (end - start));
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
