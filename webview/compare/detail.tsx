/** The right side: the page of the chosen tab, or of whatever is selected. */
import { Link } from "../ui/button";
import { visibleText } from "../ui/format";
import { tensorsAt } from "../tree/tree";
import { EntryPage } from "./entry-page";
import { FindingsPage } from "./findings-page";
import { GroupPage } from "./group-page";
import { MappingPage } from "./mapping-page";
import { OverviewPage } from "./overview-page";
import { PairsPage } from "./pairs-page";
import type { CompareStore } from "./store";
import type { TreeModel } from "./tree-model";

export function Detail({ id, store, model }: { id: string; store: CompareStore; model: TreeModel }) {
  const tab = store.tab.value;
  return (
    <div id={id} class={`detail detail-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`} data-region="detail" tabIndex={-1}>
      <Page store={store} model={model} />
    </div>
  );
}

function Page({ store, model }: { store: CompareStore; model: TreeModel }) {
  const selection = store.selection.value;
  switch (store.tab.value) {
    case "pairs": return <PairsPage store={store} model={model} />;
    case "mapping": return <MappingPage store={store} />;
    case "findings": return <FindingsPage store={store} />;
    case "overview": break;
  }
  if (selection.kind === "models") return <OverviewPage store={store} model={model} />;
  return (
    <>
      <Crumbs store={store} />
      {selection.kind === "group"
        ? <GroupPage key={selection.path} store={store} model={model} path={selection.path} entries={selection.entries} />
        : <EntryPage key={selection.entry} store={store} entry={selection.entry} />}
    </>
  );
}

/** The way back up: the models, then each module around the selection. */
function Crumbs({ store }: { store: CompareStore }) {
  const selection = store.selection.value;
  const modules = store.modules.value;
  const path = selection.kind === "entry" ? store.entries.value.list[selection.entry]?.name ?? "" : selection.kind === "group" ? selection.path : "";
  const labels = path.split(modules.separator);
  return (
    <nav class="crumbs" aria-label="Path">
      <Link onClick={() => store.select({ kind: "models" })}>A ⇄ B</Link>
      {labels.slice(0, -1).map((label, i) => {
        const above = labels.slice(0, i + 1).join(modules.separator);
        return (
          <span key={above}>
            <span class="crumb-separator" aria-hidden="true">›</span>
            <Link title={visibleText(above)} onClick={() => store.select({ kind: "group", path: above, entries: tensorsAt(modules, above) })}>{visibleText(label)}</Link>
          </span>
        );
      })}
      <span class="crumb-separator" aria-hidden="true">›</span>
      <span aria-current="page">{visibleText(labels.at(-1) ?? "")}</span>
    </nav>
  );
}
