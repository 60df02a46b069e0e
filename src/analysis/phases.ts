/** Many tasks, phase by phase, a few at a time: with progress, rate, time left, and a list of what failed. */
import type { AnalysisProgress } from "../protocol/inspect";
import { Rate } from "./rate";

export interface Phase<T> {
  tasks: readonly T[];
  /** Asked when the phase begins: those of them that are still to be done, in their order. Default: all as they stand. */
  ordered?(): readonly T[];
}

/** What a task is, for progress. `work`: seconds of one core that it is expected to take; only ratios matter. */
export interface TaskFacts {
  /** Of the tensor. */
  name: string;
  index: number;
  bytes: number;
  work: number;
}

export interface PhasesOptions<T> {
  phases: readonly Phase<T>[];
  facts(task: T): TaskFacts;
  /** Tasks under way at a time; the engine orders them among its threads. */
  concurrency: number;
  signal: AbortSignal;
  /**
   * Does one task; keeps its result. Says whether the answer was known already.
   * @param onShare told how much of a long task is done, from 0 to 1; undefined for short ones.
   */
  run(task: T, onShare: ((share: number) => void) | undefined): Promise<{ fromCache: boolean }>;
  /** Called at most ten times a second while tasks end, and at the end. */
  onProgress(progress: AnalysisProgress): void;
  /** Called with the reason when a task failed. */
  onFailed(task: T, message: string): void;
}

export interface PhasesResult<T> {
  /** Tasks. */
  done: number;
  failed: { task: T; message: string }[];
  cancelled: boolean;
}

/** Reports closer together than this are left out, but for the last. */
const REPORT_MS = 100;
/** Tasks expected to take longer tell how far they are. Seconds, as `work` counts them. */
const LONG = 0.2;

/** Runs all tasks; one phase ends before the next begins. A task that fails is listed and the rest go on. */
export async function runPhases<T>({ phases, facts, concurrency, signal, run, onProgress, onFailed }: PhasesOptions<T>): Promise<PhasesResult<T>> {
  const workOf = (tasks: readonly T[]): number => tasks.reduce((sum, task) => sum + facts(task).work, 0);
  let total = phases.reduce((sum, { tasks }) => sum + tasks.length, 0);
  let left = phases.reduce((sum, { tasks }) => sum + workOf(tasks), 0);
  const rate = new Rate();
  const failed: PhasesResult<T>["failed"] = [];
  const failures: AnalysisProgress["failed"] = [];
  const current = new Set<string>();
  let done = 0;
  let reported = -Infinity;

  const report = (running: boolean): void => {
    const now = performance.now();
    if (running && now - reported < REPORT_MS) return;
    reported = now;
    const { bytes, work } = rate.perSecond();
    const under = current.values().next();
    onProgress({
      running,
      done,
      total,
      bytesPerSecond: bytes,
      secondsLeft: work > 0 ? Math.max(left, 0) / work : null,
      ...(under.done ? {} : { current: under.value }),
      failed: [...failures],
    });
  };

  const runTask = async (task: T): Promise<void> => {
    const { name, index, bytes, work } = facts(task);
    current.add(name);
    let fromCache = false;
    let told = 0;
    const advance = (share: number): void => {
      const step = Math.max(0, Math.min(share, 1) - told);
      told += step;
      left -= step * work;
      rate.add(step * bytes, step * work);
      report(true);
    };
    try {
      ({ fromCache } = await run(task, work > LONG ? advance : undefined));
    } catch (error) {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      failed.push({ task, message });
      failures.push({ tensor: index, message });
      onFailed(task, message);
    } finally {
      current.delete(name);
    }
    done++;
    // What was known already says nothing about the speed of the rest.
    if (fromCache) left -= work;
    else advance(1);
    report(true);
  };

  for (const { tasks, ordered } of phases) {
    if (signal.aborted) break;
    const queue = ordered?.() ?? tasks;
    if (queue.length !== tasks.length) {
      total += queue.length - tasks.length;
      left += workOf(queue) - workOf(tasks);
    }
    report(true);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < queue.length && !signal.aborted) await runTask(queue[next++]!);
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, queue.length) }, worker));
  }
  report(false);
  return { done, failed, cancelled: signal.aborted };
}
