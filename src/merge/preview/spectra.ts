/** Spectra of a merged tensor beside those of its inputs: whether rank collapses. */
import { spectrumJob } from "../../analysis/jobs";
import type { Engine } from "../../analysis/engine";
import { flattened } from "../../analysis/matrix-view";
import { CheckpointError } from "../../checkpoint/checkpoint";
import type { Expression } from "../../engine/protocol";
import type { SpectrumMode } from "../../protocol/inspect";
import type { PreviewSpectra } from "../../protocol/merge";
import type { MergePlan, PlannedTensor } from "../plan/plan";

/** Up to this shorter side all singular values are computed, beyond it the largest `TOP`. */
const WHOLE = 1100;
const TOP = 64;

/**
 * One after the other, so that each has all cores.
 * @param of The weights, or their changes from the base where there is one.
 * @throws CheckpointError when the tensor is no matrix.
 */
export async function mergeSpectra(plan: Pick<MergePlan, "inputs" | "method">, tensor: PlannedTensor, methods: readonly string[], of: PreviewSpectra["of"], engine: Engine, signal?: AbortSignal): Promise<PreviewSpectra> {
  const matrix = flattened(tensor.shape);
  if (matrix === null || matrix.rows * matrix.columns === 0) throw new CheckpointError("usage", "it has fewer than two axes: singular values are of matrices", "", { tensor: tensor.name });
  const mode: SpectrumMode = Math.min(matrix.rows, matrix.columns) <= WHOLE ? "fast" : `top:${TOP}`;
  const baseSource = tensor.sources.find(({ input }) => plan.inputs[input]?.base === true);
  const base = of === "changes" ? await baseSource?.read(signal) : undefined;
  const curves: PreviewSpectra["curves"] = [];
  const add = async (label: string, method: string | null, value: Expression | undefined): Promise<void> => {
    if (value === undefined) return;
    const changed: Expression = base === undefined ? value : { kind: "combination", of: [value, base], coefficients: [1, -1] };
    const { params } = spectrumJob(changed, mode);
    curves.push({ label, method, spectrum: await engine.request("spectrum", params, signal === undefined ? {} : { signal }) });
  };
  await add(plan.method, plan.method, await tensor.read(signal));
  for (const method of methods) {
    // The preview's list says why a method cannot be computed here.
    const value = await tensor.readBy?.(method, signal).catch(() => undefined);
    await add(method, method, value);
  }
  for (const source of tensor.sources) {
    if (base !== undefined && source === baseSource) continue;
    await add(plan.inputs[source.input]!.label, null, await source.read(signal));
  }
  return { name: tensor.name, of: base === undefined ? "weights" : "changes", curves };
}
