/** Analysing every tensor of a model: cheapest useful part first, suspects first within a part. */
import type { Tensor } from "../checkpoint/checkpoint";
import type { AnalysisPart, SpectrumMode } from "../protocol/inspect";
import { applies, cost } from "./jobs";
import { runPhases, type PhasesOptions } from "./phases";

export interface Task {
  part: AnalysisPart;
  /** Index into the checkpoint's tensors. */
  tensor: number;
}

export interface WholeModelOptions extends Pick<PhasesOptions<Task>, "concurrency" | "signal" | "run" | "onProgress" | "onFailed"> {
  tensors: readonly Tensor[];
  /** Indices to analyse. */
  selection: readonly number[];
  parts: readonly AnalysisPart[];
  mode: SpectrumMode;
  /** How bad the statistics of a tensor look; 0 for nothing found. Asked when the statistics are done. */
  suspicion(tensor: number): number;
}

export interface WholeModelResult {
  /** Tasks. */
  done: number;
  failed: { tensor: number; part: AnalysisPart; message: string }[];
  cancelled: boolean;
}

const ORDER: readonly AnalysisPart[] = ["statistics", "norms", "spectrum"];

/**
 * Runs all tasks. Statistics go in file order, since they read everything; norms and spectra go worst first by what the
 * statistics raised, then cheapest first. A task that fails is listed and the rest go on.
 */
export async function analyseWholeModel(options: WholeModelOptions): Promise<WholeModelResult> {
  const { tensors, selection, parts, mode } = options;
  const { done, failed, cancelled } = await runPhases({
    ...options,
    phases: ORDER.filter((part) => parts.includes(part)).map((part) => {
      const tasks = selection.filter((tensor) => applies(part, tensors[tensor]!)).map((tensor): Task => ({ part, tensor }));
      return part === "statistics" ? { tasks } : { tasks, ordered: () => worstFirst(tasks, options) };
    }),
    facts: ({ part, tensor }) => ({ name: tensors[tensor]!.name, index: tensor, bytes: tensors[tensor]!.bytes, work: cost(part, tensors[tensor]!, mode) }),
  });
  return { done, failed: failed.map(({ task, message }) => ({ ...task, message })), cancelled };
}

function worstFirst(tasks: readonly Task[], { tensors, mode, suspicion }: WholeModelOptions): Task[] {
  const keyed = tasks.map((task) => ({ task, suspicion: suspicion(task.tensor), cost: cost(task.part, tensors[task.tensor]!, mode) }));
  keyed.sort((a, b) => b.suspicion - a.suspicion || a.cost - b.cost);
  return keyed.map(({ task }) => task);
}
