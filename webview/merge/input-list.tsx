/** The models that go in: the strip's legend, each a link to its inspector. */
import type { MergeOverview } from "../../src/protocol/merge";
import { kindStyle } from "../plots/kinds";
import { theme } from "../plots/theme";
import { Link } from "../ui/button";
import { visibleText } from "../ui/format";
import { inputLooks } from "./inputs";
import type { MergeStore } from "./store";

export function InputList({ store, overview }: { store: MergeStore; overview: MergeOverview }) {
  const look = theme.value;
  return (
    <ul class="merge-inputs" aria-label="Models">
      {inputLooks(overview.inputs).map(({ name, letter, kind, base }, i) => (
        <li key={i} title={visibleText(overview.inputs[i]!.path)}>
          <span class="merge-letter" style={{ borderColor: look.chart[kindStyle(kind).colour] }} aria-hidden="true">{letter}</span>
          <Link title={`Inspect ${visibleText(overview.inputs[i]!.path)}`} onClick={() => store.host.notify("inspectInput", { input: i })}>{name}</Link>
          {base && <span class="muted">base</span>}
        </li>
      ))}
    </ul>
  );
}
