import type { Finding, Severity } from "../../src/protocol/results";

const SEVERITY: Record<Severity, number> = { error: 0, warning: 1, info: 2 };

/** Errors before warnings before notes, else in the order they came. */
export function worstFirst(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort((a, b) => SEVERITY[a.severity] - SEVERITY[b.severity]);
}
