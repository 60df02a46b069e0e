/** Doing jobs: from the cache, from the same job already under way, or from the engine. */
import { stat } from "node:fs/promises";
import type { CheckpointFile } from "../checkpoint/checkpoint";
import type { Progress } from "../engine/protocol";
import type { ResultCache } from "./cache";
import { Coalescer } from "./coalesce";
import type { Engine } from "./engine";
import { jobKey, type Job, type JobMethod, type JobResult } from "./jobs";

export interface Answer<T> {
  value: T;
  fromCache: boolean;
  /** How long the engine took, when it was asked. */
  seconds: number;
}

export class Compute {
  readonly #coalescer = new Coalescer();

  constructor(
    private readonly engine: Engine,
    private readonly cache: ResultCache | undefined,
  ) {}

  /**
   * The answer to `job` about tensors of `files`, which are all that it reads. Answers are kept in the cache, unless a file
   * changed meanwhile: then nobody knows which version they belong to.
   * @throws what the engine throws.
   */
  async run<M extends JobMethod>(job: Job<M>, files: CheckpointFile | readonly CheckpointFile[], signal?: AbortSignal, onProgress?: (progress: Progress) => void): Promise<Answer<JobResult<M>>> {
    const all = "path" in files ? [files] : files;
    const paths = all.map(({ path }) => path);
    const key = jobKey(job, ...paths);
    const kept = this.cache === undefined ? undefined : await this.cache.of(...all);
    const known = kept?.get(key);
    if (known !== undefined) return { value: known.value as JobResult<M>, fromCache: true, seconds: known.seconds };
    return this.#coalescer.share(`${paths.join(" ")} ${key}`, signal, async (shared) => {
      const start = performance.now();
      const value = await this.engine.request(job.method, job.params, { signal: shared, ...(onProgress === undefined ? {} : { onProgress }) });
      const seconds = (performance.now() - start) / 1000;
      if (kept !== undefined && (await Promise.all(all.map(unchanged))).every(Boolean)) kept.put(key, value, seconds);
      return { value, fromCache: false, seconds };
    });
  }
}

/** Whether a file is still the version that was opened. */
export async function unchanged(file: CheckpointFile): Promise<boolean> {
  const now = await stat(file.path).catch(() => undefined);
  return now !== undefined && now.size === file.bytes && now.mtimeMs === file.modified;
}
