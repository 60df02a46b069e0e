/** One pair of tensors: A, B and the change side by side on shared axes. */
import "../frame/tensor-page.css";
import { useEffect } from "preact/hooks";
import { Button, IconButton } from "../ui/button";
import { formatBytes, formatInteger, plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import { Name } from "../ui/name";
import type { Entry } from "./entries";
import { DistributionPanel } from "./entry-distribution";
import { PairFigures } from "./entry-figures";
import { ModesPanel } from "./entry-modes";
import { hasQuickSpectra, isMatrix, isSmall, requestAll, requestAutomatically } from "./entry-requests";
import { SpectraPanel, SpectraTable } from "./entry-spectra";
import { LineStrips } from "./entry-strips";
import { SubspacesPanels } from "./entry-subspaces";
import { dtypeText, shapeText } from "./entry-texts";
import { ValuesPanels } from "./entry-values";
import { WorstBlocks } from "./entry-worst-blocks";
import { parametersOf } from "./measures";
import type { CompareStore } from "./store";

export function EntryPage({ store, entry: index }: { store: CompareStore; entry: number }) {
  const entry = store.entries.value.list[index];
  const opened = store.opened.value;
  useEffect(() => requestAutomatically(store, index), [store, index, opened]);
  if (entry === undefined || opened === null) return null;
  const update = store.results.value.get(index);
  const why = whyNothing(entry, update?.numbers === undefined ? update?.failed : undefined);
  return (
    <article class="tensor-page pair-page" aria-label={`Pair ${visibleText(entry.name)}`}>
      <Header store={store} entry={entry} />
      {why !== null ? <Nothing store={store} entry={entry} why={why} />
        : update?.numbers?.equal === true ? (
          <>
            <p class="verdict"><Icon name="check" /> Equal bit by bit{entry.a!.dtype === entry.b!.dtype ? "" : " once decoded"}.</p>
            <PairFigures store={store} pair={index} />
          </>
        ) : <Changed store={store} pair={index} entry={entry} />}
    </article>
  );
}

function Changed({ store, pair, entry }: { store: CompareStore; pair: number; entry: Entry }) {
  const update = store.results.value.get(pair);
  const structure = update?.structure;
  return (
    <>
      {update?.failed !== undefined && <p class="remark" role="note">{visibleText(update.failed)}</p>}
      {structure !== undefined && <p class={structure.kind === "none" ? "verdict muted" : "verdict"} role="status">{sentenceOf(structure.sentence)}</p>}
      {!isSmall(entry) && (
        <p class="page-actions">
          <Button icon="play" onClick={() => requestAll(store, pair)}>Read Both</Button>
          <span class="muted">Large tensors ({formatBytes(entry.a!.bytes + entry.b!.bytes)} together): read on request.</span>
        </p>
      )}
      <ValuesPanels store={store} pair={pair} entry={entry} />
      <div class="tensor-panels pair-panels">
        <DistributionPanel store={store} pair={pair} entry={entry} />
        {isMatrix(entry) && <SpectraPanel store={store} pair={pair} entry={entry} quick={hasQuickSpectra(entry)} />}
      </div>
      <div class="tensor-figures">
        <PairFigures store={store} pair={pair} />
        {isMatrix(entry) && <SpectraTable store={store} pair={pair} />}
      </div>
      <div class="tensor-strips"><LineStrips store={store} pair={pair} entry={entry} /></div>
      <WorstBlocks store={store} pair={pair} />
      {isMatrix(entry) && <SubspacesPanels store={store} pair={pair} entry={entry} quick={hasQuickSpectra(entry)} />}
      {entry.shape.length > 2 && <ModesPanel store={store} pair={pair} entry={entry} />}
    </>
  );
}

function Header({ store, entry }: { store: CompareStore; entry: Entry }) {
  const { a, b, parts, shape } = entry;
  const parameters = parametersOf(shape);
  const rule = entry.rule < 0 ? null : store.opened.value?.pairs.rules[entry.rule] ?? null;
  const differ = a !== null && b !== null && (a.name !== b.name || parts !== null);
  return (
    <header class="tensor-header">
      <h2>
        <Name text={(a ?? b)!.name + (a === null ? "" : parts?.a ?? "")} />
        <IconButton icon="copy" label="Copy name" onClick={() => store.copy((a ?? b)!.name, "the name")} />
        {a !== null && <IconButton icon="search" label="Inspect in A" onClick={() => store.host.notify("inspect", { side: "a", tensor: a.name })} />}
        {b !== null && <IconButton icon="search-fuzzy" label="Inspect in B" onClick={() => store.host.notify("inspect", { side: "b", tensor: b.name })} />}
      </h2>
      {differ && <p class="pair-other"><Icon name="arrow-swap" /> <Name text={b.name + (parts?.b ?? "")} /></p>}
      <p class="tensor-facts">
        <span>{shapeText(entry)}</span>
        <span>{dtypeText(entry)}</span>
        <span title={`${formatInteger(parameters)} parameters`}>{plural(parameters, "parameter")}</span>
        {rule !== null && <span title={visibleText(rule.sentence)}>paired by {rule.id}</span>}
      </p>
    </header>
  );
}

/** Why there is nothing to compare; null when there is. */
function whyNothing(entry: Entry, failed: string | undefined): string | null {
  switch (entry.kind) {
    case "onlyInA": return "This tensor is only in A; nothing in B belongs to it.";
    case "onlyInB": return "This tensor is only in B; nothing in A belongs to it.";
    case "reshaped": return `The two belong together, but their shapes cannot be compared: ${shapeText(entry)}.`;
    case "pair": break;
  }
  if (entry.unreadable !== undefined) return `Not compared: ${visibleText(entry.unreadable)}.`;
  if (failed !== undefined) return `Not compared: ${visibleText(failed)}`;
  return parametersOf(entry.shape) === 0 ? "These tensors have no elements." : null;
}

function Nothing({ store, entry, why }: { store: CompareStore; entry: Entry; why: string }) {
  return (
    <>
      <p class="remark" role="note">{why}</p>
      {entry.kind !== "pair" && <p class="page-actions"><Button secondary icon="arrow-swap" onClick={() => { store.tab.value = "mapping"; }}>Pair It by Hand…</Button></p>}
    </>
  );
}

/** The structure's words ("a rank-16 update") as a sentence of their own. */
function sentenceOf(text: string): string {
  const visible = visibleText(text);
  return /^an? /.test(visible) ? `This looks like ${visible}${/[.!?]$/.test(visible) ? "" : "."}` : visible.charAt(0).toUpperCase() + visible.slice(1) + (/[.!?]$/.test(visible) ? "" : ".");
}
