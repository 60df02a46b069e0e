import type { Finding, Severity } from "../../src/protocol/results";

const RANK: Record<Severity, number> = { error: 0, warning: 1, info: 2 };

/** Rules by their worst finding, then by how many there are. */
export function groupByRule(findings: readonly Finding[]): { rule: string; severity: Severity; list: Finding[] }[] {
  const groups = new Map<string, { rule: string; severity: Severity; list: Finding[] }>();
  for (const finding of findings) {
    const group = groups.get(finding.rule);
    if (group === undefined) groups.set(finding.rule, { rule: finding.rule, severity: finding.severity, list: [finding] });
    else {
      group.list.push(finding);
      if (RANK[finding.severity] < RANK[group.severity]) group.severity = finding.severity;
    }
  }
  return [...groups.values()].sort((a, b) => RANK[a.severity] - RANK[b.severity] || b.list.length - a.list.length);
}
