/** NaN and infinities in what is merged: which model they come from, and whether they end the merge. */
import type { Engine } from "../../analysis/engine";
import { CheckpointError } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import type { MergePlan, PlannedTensor } from "../plan/plan";
import type { Place, Problem } from "../problem";
import type { Body } from "../recipe/recipe";

/** Looks at the values of the inputs, in the order of the sources, for what is not finite. */
async function nonFiniteSources(tensor: PlannedTensor, engine: Engine, signal?: AbortSignal): Promise<{ input: number; tensor: string; count: number }[]> {
  const found = [];
  for (const source of tensor.sources) {
    const { count, finite } = await engine.request("statistics", { tensor: await source.read(signal) }, signal === undefined ? {} : { signal });
    if (finite < count) found.push({ input: source.input, tensor: source.tensor, count: count - finite });
  }
  return found;
}

/** The recipe's policy ends the merge because of a NaN or an infinity. */
export class NonFinite extends CheckpointError {
  constructor(readonly problem: Problem, file: string) {
    super("malformed", problem.message, file, problem.tensor === undefined ? {} : { tensor: problem.tensor });
  }
}

/** @throws NonFinite when an input of `tensor` has a value that is not finite. */
export async function refuseNonFinite(plan: MergePlan, tensor: PlannedTensor, engine: Engine, signal: AbortSignal): Promise<void> {
  const [first] = await nonFiniteSources(tensor, engine, signal);
  if (first === undefined) return;
  const { label, path } = plan.inputs[first.input]!;
  throw new NonFinite({ severity: "error", code: "non-finite", message: `${label} has ${values(first.count)} in ${quote(first.tensor)}, and non_finite: error ends the merge there`, at: placeOf(plan, label), tensor: first.tensor }, path);
}

/** @throws NonFinite when there is a result with values that are not finite, which no input has. */
export function refuseResult(plan: MergePlan, [first]: readonly { tensor: PlannedTensor; count: number }[]): void {
  if (first === undefined) return;
  const { tensor, count } = first;
  throw new NonFinite({ severity: "error", code: "non-finite", message: `${quote(tensor.name)} has ${values(count)} in the result, and non_finite: error ends the merge there`, at: plan.document.nonFinite?.at ?? plan.document.at, tensor: tensor.name }, "");
}

/** A warning for each input whose values are not finite where the result's are not; and one where only the result's are not. */
export async function nonFiniteProblems(plan: MergePlan, tensors: readonly { tensor: PlannedTensor; count: number }[], engine: Engine, signal?: AbortSignal): Promise<Problem[]> {
  const byInput = new Map<number, { tensor: string; count: number; others: number }>();
  const own: { tensor: PlannedTensor; count: number }[] = [];
  for (const result of tensors) {
    const sources = await nonFiniteSources(result.tensor, engine, signal);
    if (sources.length === 0) own.push(result);
    for (const { input, tensor, count } of sources) {
      const known = byInput.get(input);
      if (known === undefined) byInput.set(input, { tensor, count, others: 0 });
      else known.others++;
    }
  }
  const problems = [...byInput].map(([input, { tensor, count, others }]): Problem => {
    const { label } = plan.inputs[input]!;
    const more = others === 0 ? "" : `, and in ${grouped(others)} other ${others === 1 ? "tensor" : "tensors"}`;
    return { severity: "warning", code: "non-finite", message: `${label} has ${values(count)} in ${quote(tensor)}${more}, and so has the result; non_finite: error would have ended the merge.`, at: placeOf(plan, label), tensor };
  });
  const [first] = own;
  if (first !== undefined) {
    const others = own.length === 1 ? "" : `, and ${grouped(own.length - 1)} other tensors too,`;
    problems.push({ severity: "warning", code: "non-finite", message: `${quote(first.tensor.name)}${others} has ${values(first.count)} in the result where all inputs are finite: its parameters, or the range of ${first.tensor.dtype}, are the cause.`, at: plan.document.method?.at ?? plan.document.at, tensor: first.tensor.name });
  }
  return problems;
}

function values(count: number): string {
  return count === 1 ? "a value that is not finite" : `${grouped(count)} values that are not finite`;
}

/** Where the recipe names the model; else the document's start. */
function placeOf({ document }: MergePlan, label: string): Place {
  const inputs = (body: Body): { label: string; at: Place }[] => {
    switch (body.form) {
      case "models":
        return body.inputs.map(({ model }) => ({ label: model.value.path, at: model.at }));
      case "slices":
        return body.slices.flatMap(({ sources }) => sources.map(({ model }) => ({ label: model.value.path, at: model.at })));
      case "modules":
        return body.modules.flatMap((module) => inputs(module.body));
    }
  };
  const named = [...(document.body === null ? [] : inputs(document.body)), ...(document.base === null ? [] : [{ label: document.base.value.path, at: document.base.at }])];
  return (named.find((each) => each.label === label) ?? named.find((each) => label.startsWith(each.label)))?.at ?? document.at;
}
