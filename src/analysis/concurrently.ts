/** Work on many items, a few at a time. */

/**
 * What `work` answers for each item, in the items' order. When one fails, no other is begun and its reason is thrown.
 * @param most under way at a time.
 */
export async function concurrently<T, R>(items: readonly T[], most: number, work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
}

/**
 * Work that is worth something only when all of it succeeds: the first failure, or `signal`, ends what is under way by the signal it is given.
 * @throws the first failure; the signal's reason when it was aborted.
 */
export async function allOrNothing<T>(items: readonly T[], most: number, work: (item: T, signal: AbortSignal) => Promise<void>, signal?: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const scope = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      try {
        scope.throwIfAborted();
        await work(items[next++]!, scope);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }
  };
  await Promise.allSettled(Array.from({ length: Math.min(most, items.length) }, worker));
  signal?.throwIfAborted();
  // What else failed did so because of it.
  if (stop.signal.aborted) throw stop.signal.reason;
}
