/** What was left out, and why. */
import type { Relations } from "../../src/protocol/results";
import { FindingLine } from "../frame/finding-line";
import type { ModelsStore } from "./store";

/** More are in the command line's document. */
const MOST_SHOWN = 1000;

export function FindingsPage({ store, relations }: { store: ModelsStore; relations: Relations }) {
  const { findings } = relations;
  const view = {
    say: store.say,
    selectByName: (tensor: string): boolean => {
      store.host.notify("inspect", { model: -1, tensor });
      return true;
    },
  };
  return (
    <article class="page" aria-label="Findings">
      {findings.length === 0 ? <p class="muted">Nothing was left out.</p> : <ul class="findings">{findings.slice(0, MOST_SHOWN).map((finding, i) => <FindingLine key={i} view={view} finding={finding} />)}</ul>}
      {findings.length > MOST_SHOWN && <p class="muted">The first {MOST_SHOWN} of {findings.length}.</p>}
    </article>
  );
}
