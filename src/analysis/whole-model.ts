/** Analysing every tensor of a model: cheapest useful part first, suspects first within a part. */
import type { Tensor } from "../checkpoint/checkpoint";
import type { AnalysisPart, AnalysisProgress, SpectrumMode } from "../protocol/inspect";
import { applies, cost } from "./jobs";
import { Rate } from "./rate";

export interface Task {
  part: AnalysisPart;
  /** Index into the checkpoint's tensors. */
  tensor: number;
}

export interface WholeModelOptions {
  tensors: readonly Tensor[];
  /** Indices to analyse. */
  selection: readonly number[];
  parts: readonly AnalysisPart[];
  mode: SpectrumMode;
  /** Tasks under way at a time; the engine orders them among its threads. */
  concurrency: number;
  signal: AbortSignal;
  /**
   * Does one task; keeps its result. Says whether the answer was known already.
   * @param onShare told how much of a long task is done, from 0 to 1; undefined for short ones.
   */
  run(task: Task, onShare: ((share: number) => void) | undefined): Promise<{ fromCache: boolean }>;
  /** How bad the statistics of a tensor look; 0 for nothing found. Asked when the statistics are done. */
  suspicion(tensor: number): number;
  /** Called at most ten times a second while tasks end, and at the end. */
  onProgress(progress: AnalysisProgress): void;
  /** Called with the reason when a task failed. */
  onFailed(task: Task, message: string): void;
}

export interface WholeModelResult {
  /** Tasks. */
  done: number;
  failed: { tensor: number; part: AnalysisPart; message: string }[];
  cancelled: boolean;
}

/** Reports closer together than this are left out, but for the last. */
const REPORT_MS = 100;
/** Tasks expected to take longer tell how far they are. Seconds, as `cost` counts them. */
const LONG = 0.2;
const ORDER: readonly AnalysisPart[] = ["statistics", "norms", "spectrum"];

/**
 * Runs all tasks. Statistics go in file order, since they read everything; norms and spectra go worst first by what the
 * statistics raised, then cheapest first. A task that fails is listed and the rest go on.
 */
export async function analyseWholeModel(options: WholeModelOptions): Promise<WholeModelResult> {
  const { tensors, selection, mode, signal } = options;
  const phases = ORDER.filter((part) => options.parts.includes(part)).map((part) =>
    selection.filter((tensor) => applies(part, tensors[tensor]!)).map((tensor): Task => ({ part, tensor })),
  );
  const total = phases.reduce((sum, phase) => sum + phase.length, 0);
  let left = phases.flat().reduce((sum, { part, tensor }) => sum + cost(part, tensors[tensor]!, mode), 0);
  const rate = new Rate();
  const failed: WholeModelResult["failed"] = [];
  const current = new Set<number>();
  let done = 0;
  let reported = -Infinity;

  const report = (running: boolean): void => {
    const now = performance.now();
    if (running && now - reported < REPORT_MS) return;
    reported = now;
    const { bytes, work } = rate.perSecond();
    const under = current.values().next();
    options.onProgress({
      running,
      done,
      total,
      bytesPerSecond: bytes,
      secondsLeft: work > 0 ? Math.max(left, 0) / work : null,
      ...(under.done ? {} : { current: tensors[under.value]!.name }),
      failed: failed.map(({ tensor, message }) => ({ tensor, message })),
    });
  };

  const runTask = async (task: Task): Promise<void> => {
    const tensor = tensors[task.tensor]!;
    const work = cost(task.part, tensor, mode);
    current.add(task.tensor);
    let fromCache = false;
    let told = 0;
    const advance = (share: number): void => {
      const step = Math.max(0, Math.min(share, 1) - told);
      told += step;
      left -= step * work;
      rate.add(step * tensor.bytes, step * work);
      report(true);
    };
    try {
      ({ fromCache } = await options.run(task, work > LONG ? advance : undefined));
    } catch (error) {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      failed.push({ ...task, message });
      options.onFailed(task, message);
    } finally {
      current.delete(task.tensor);
    }
    done++;
    // What was known already says nothing about the speed of the rest.
    if (fromCache) left -= work;
    else advance(1);
    report(true);
  };

  for (const phase of phases) {
    if (signal.aborted) break;
    if (phase.length > 0 && phase[0]!.part !== "statistics") sortWorstFirst(phase, options);
    report(true);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < phase.length && !signal.aborted) await runTask(phase[next++]!);
    };
    await Promise.all(Array.from({ length: Math.min(options.concurrency, phase.length) }, worker));
  }
  report(false);
  return { done, failed, cancelled: signal.aborted };
}

function sortWorstFirst(phase: Task[], { tensors, mode, suspicion }: WholeModelOptions): void {
  const keyed = phase.map((task) => ({ task, suspicion: suspicion(task.tensor), cost: cost(task.part, tensors[task.tensor]!, mode) }));
  keyed.sort((a, b) => b.suspicion - a.suspicion || a.cost - b.cost);
  keyed.forEach(({ task }, i) => (phase[i] = task));
}
