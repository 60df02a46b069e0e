/**
 * Health rules: from results to findings. Pure: the same results give the same findings. Every rule has a stable id and
 * a paragraph in `docs/health.md`; its message gives the numbers and the threshold.
 */
import type { Tensor } from "../checkpoint/checkpoint";
import type { NormsResult, SpectrumResult } from "../engine/protocol";
import type { Finding, Severity, Statistics } from "../protocol/results";

/** What is known of one tensor. */
export interface TensorFacts {
  tensor: Tensor;
  statistics?: Statistics | undefined;
  norms?: NormsResult | undefined;
  spectrum?: SpectrumResult | undefined;
  /** Why a part of its analysis failed. */
  failures?: readonly string[] | undefined;
}

/** A finding with how bad it is among findings of its severity; larger is worse. */
export interface Verdict {
  severity: Severity;
  message: string;
  weight: number;
}

const SEVERITY: Record<Severity, number> = { error: 0, warning: 1, info: 2 };

/** Worst first: errors, warnings, notes; within a severity in the order given. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => SEVERITY[a.severity] - SEVERITY[b.severity]);
}

/** All computed findings. @param duplicates groups of indices into `facts` with equal content. */
export function healthFindings(facts: readonly TensorFacts[], duplicates: readonly (readonly number[])[]): Finding[] {
  void duplicates;
  return facts.flatMap(notAnalysed);
}
export function suspicion(facts: TensorFacts): number {
  return facts.statistics?.nan ?? 0;
}
export function notAnalysed({ tensor, failures }: TensorFacts): Finding[] {
  return (failures ?? []).map((message): Finding => ({ rule: "not-analysed", severity: "warning", tensor: tensor.name, message }));
}
