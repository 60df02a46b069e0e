import { visibleText } from "../ui/format";
import { looksText } from "./looks";
import type { CompareStore } from "./store";

/** Looking through more would cost more than the word is worth. */
const MOST = 5000;

/** What the change looks like; of several pairs, what they have in common. */
export function LooksCell({ store, entries }: { store: CompareStore; entries: readonly number[] }) {
  const results = store.results.value;
  if (entries.length > MOST) return null;
  if (entries.length === 1) {
    const update = results.get(entries[0]!);
    if (update?.numbers?.equal === true) return <span class="muted">equal</span>;
    const structure = update?.structure;
    return structure === undefined ? null : <span title={visibleText(structure.sentence)}>{looksText(structure)}</span>;
  }
  const words = new Set<string>();
  for (const entry of entries) {
    const update = results.get(entry);
    if (update?.numbers?.equal === true) continue;
    if (update?.structure === undefined) return null;
    words.add(looksText(update.structure));
  }
  if (words.size !== 1) return null;
  return <span class="muted">{[...words][0]}</span>;
}
