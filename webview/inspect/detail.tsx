/** The right side: the page of the chosen tab, or of whatever is selected. */
import type { Finding } from "../../src/protocol/results";
import { Link } from "../ui/button";
import { visibleText } from "../ui/format";
import { FindingLine } from "../frame/finding-line";
import { GroupPage } from "./group-page";
import { HealthPage } from "./health-page";
import { MetadataPage } from "./metadata-page";
import { OverviewPage } from "./overview-page";
import { RankPage } from "./rank-page";
import { SpectraPage } from "./spectra-page";
import type { InspectStore } from "./store";
import { TensorPage } from "./tensor-page";
import { TensorsPage } from "./tensors-page";
import type { TreeModel } from "./tree-model";
import { tensorsAt } from "../tree/tree";

export function Detail({ id, store, model }: { id: string; store: InspectStore; model: TreeModel }) {
  const tab = store.tab.value;
  return (
    <div id={id} class={`detail detail-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`} data-region="detail" tabIndex={-1}>
      <Page store={store} model={model} />
    </div>
  );
}

function Page({ store, model }: { store: InspectStore; model: TreeModel }) {
  const selection = store.selection.value;
  switch (store.tab.value) {
    case "tensors": return <TensorsPage store={store} model={model} />;
    case "health": return <HealthPage store={store} />;
    case "spectra": return <SpectraPage store={store} />;
    case "ranks": return <RankPage store={store} />;
    case "metadata": return <MetadataPage store={store} />;
    case "overview": break;
  }
  if (selection.kind === "model") return <OverviewPage store={store} />;
  return (
    <>
      <Crumbs store={store} />
      {selection.kind === "group"
        ? <GroupPage key={selection.path} store={store} model={model} path={selection.path} tensors={selection.tensors} />
        : <><TensorFindings store={store} tensor={selection.tensor} /><TensorPage key={selection.tensor} store={store} tensor={selection.tensor} /></>}
    </>
  );
}

/** The way back up: the model, then each module around the selection. */
function Crumbs({ store }: { store: InspectStore }) {
  const selection = store.selection.value;
  const modules = store.modules.value;
  const path = selection.kind === "tensor" ? store.rows.value[selection.tensor]?.name ?? "" : selection.kind === "group" ? selection.path : "";
  const labels = path.split(modules.separator);
  return (
    <nav class="crumbs" aria-label="Path">
      <Link onClick={() => store.select({ kind: "model" })}>Model</Link>
      {labels.slice(0, -1).map((label, i) => {
        const above = labels.slice(0, i + 1).join(modules.separator);
        return (
          <span key={above}>
            <span class="crumb-separator" aria-hidden="true">›</span>
            <Link title={visibleText(above)} onClick={() => store.select({ kind: "group", path: above, tensors: tensorsAt(modules, above) })}>{visibleText(label)}</Link>
          </span>
        );
      })}
      <span class="crumb-separator" aria-hidden="true">›</span>
      <span aria-current="page">{visibleText(labels.at(-1) ?? "")}</span>
    </nav>
  );
}

/** What is wrong with this tensor, above its numbers. */
function TensorFindings({ store, tensor }: { store: InspectStore; tensor: number }) {
  const name = store.rows.value[tensor]?.name;
  const findings = store.findings.value.filter((finding: Finding) => finding.tensor === name);
  if (findings.length === 0) return null;
  return <ul class="findings findings-here">{findings.map((finding, i) => <FindingLine key={i} view={store} finding={finding} here />)}</ul>;
}
