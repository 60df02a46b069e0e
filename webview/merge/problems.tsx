/** What the preflight found; each line jumps to its place in the recipe. */
import type { MergeOverview } from "../../src/protocol/merge";
import { TableSection } from "../frame/table-section";
import { Link } from "../ui/button";
import { plural, visibleText } from "../ui/format";
import type { MergeStore } from "./store";

export function Problems({ store, problems }: { store: MergeStore; problems: MergeOverview["problems"] }) {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const sorted = [...problems].sort((x, y) => Number(y.severity === "error") - Number(x.severity === "error") || x.line - y.line || x.column - y.column);
  if (problems.length === 0) return <p class="merge-fine"><span class="codicon codicon-check" aria-hidden="true" /> Nothing stands in the way of this merge.</p>;
  const title = errors > 0 ? `${plural(errors, "error")}${errors < problems.length ? `, ${plural(problems.length - errors, "warning")}` : ""}` : plural(problems.length, "warning");
  return (
    <TableSection view={store} id="preflight" title={title} how="known from the recipe and the models' headers" table={() => [
      { name: "severity", values: sorted.map(({ severity }) => severity) },
      { name: "code", values: sorted.map(({ code }) => code) },
      { name: "line", values: sorted.map(({ line }) => line) },
      { name: "message", values: sorted.map(({ message }) => message) },
      { name: "tensor", values: sorted.map(({ tensor }) => tensor ?? null) },
    ]}>
      <ul class="findings merge-problems" aria-label="Problems">
        {sorted.map(({ severity, message, line, column, fixes, code }, i) => (
          <li key={i} class={`finding finding-${severity}`}>
            <span class={`codicon codicon-${severity}`} role="img" aria-label={severity} />
            <span>
              <Link title={`Go to line ${line}${fixes > 0 ? "; a quick fix is offered there" : ""}`} onClick={() => store.host.notify("reveal", { line, column })}>line {line}</Link>{" "}
              <span title={code}>{visibleText(message)}</span>
              {fixes > 0 && <span class="codicon codicon-lightbulb merge-fixable" role="img" aria-label="quick fix in the editor" title="A quick fix is offered at this line" />}
            </span>
          </li>
        ))}
      </ul>
    </TableSection>
  );
}
