/** The parts of a tensor's analysis as engine requests, and what they cost. */
import type { Tensor } from "../checkpoint/checkpoint";
import { spooledName } from "../checkpoint/spool";
import type { Params } from "../engine/client";
import type { EngineRequests, Expression } from "../engine/protocol";
import type { AnalysisPart, SpectrumMode } from "../protocol/inspect";
import { flattened } from "./matrix-view";
import { isReadable } from "./readable";

/** The requests whose answers are worth keeping: small, and slow to make. */
export type JobMethod = "statistics" | "norms" | "spectrum" | "histogram" | "blockScales" | "hash" | "difference" | "subspaces";
export type JobResult<M extends JobMethod> = EngineRequests[M]["result"];

export interface Job<M extends JobMethod = JobMethod> {
  method: M;
  params: Params<M>;
}

export function statisticsJob(tensor: Expression): Job<"statistics"> {
  return { method: "statistics", params: { tensor } };
}

export function normsJob(tensor: Expression, points: number): Job<"norms"> {
  return { method: "norms", params: { tensor, points } };
}

export function spectrumJob(tensor: Expression, mode: SpectrumMode): Job<"spectrum"> {
  if (mode === "exact" || mode === "fast") return { method: "spectrum", params: { tensor, mode } };
  return { method: "spectrum", params: { tensor, mode: "top", k: Number(mode.slice("top:".length)) } };
}

export function histogramJob(params: Job<"histogram">["params"]): Job<"histogram"> {
  return { method: "histogram", params };
}

export function blockScalesJob(tensor: Expression): Job<"blockScales"> {
  return { method: "blockScales", params: { tensor } };
}

export function hashJob(tensor: Expression): Job<"hash"> {
  return { method: "hash", params: { tensor } };
}

/** `text` as a spectrum mode, null when it is none: `exact`, `fast`, or `top:K` with K from 1 to 4096. */
export function parseSpectrumMode(text: string): SpectrumMode | null {
  if (text === "exact" || text === "fast") return text;
  const match = /^top:([1-9]\d{0,3})$/.exec(text);
  return match !== null && Number(match[1]) <= 4096 ? `top:${Number(match[1])}` : null;
}

/**
 * What identifies a job's answer among those of the same files: everything but their paths. Decoded values lie in files
 * whose names say what they hold, in a folder that is another for each process.
 */
export function jobKey(job: Job, ...files: string[]): string {
  const short = (path: string): unknown => (files.length > 1 && files.includes(path) ? files.indexOf(path) : path === files[0] ? undefined : (spooledName(path) ?? path));
  const params = JSON.stringify(job.params, (key, value: unknown) => (key === "file" ? short(String(value)) : value));
  return `${job.method} ${params}`;
}

/** Whether `part` is defined for the tensor: norms and spectra need a matrix, all need decodable elements. */
export function applies(part: AnalysisPart, tensor: Tensor): boolean {
  if (!isReadable(tensor)) return false;
  if (part === "statistics") return true;
  return flattened(tensor.shape) !== null && tensor.parameters > 0;
}

/**
 * Expected work in seconds of one core. Only ratios matter: it orders work and weighs what is left. Scans run at memory
 * bandwidth; a full spectrum of m × n, m ≥ n, takes about 4·m·n² operations for the reduction to band form.
 */
export function cost(part: AnalysisPart, tensor: Pick<Tensor, "bytes" | "shape">, mode: SpectrumMode): number {
  const scan = tensor.bytes / 5e9 + 2e-5;
  if (part !== "spectrum") return scan;
  const matrix = flattened(tensor.shape);
  if (matrix === null) return 0;
  const short = Math.min(matrix.rows, matrix.columns);
  const passes = mode.startsWith("top:") ? Math.min(short, 4 * (Number(mode.slice(4)) + 8)) : short;
  const rate = mode === "exact" ? 2e10 : 4e10;
  return scan + (4 * matrix.rows * matrix.columns * passes) / rate;
}
