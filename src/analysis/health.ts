/**
 * Health: from results to findings. Pure: the same results give the same findings. Every rule has a stable id and a
 * paragraph in `docs/health.md`. A new rule about one tensor is an entry in `health/values.ts` or `health/matrices.ts`.
 */
import type { Tensor } from "../checkpoint/checkpoint";
import type { Finding, Severity } from "../protocol/results";
import { finding, grouped, type TensorFacts } from "./health/facts";
import { matrixRules } from "./health/matrices";
import { duplicateFindings, siblingFindings } from "./health/siblings";
import { valueRules } from "./health/values";

export type { TensorFacts };

/** How bad: what comes later weighs less. */
const SEVERITIES: readonly Severity[] = ["error", "warning", "info"];

/**
 * All that the results show.
 * @param facts of the tensors about which something is known, in file order.
 * @param tensors all of them.
 * @param duplicates groups with equal content.
 */
export function healthFindings(facts: readonly TensorFacts[], tensors: readonly Tensor[], duplicates: readonly (readonly TensorFacts[])[]): Finding[] {
  return [...facts.flatMap(judge), ...siblingFindings(facts), ...duplicateFindings(duplicates), ...undecodable(tensors), ...facts.flatMap(notAnalysed)];
}

/** Worst first: errors, warnings, notes; otherwise as they come. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return SEVERITIES.flatMap((severity) => findings.filter((one) => one.severity === severity));
}

/** How urgent a closer look at a tensor is, by its statistics alone: 0 for nothing found, more for worse. */
export function suspicion({ tensor, statistics }: TensorFacts): number {
  return judge({ tensor, statistics }).reduce((worst, { severity }) => Math.max(worst, SEVERITIES.length - SEVERITIES.indexOf(severity)), 0);
}

/** What of a tensor could not be analysed, and why. A quantity that is not defined for it is a note, a failed reading a warning. */
export function notAnalysed({ tensor, failures = [] }: TensorFacts): Finding[] {
  return failures.map(({ part, message }) =>
    finding("not-analysed", tensor, { severity: part === "statistics" ? "warning" : "info", message: `No ${part}: ${message.replace(/\.$/, "")}.` }),
  );
}

function judge(facts: TensorFacts): Finding[] {
  return [...valueRules, ...matrixRules].flatMap((rule) => {
    const verdict = rule.judge(facts);
    return verdict === null ? [] : [finding(rule.id, facts.tensor, verdict)];
  });
}

/** One finding for each reason, since a model has many tensors of one dtype. Missing shards have a finding of their own. */
function undecodable(tensors: readonly Tensor[]): Finding[] {
  const reasons = new Map<string, Tensor[]>();
  for (const tensor of tensors) {
    if (tensor.unreadable === undefined || tensor.offset === null) continue;
    const group = reasons.get(tensor.unreadable);
    if (group === undefined) reasons.set(tensor.unreadable, [tensor]);
    else group.push(tensor);
  }
  return [...reasons].map(([reason, [first, ...others]]) =>
    finding("undecodable", first!, {
      severity: "info",
      message: `Its values are not shown${others.length > 0 ? `, nor those of ${grouped(others.length)} more` : ""}: ${reason}.`,
    }),
  );
}
