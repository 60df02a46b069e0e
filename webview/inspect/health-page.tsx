/** Findings, worst first, under the rule that found them. */
import { useState } from "preact/hooks";
import type { Finding, Severity } from "../../src/protocol/results";
import { toWireError } from "../../src/protocol/rpc";
import { Button, Link } from "../ui/button";
import { formatBytes, plural, visibleText } from "../ui/format";
import { FindingLine } from "../frame/finding-line";
import { groupByRule } from "./group-by-rule";
import { explainRule } from "./rules";
import type { InspectStore } from "./store";

const MOST_PER_RULE = 12;

export function HealthPage({ store }: { store: InspectStore }) {
  const findings = store.findings.value;
  const rows = store.rows.value;
  const results = store.results.value;
  const groups = groupByRule(findings);
  const open = rows.reduce((count, row, i) => count + (row.unreadable === undefined && results.get(i)?.statistics === undefined ? 1 : 0), 0);
  const counts = (["error", "warning", "info"] as const).map((severity) => findings.filter((finding) => finding.severity === severity).length);
  const [errors, warnings, notes] = counts as [number, number, number];
  const trusted = store.overview.value?.trusted ?? true;
  const running = store.progress.value?.running === true;
  return (
    <article class="page" aria-label="Health">
      <header class="page-header">
        <h2 class="page-title">{summary(errors, warnings, open === rows.length)}{notes > 0 && <span class="muted">, {plural(notes, "note")}</span>}</h2>
        <p class="muted">
          {open === 0 ? "Judged by structure, statistics and norms of all tensors, and by the spectra that were computed."
            : open === rows.length ? "Judged by structure alone so far; most rules need the tensors' values."
              : `${plural(open, "tensor")} not analysed yet.`}
        </p>
        <p class="page-actions">
          {open > 0 && !running && <Button icon="play" onClick={() => store.analyse(["statistics", "norms"])}>Analyse whole model</Button>}
          <DuplicateSearch store={store} disabled={!trusted || running} />
        </p>
        {!trusted && <p class="muted">Restricted Mode: the search for duplicates is off until this workspace is trusted.</p>}
      </header>
      {groups.map(({ rule, severity, list }) => <RuleGroup key={rule} store={store} rule={rule} severity={severity} list={list} />)}
    </article>
  );
}

function summary(errors: number, warnings: number, structureOnly: boolean): string {
  const parts = [...(errors > 0 ? [plural(errors, "error")] : []), ...(warnings > 0 ? [plural(warnings, "warning")] : [])];
  if (parts.length > 0) return parts.join(", ");
  return structureOnly ? "Nothing wrong with the structure" : "Nothing wrong found";
}

function RuleGroup({ store, rule, severity, list }: { store: InspectStore; rule: string; severity: Severity; list: readonly Finding[] }) {
  const all = store.pageState<string[]>("health.all", []);
  const { title, meaning } = explainRule(rule);
  const shown = all.value.includes(rule) ? list : list.slice(0, MOST_PER_RULE);
  return (
    <section class={`rule rule-${severity}`} aria-label={title}>
      <h3>{visibleText(title)} <span class="muted">{list.length > 1 && list.length}</span></h3>
      {meaning !== "" && <p class="muted" title={`Rule ${rule}`}>{meaning}</p>}
      <ul class="findings">{shown.map((finding, i) => <FindingLine key={i} view={store} finding={finding} />)}</ul>
      {shown.length < list.length && <Link onClick={() => { all.value = [...all.peek(), rule]; }}>Show {plural(list.length - shown.length, "more", "more")}</Link>}
    </section>
  );
}

/** Compares contents: on request, since it reads all tensors that have a namesake in size. */
function DuplicateSearch({ store, disabled }: { store: InspectStore; disabled: boolean }) {
  const [state, setState] = useState<{ running: boolean; said: string; error: boolean }>({ running: false, said: "", error: false });
  const bytes = sameSizedBytes(store);
  const search = (): void => {
    setState({ running: true, said: `Comparing ${formatBytes(bytes)} …`, error: false });
    store.host.call("duplicates", {}).then(
      ({ groups }) => setState({ running: false, said: groups.length === 0 ? "No two tensors hold the same bytes." : `${plural(groups.length, "group")} of equal tensors.`, error: false }),
      (error: unknown) => setState({ running: false, said: toWireError(error).message, error: true }),
    );
  };
  return (
    <>
      <Button secondary icon="copy" disabled={disabled || state.running || bytes === 0} title={`Hashes ${formatBytes(bytes)} of tensors that are equal in dtype and size`} onClick={search}>Find duplicate tensors</Button>
      <span class={state.error ? "finding-error" : "muted"} role="status">{bytes === 0 ? "No two tensors are equal in size." : visibleText(state.said)}</span>
    </>
  );
}

function sameSizedBytes(store: InspectStore): number {
  const seen = new Map<string, { count: number; bytes: number }>();
  for (const row of store.rows.value) {
    if (row.unreadable !== undefined || row.bytes === 0) continue;
    const key = `${row.dtype} ${row.bytes}`;
    const entry = seen.get(key);
    if (entry === undefined) seen.set(key, { count: 1, bytes: row.bytes });
    else entry.count++;
  }
  let total = 0;
  for (const { count, bytes } of seen.values()) if (count > 1) total += count * bytes;
  return total;
}
