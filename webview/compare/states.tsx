/** What stands in place of a comparison's content, and the calm lines above it. */
import type { WireError } from "../../src/protocol/rpc";
import { Banner, Fact, FailedState, sentence } from "../frame/states";
import { Button } from "../ui/button";
import { formatInteger, plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import type { CompareStore, Opened } from "./store";

interface Failure {
  wire: WireError;
  a: string;
  b: string;
}

/** One of the two cannot be read: one sentence, where, and what to do. */
export function ErrorState({ store, error }: { store: CompareStore; error: Failure }) {
  const { wire, a, b } = error;
  return (
    <FailedState title="These models cannot be compared" error={wire}>
      <Remedies store={store} />
      {a !== "" && <Button secondary onClick={() => store.host.notify("inspect", { side: "a" })}>Inspect A</Button>}
      {b !== "" && <Button secondary onClick={() => store.host.notify("inspect", { side: "b" })}>Inspect B</Button>}
    </FailedState>
  );
}

/** What was read before is still shown, but a file has become unreadable. */
export function ErrorBanner({ store, error }: { store: CompareStore; error: Failure }) {
  return (
    <Banner icon="warning" alert>
      <span>A file changed and cannot be read now; this is what was read before. {sentence(error.wire)}</span>
      <div class="state-actions"><Remedies store={store} /></div>
    </Banner>
  );
}

/** A file was written anew under the numbers computed from it. */
export function RewrittenBanner({ store, opened: { rewritten } }: { store: CompareStore; opened: Opened }) {
  if (rewritten.length === 0) return null;
  const names = rewritten.map(lastPart);
  return (
    <Banner icon="warning" alert>
      <span title={visibleText(rewritten.join("\n"))}>
        {names.length > 2 ? plural(names.length, "file") : names.map(visibleText).join(" and ")} changed on disk during the comparison. The structure is read anew; numbers of the former content are gone.
      </span>
      <Button icon="refresh" onClick={() => store.analyse(["difference", "structure"])}>Redo</Button>
    </Banner>
  );
}

/** No tensor of A belongs to one of B. */
export function NothingInCommon({ store, opened, panelId }: { store: CompareStore; opened: Opened; panelId: string }) {
  const { a, b, pairs } = opened;
  const off = pairs.rules.filter(({ on }) => !on);
  const empty = a.table.length === 0 || b.table.length === 0;
  return (
    <div class="state" id={panelId} role="tabpanel" data-region="detail" tabIndex={-1}>
      <span class="state-icon"><Icon name="diff" /></span>
      <h2>Nothing in common</h2>
      <p class="state-sentence">
        {empty
          ? `${visibleText((a.table.length === 0 ? a : b).overview.name)} holds no tensors.`
          : pairs.reshaped.length > 0
            ? `${plural(pairs.reshaped.length, "tensor")} belong together by their names, but none of them has a shape that can be compared.`
            : "No tensor of A belongs to one of B, neither by its name nor by a rule. If you know which do, say so in the mapping: pair them one by one, or choose a mapping file."}
        {off.length > 0 && ` ${plural(off.length, "rule")} that would pair some ${off.length === 1 ? "is" : "are"} switched off.`}
      </p>
      <dl class="state-where">
        <Fact name="A" value={`${a.overview.path} (${plural(a.table.length, "tensor")})`} />
        <Fact name="B" value={`${b.overview.path} (${plural(b.table.length, "tensor")})`} />
        {pairs.reshaped.length > 0 && <Fact name="of other shapes" value={formatInteger(pairs.reshaped.length)} />}
      </dl>
      <div class="state-actions">
        <Button icon="arrow-swap" onClick={() => { store.tab.value = "mapping"; }}>Open the Mapping</Button>
        <Button secondary onClick={() => store.attempt(store.host.call("chooseMap", {}).then(() => null))}>Choose Mapping File…</Button>
        <Button secondary onClick={() => store.host.notify("inspect", { side: "a" })}>Inspect A</Button>
        <Button secondary onClick={() => store.host.notify("inspect", { side: "b" })}>Inspect B</Button>
      </div>
    </div>
  );
}

function Remedies({ store }: { store: CompareStore }) {
  return (
    <>
      <Button icon="refresh" onClick={() => store.host.notify("reload", {})}>Retry</Button>
      <Button secondary onClick={() => store.showLog()}>Show Log</Button>
    </>
  );
}

function lastPart(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
