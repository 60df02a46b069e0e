/** What stands in place of content: loading, failed; and the calm lines above it when something is missing. */
import type { ComponentChildren } from "preact";
import type { WireError } from "../../src/protocol/rpc";
import { Button } from "../ui/button";
import { formatInteger, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import type { PageView } from "./view";

export function LoadingState({ children }: { children: ComponentChildren }) {
  return (
    <div class="frame frame-loading" aria-busy="true">
      <p class="state-note" role="status">{children}</p>
      <div class="skeleton" aria-hidden="true">{[38, 52, 30, 46, 60, 42, 34, 56].map((width, i) => <span key={i} style={{ width: `${width}%` }} />)}</div>
    </div>
  );
}

/** Nothing could be read: one sentence, where, and what to do. */
export function FailedState({ title, error, children }: { title: string; error: WireError; children: ComponentChildren }) {
  return (
    <div class="state" role="alert">
      <span class="state-icon"><Icon name="error" /></span>
      <h1>{title}</h1>
      <p class="state-sentence">{sentence(error)}</p>
      <dl class="state-where">
        {error.file !== undefined && <Fact name="file" value={error.file} />}
        {error.tensor !== undefined && <Fact name="tensor" value={error.tensor} />}
        {error.offset !== undefined && <Fact name="byte" value={formatInteger(error.offset)} />}
      </dl>
      <div class="state-actions">{children}</div>
    </div>
  );
}

/** Structure works without an engine; says what does not, and why. */
export function EngineBanner({ view }: { view: PageView }) {
  const { state, message } = view.engine.value;
  if (state !== "missing" && state !== "failed") return null;
  return (
    <Banner icon="info">
      <span>{state === "missing" ? "Structure only: there is no engine to compute numbers." : "The engine stopped; structure still works."} {message !== undefined && visibleText(message)}</span>
      <Button secondary onClick={() => view.restartEngine()}>{state === "missing" ? "Look again" : "Restart engine"}</Button>
      <Button secondary onClick={() => view.showLog()}>Show Log</Button>
    </Banner>
  );
}

export function Fact({ name, value }: { name: string; value: string }) {
  return <><dt>{visibleText(name)}</dt><dd>{visibleText(value)}</dd></>;
}

export function Banner({ icon, alert = false, children }: { icon: string; alert?: boolean; children: ComponentChildren }) {
  return <div class="banner" role={alert ? "alert" : "status"}><Icon name={icon} />{children}</div>;
}

/** The host's message as a sentence of its own. */
export function sentence(error: WireError): string {
  const text = visibleText(error.message);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
