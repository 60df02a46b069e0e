/** What the result would be like, measured on some tensors without writing a file: by the recipe's method, or several side by side. */
import { JobMessage } from "../frame/job-message";
import type { MergeOverview, MergePreview } from "../../src/protocol/merge";
import { Button } from "../ui/button";
import { plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import { MethodMenu } from "./method-menu";
import { PreviewSpectraPanel } from "./preview-spectra";
import { SummaryTable } from "./summary-table";
import { TensorTable } from "./tensor-table";
import type { MergeStore } from "./store";

export function PreviewPage({ store, overview }: { store: MergeStore; overview: MergeOverview }) {
  const preview = store.preview.value;
  const problem = store.previewProblem.value;
  const measuring = store.measuring.value;
  const possible = overview.tensors.name.length > 0;
  const chosen = preview?.tensors.find(({ name }) => name === store.selected.value) ?? null;
  return (
    <article class="page merge-preview" aria-label="Preview">
      <form class="merge-bar" onSubmit={(event) => { event.preventDefault(); if (possible) store.measure(); }}>
        <vscode-textfield
          label="Tensors to measure: name, glob or /regex/; empty for a sample"
          placeholder="a sample, or tensors: name, glob or /regex/"
          value={store.pattern.value}
          onInput={(event) => { store.pattern.value = (event.currentTarget as HTMLInputElement).value; }}
          onKeyDown={(event) => {
            if (event.key === "Escape") (event.currentTarget).blur();
            else if (event.key === "Enter" && possible) store.measure();
            else return;
            event.stopPropagation();
          }}
        >
          <span slot="content-before" class="filter-icon"><Icon name="search" /></span>
        </vscode-textfield>
        <MethodMenu store={store} overview={overview} />
        <Button icon="graph" disabled={!possible || measuring} {...(possible ? {} : { title: "The recipe has errors." })} onClick={() => store.measure()}>{preview === null ? "Measure" : "Measure Again"}</Button>
        {measuring && <Button secondary icon="debug-stop" onClick={() => store.stopAnalysis()}>Stop</Button>}
      </form>
      {problem !== null && <p class="finding finding-error" role="alert"><span class="codicon codicon-error" aria-hidden="true" /><span>{visibleText(problem)}</span></p>}
      {preview === null && (
        <div class="merge-empty">
          {measuring ? <JobMessage job={{ state: "running", since: performance.now() }} busy="Merging the tensors in memory" onRetry={() => undefined} onStop={() => store.stopAnalysis()} />
            : possible ? <p>Norms, cosines, sign conflicts and spectra of the result, measured on a sample over all layers or on the tensors that you name. Nothing is written.</p>
            : <p>The recipe has errors; what they are is on the Overview.</p>}
        </div>
      )}
      {preview !== null && (
        <>
          {store.previewOld.value && <p class="merge-old" role="status"><Icon name="history" /> Measured before the recipe was changed.</p>}
          {preview.tensors.length > 0 && <SummaryTable store={store} overview={overview} preview={preview} />}
          {preview.tensors.length > 0 && <TensorTable store={store} overview={overview} preview={preview} />}
          <NotMeasured failed={preview.failed} />
          {chosen !== null && <PreviewSpectraPanel key={chosen.name} store={store} overview={overview} preview={preview} tensor={chosen} />}
          {chosen === null && preview.tensors.some(({ shape }) => shape.length > 1) && <p class="muted">Select a tensor to see its spectrum beside those of the {plural(overview.inputs.length, "model")}.</p>}
        </>
      )}
    </article>
  );
}

/** Tensors that fail for the same reason share a line. */
function NotMeasured({ failed }: { failed: MergePreview["failed"] }) {
  if (failed.length === 0) return null;
  const byReason = new Map<string, string[]>();
  for (const { name, message } of failed) byReason.set(message, [...(byReason.get(message) ?? []), name]);
  return (
    <ul class="findings" aria-label="Not measured">
      {[...byReason].map(([message, names]) => (
        <li key={message} class="finding finding-error" title={visibleText(names.join("\n"))}>
          <span class="codicon codicon-error" role="img" aria-label="error" />
          <span>{names.length === 1 ? visibleText(names[0]!) : plural(names.length, "tensor")}: {visibleText(message)}</span>
        </li>
      ))}
    </ul>
  );
}
