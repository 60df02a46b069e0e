/** What stands in place of content: loading, failed, empty; and the calm lines above it when something is missing. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Overview } from "../../src/protocol/inspect";
import type { WireError } from "../../src/protocol/rpc";
import { Button, IconButton } from "../ui/button";
import { formatBytes, formatInteger, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import type { InspectStore } from "./store";

export function LoadingState() {
  return (
    <div class="frame frame-loading" aria-busy="true">
      <p class="state-note" role="status">Reading the header …</p>
      <div class="skeleton" aria-hidden="true">{[38, 52, 30, 46, 60, 42, 34, 56].map((width, i) => <span key={i} style={{ width: `${width}%` }} />)}</div>
    </div>
  );
}

/** Nothing could be read: one sentence, where, and what to do. */
export function ErrorState({ store, error }: { store: InspectStore; error: WireError }) {
  return (
    <div class="state" role="alert">
      <span class="state-icon"><Icon name="error" /></span>
      <h1>This checkpoint cannot be read</h1>
      <p class="state-sentence">{sentence(error)}</p>
      <Where error={error} />
      <Remedies store={store} />
    </div>
  );
}

/** What was read before is still shown, but the file has become unreadable. */
export function ErrorBanner({ store, error }: { store: InspectStore; error: WireError }) {
  return (
    <Banner icon="warning" alert>
      <span>The file changed and cannot be read now; this is what was read before. {sentence(error)}</span>
      <Remedies store={store} />
    </Banner>
  );
}

/** Structure works without an engine; says what does not, and why. */
export function EngineBanner({ store }: { store: InspectStore }) {
  const { state, message } = store.engine.value;
  if (state !== "missing" && state !== "failed") return null;
  return (
    <Banner icon="info">
      <span>{state === "missing" ? "Structure only: there is no engine to compute numbers." : "The engine stopped; structure still works."} {message !== undefined && visibleText(message)}</span>
      <Button secondary onClick={() => store.host.notify("restartEngine", {})}>{state === "missing" ? "Look again" : "Restart engine"}</Button>
      <Button secondary onClick={() => store.host.notify("showLog", {})}>Show Log</Button>
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
      {entries.length > 0 && <dl class="state-where">{entries.map(([key, value]) => <Pair key={key} name={key} value={typeof value === "string" ? value : JSON.stringify(value)} />)}</dl>}
      <div class="state-actions">
        <Button icon="refresh" onClick={() => store.host.notify("reload", {})}>Read again</Button>
        <Button secondary onClick={() => store.host.notify("openAsText", {})}>Open as Text</Button>
      </div>
    </div>
  );
}

function Remedies({ store }: { store: InspectStore }) {
  return (
    <div class="state-actions">
      <Button icon="refresh" onClick={() => store.host.notify("reload", {})}>Retry</Button>
      <Button secondary onClick={() => store.host.notify("showLog", {})}>Show Log</Button>
      <Button secondary onClick={() => store.host.notify("openAsText", {})}>Open as Text</Button>
      <Button secondary onClick={() => store.host.notify("openAsHex", {})}>Open as Hex</Button>
    </div>
  );
}

function Where({ error }: { error: WireError }) {
  return (
    <dl class="state-where">
      {error.file !== undefined && <Pair name="file" value={error.file} />}
      {error.tensor !== undefined && <Pair name="tensor" value={error.tensor} />}
      {error.offset !== undefined && <Pair name="byte" value={formatInteger(error.offset)} />}
    </dl>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return <><dt>{visibleText(name)}</dt><dd>{visibleText(value)}</dd></>;
}

function Banner({ icon, alert = false, children }: { icon: string; alert?: boolean; children: ComponentChildren }) {
  return <div class="banner" role={alert ? "alert" : "status"}><Icon name={icon} />{children}</div>;
}

/** The host's message as a sentence of its own. */
function sentence(error: WireError): string {
  const text = visibleText(error.message);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function lastPart(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
