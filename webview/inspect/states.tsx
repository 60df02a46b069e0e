/** What stands in place of the inspector's content, and the calm lines above it. */
import { useState } from "preact/hooks";
import type { Overview } from "../../src/protocol/inspect";
import type { WireError } from "../../src/protocol/rpc";
import { Banner, Fact, FailedState, sentence } from "../frame/states";
import { Button, IconButton } from "../ui/button";
import { formatBytes, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import type { InspectStore } from "./store";

/** Nothing could be read: one sentence, where, and what to do. */
export function ErrorState({ store, error }: { store: InspectStore; error: WireError }) {
  return <FailedState title="This checkpoint cannot be read" error={error}><Remedies store={store} /></FailedState>;
}

/** What was read before is still shown, but the file has become unreadable. */
export function ErrorBanner({ store, error }: { store: InspectStore; error: WireError }) {
  return (
    <Banner icon="warning" alert>
      <span>The file changed and cannot be read now; this is what was read before. {sentence(error)}</span>
      <div class="state-actions"><Remedies store={store} /></div>
    </Banner>
  );
}

/** This file is one shard of a model. */
export function ShardBanner({ store, index }: { store: InspectStore; index: string }) {
  const [hidden, setHidden] = useState(false);
  if (hidden) return null;
  return (
    <Banner icon="files">
      <span>One shard of a model: {visibleText(lastPart(index))} lists all of them.</span>
      <Button secondary onClick={() => store.host.notify("openWholeModel", {})}>Open whole model</Button>
      <IconButton icon="close" label="Hide" onClick={() => setHidden(true)} />
    </Banner>
  );
}

export function EmptyState({ store, overview, panelId }: { store: InspectStore; overview: Overview; panelId: string }) {
  const entries = Object.entries(overview.metadata);
  return (
    <div class="state" id={panelId} role="tabpanel" data-region="detail" tabIndex={-1}>
      <span class="state-icon"><Icon name="inbox" /></span>
      <h2>No tensors</h2>
      <p class="state-sentence">
        {visibleText(overview.name)} is a well-formed {overview.format} file of {formatBytes(overview.files.reduce((sum, file) => sum + file.bytes, 0))} that
        holds no tensors. If a program was to write some, it stopped before that.
      </p>
      {entries.length > 0 && <dl class="state-where">{entries.map(([key, value]) => <Fact key={key} name={key} value={typeof value === "string" ? value : JSON.stringify(value)} />)}</dl>}
      <div class="state-actions">
        <Button icon="refresh" onClick={() => store.host.notify("reload", {})}>Read again</Button>
        <Button secondary onClick={() => store.host.notify("openAsText", {})}>Open as Text</Button>
      </div>
    </div>
  );
}

function Remedies({ store }: { store: InspectStore }) {
  return (
    <>
      <Button icon="refresh" onClick={() => store.host.notify("reload", {})}>Retry</Button>
      <Button secondary onClick={() => store.host.notify("showLog", {})}>Show Log</Button>
      <Button secondary onClick={() => store.host.notify("openAsText", {})}>Open as Text</Button>
      <Button secondary onClick={() => store.host.notify("openAsHex", {})}>Open as Hex</Button>
    </>
  );
}

function lastPart(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
