/** Work in the engine on many things, some at a time. */
import { concurrently } from "./concurrently";

/** Requests under way: the small ones take one thread each. */
const CONCURRENCY = 8;

/** What `work` makes of each item, in their order; stops at the first failure and when aborted. */
export function inParallel<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>, signal?: AbortSignal): Promise<R[]> {
  return concurrently(items, CONCURRENCY, async (item, index) => {
    signal?.throwIfAborted();
    return work(item, index);
  });
}
