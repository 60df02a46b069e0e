/** Waiting that ends when the caller no longer wants the answer. */
import { cancelled } from "./error";

/**
 * What `work` answers, unless `signal` aborts first: then `onAbort` is called and the wait ends.
 * @throws EngineError `"cancelled"`, or what `work` throws.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, onAbort?: () => void): Promise<T> {
  if (signal === undefined) return work;
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      onAbort?.();
      reject(cancelled());
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort!);
  }
}
