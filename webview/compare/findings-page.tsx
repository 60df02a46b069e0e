/** All findings about the pair and about each side. */
import { FindingLine } from "../frame/finding-line";
import { plural } from "../ui/format";
import type { CompareStore } from "./store";

export function FindingsPage({ store }: { store: CompareStore }) {
  const findings = store.findings.value;
  const known = store.results.value.size;
  const { pairs } = store.entries.value;
  return (
    <article class="page" aria-label="Findings">
      {findings.length === 0
        ? <p class="muted" role="status">{known < pairs ? `Nothing so far; ${plural(pairs - known, "pair")} ${pairs - known === 1 ? "is" : "are"} not compared yet.` : "Nothing stands out."}</p>
        : <ul class="findings">{findings.map((finding, i) => <FindingLine key={i} view={store} finding={finding} />)}</ul>}
    </article>
  );
}
