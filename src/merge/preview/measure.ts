/** What a merge would do to tensors, measured without writing any: the plan's expressions go through the engine's requests. */
import type { Engine } from "../../analysis/engine";
import { leastSquares } from "../../analysis/least-squares";
import { concurrently } from "../../analysis/concurrently";
import { MOST_RELATED } from "../../analysis/relations";
import { kindOf } from "../../checkpoint/structure";
import type { Expression, RelationsResult } from "../../engine/protocol";
import type { MergePreview, PreviewedResult, PreviewedTensor } from "../../protocol/merge";
import { toNumber } from "../../protocol/results";
import type { MergePlan, PlannedTensor } from "../plan/plan";

/** Tensors under way: the engine reads each on all cores. */
const CONCURRENCY = 2;

export interface PreviewOptions {
  plan: Pick<MergePlan, "inputs" | "method">;
  tensors: readonly PlannedTensor[];
  /** Further methods beside the plan's own. */
  methods: readonly string[];
  space: MergePreview["space"];
  /** How the tensors were chosen, for the answer: null for a sample. */
  pattern: string | null;
  engine: Engine;
  signal?: AbortSignal;
  onMeasured?(tensor: PreviewedTensor | null, name: string, elements: number): void;
}

/**
 * Norms, cosines, sign conflicts, what is kept of each input and how the result combines them, tensor by tensor. A tensor that cannot be
 * computed is listed with the reason, and the others are measured.
 * @throws EngineError with the code `"cancelled"`, or the signal's reason, when aborted.
 */
export async function measureMerge({ plan, tensors, methods, space, pattern, engine, signal, onMeasured }: PreviewOptions): Promise<MergePreview> {
  const failed: MergePreview["failed"] = [];
  let how = "";
  const measured = await concurrently(tensors, CONCURRENCY, async (tensor) => {
    signal?.throwIfAborted();
    try {
      const { value, method, failed: others } = await measureTensor(tensor, plan, methods, space, engine, signal);
      how = method;
      failed.push(...others.map((other) => ({ name: tensor.name, message: `${other.method}: ${other.message}` })));
      onMeasured?.(value, tensor.name, value.parameters);
      return value;
    } catch (error) {
      if (signal?.aborted === true || (error as { code?: unknown }).code === "cancelled") throw error;
      failed.push({ name: tensor.name, message: error instanceof Error ? error.message : String(error) });
      onMeasured?.(null, tensor.name, 0);
      return null;
    }
  });
  return {
    methods: [plan.method, ...methods], inputs: plan.inputs.map(({ label }) => label), space,
    tensors: measured.filter((tensor) => tensor !== null), failed, pattern, how,
  };
}

interface Measured {
  value: PreviewedTensor;
  method: string;
  /** Other methods that could not be computed here. */
  failed: { method: string; message: string }[];
}

async function measureTensor(tensor: PlannedTensor, plan: PreviewOptions["plan"], methods: readonly string[], space: MergePreview["space"], engine: Engine, signal?: AbortSignal): Promise<Measured> {
  const options = signal === undefined ? {} : { signal };
  const baseSource = space === "task vector" ? tensor.sources.find(({ input }) => plan.inputs[input]?.base === true) : undefined;
  const sources = tensor.sources.filter((source) => source !== baseSource);
  if (sources.length >= MOST_RELATED) throw new Error(`a preview takes up to ${MOST_RELATED - 1} models, and here are ${sources.length}`);
  const base = await baseSource?.read(signal);
  const values = await Promise.all(sources.map((source) => source.read(signal)));
  const against = base === undefined ? {} : { base };
  const relate = (tensors: Expression[]): Promise<RelationsResult> => engine.request("relations", { tensors, ...against }, options);
  const own = await relate([...values, await tensor.read(signal)]);
  const indices = values.map((_, i) => i);
  const resultIn = (related: RelationsResult): PreviewedResult => resultOf(related, indices, values.length, base !== undefined);
  const results: (PreviewedResult | null)[] = [resultIn(own)];
  const failed: Measured["failed"] = [];
  // Each by itself: one that has no meaning here takes nothing from the others.
  for (const method of methods) {
    try {
      const result = await tensor.readBy?.(method, signal);
      results.push(result === undefined ? null : resultIn(await relate([...values, result])));
    } catch (error) {
      if (signal?.aborted === true || (error as { code?: unknown }).code === "cancelled") throw error;
      results.push(null);
      failed.push({ method, message: error instanceof Error ? error.message : String(error) });
    }
  }
  // Signs among the inputs alone: with the result among them a merge would agree with itself.
  const inputs = values.length > 2 ? await relate(values) : undefined;
  const baseNorm = base === undefined ? null : toNumber((await engine.request("relations", { tensors: [base] }, options)).gram[0]![0]!) ** 0.5;
  const { name, layer, shape } = tensor;
  return {
    method: `${own.how.method} · ${own.how.precision} · ${own.how.backend}`,
    failed,
    value: {
      name, layer, kind: kindOf(name, shape), shape: [...shape], parameters: own.count,
      inputs: sources.map(({ input }) => input),
      norms: indices.map((i) => norm(own, i)),
      baseNorm,
      signConflict: inputs !== undefined ? share(inputs.signs[1], inputs.signs[0] + inputs.signs[1]) : values.length === 2 ? share(own.conflicts[0]![1]!, own.bothChanged[0]![1]!) : null,
      cosines: indices.map((i) => indices.map((j) => cosine(own, i, j))),
      results,
    },
  };
}

function resultOf(all: RelationsResult, inputs: readonly number[], at: number, changes: boolean): PreviewedResult {
  const gram = (i: number, j: number): number => toNumber(all.gram[i]![j]!);
  const right = inputs.map((i) => gram(i, at));
  const { coefficients } = leastSquares(inputs.map((i) => inputs.map((j) => gram(i, j))), right);
  const square = gram(at, at);
  const fitted = coefficients.reduce((sum, x, i) => sum + 2 * x * right[i]! - x * coefficients.reduce((inner, y, j) => inner + y * gram(inputs[i]!, inputs[j]!), 0), 0);
  return {
    norm: norm(all, at),
    cosine: inputs.map((i) => cosine(all, i, at)),
    kept: inputs.map((i) => (changes ? share(all.bothChanged[i]![at]! - all.conflicts[i]![at]!, all.changed[i]!) : null)),
    coefficients,
    residual: square > 0 ? Math.sqrt(Math.max(0, square - fitted) / square) : null,
  };
}

function norm({ gram }: RelationsResult, i: number): number {
  return Math.sqrt(toNumber(gram[i]![i]!));
}

function cosine(result: RelationsResult, i: number, j: number): number | null {
  const lengths = norm(result, i) * norm(result, j);
  if (lengths === 0) return null;
  return i === j ? 1 : Math.max(-1, Math.min(1, toNumber(result.gram[i]![j]!) / lengths));
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
