/** Work on many things, some at a time. */

/** Requests under way: the small ones take one thread each. */
const CONCURRENCY = 8;

/** What `work` makes of each item, in their order; stops at the first failure and when aborted. */
export async function inParallel<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>, signal?: AbortSignal): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      signal?.throwIfAborted();
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  return results;
}
