/** What is known of a merge before anything is written, in the shape of the command line's output. */
import type { Preflight } from "../../protocol/results";
import type { MergePlan } from "../plan/plan";
import type { Problem } from "../problem";

/** @param files names in the output folder; null while they are not known, when there are errors. */
export function preflight(problems: readonly Problem[], plan: MergePlan | null, files: readonly string[] | null): Preflight {
  const ok = !problems.some(({ severity }) => severity === "error");
  const estimate = plan?.estimate ?? null;
  return {
    ok,
    problems: problems.map(reported),
    plan: !ok || plan === null || estimate === null || files === null ? null : { method: plan.method, tensors: plan.tensors.length, ...estimate, files: [...files] },
  };
}

function reported({ severity, code, message, at, tensor }: Problem): Preflight["problems"][number] {
  return { severity, code, message, line: at.line, column: at.column, ...(tensor === undefined ? {} : { tensor }) };
}
