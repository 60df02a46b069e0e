/** How fast work goes, over the last few seconds. */

const BUCKET_MS = 250;
const BUCKETS = 20;

/** A sliding window of five seconds over finished work, in buckets of a quarter second. Times in milliseconds. */
export class Rate {
  readonly #bytes = new Float64Array(BUCKETS);
  readonly #work = new Float64Array(BUCKETS);
  readonly #start: number;
  /** Number of the newest bucket since the start. */
  #newest = 0;

  constructor(now = performance.now()) {
    this.#start = now;
  }

  /** Records finished work: bytes scanned, and cost in any unit. */
  add(bytes: number, work: number, now = performance.now()): void {
    const bucket = this.#advance(now) % BUCKETS;
    this.#bytes[bucket]! += bytes;
    this.#work[bucket]! += work;
  }

  /** Bytes and work per second over the window, or since the start if that is less. */
  perSecond(now = performance.now()): { bytes: number; work: number } {
    const newest = this.#advance(now);
    const from = Math.max(this.#start, this.#start + (newest - BUCKETS + 1) * BUCKET_MS);
    const seconds = Math.max(now - from, 1) / 1000;
    const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
    return { bytes: sum(this.#bytes) / seconds, work: sum(this.#work) / seconds };
  }

  #advance(now: number): number {
    const bucket = Math.floor((now - this.#start) / BUCKET_MS);
    for (let old = Math.max(this.#newest + 1, bucket - BUCKETS + 1); old <= bucket; old++) {
      this.#bytes[old % BUCKETS] = 0;
      this.#work[old % BUCKETS] = 0;
    }
    this.#newest = Math.max(this.#newest, bucket);
    return this.#newest;
  }
}
