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
      const { value, method } = await measureTensor(tensor, plan, methods, space, engine, signal);
      how = method;
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

async function measureTensor(tensor: PlannedTensor, plan: PreviewOptions["plan"], methods: readonly string[], space: MergePreview["space"], engine: Engine, signal?: AbortSignal): Promise<{ value: PreviewedTensor; method: string }> {
  const options = signal === undefined ? {} : { signal };
  const baseSource = space === "task vector" ? tensor.sources.find(({ input }) => plan.inputs[input]?.base === true) : undefined;
  const sources = tensor.sources.filter((source) => source !== baseSource);
  const [base, ...inputs] = await Promise.all([baseSource?.read(signal), ...sources.map((source) => source.read(signal))]);
  const results = await Promise.all([tensor.read(signal), ...methods.map((method) => tensor.readBy?.(method, signal))]);
  const asked = results.filter((result): result is Expression => result !== undefined);
  const values = inputs.filter((input): input is Expression => input !== undefined);
  if (values.length + asked.length > MOST_RELATED) throw new Error(`A preview takes ${MOST_RELATED} tensors at a time: there are ${values.length} inputs and ${asked.length} methods.`);
  const against = base === undefined ? {} : { base };
  const all = await engine.request("relations", { tensors: [...values, ...asked], ...against }, options);
  // Signs among the inputs alone: with the results among them a merge would agree with itself.
  const own = values.length > 2 ? await engine.request("relations", { tensors: values, ...against }, options) : undefined;
  const baseNorm = base === undefined ? null : toNumber((await engine.request("relations", { tensors: [base] }, options)).gram[0]![0]!) ** 0.5;
  const indices = values.map((_, i) => i);
  let next = values.length;
  const { name, layer, shape } = tensor;
  return {
    method: `${all.how.method} · ${all.how.precision} · ${all.how.backend}`,
    value: {
      name, layer, kind: kindOf(name, shape), shape: [...shape], parameters: all.count,
      inputs: sources.map(({ input }) => input),
      norms: indices.map((i) => norm(all, i)),
      baseNorm,
      signConflict: own !== undefined ? share(own.signs[1], own.signs[0] + own.signs[1]) : values.length === 2 ? share(all.conflicts[0]![1]!, all.bothChanged[0]![1]!) : null,
      cosines: indices.map((i) => indices.map((j) => cosine(all, i, j))),
      results: results.map((result) => (result === undefined ? null : resultOf(all, indices, next++, base !== undefined))),
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
