/** The signatures: making them from the wells, adding files, and for each its α with Apply and Remove. */
import type { SignatureEntry, SignatureSnapshot } from "../../src/protocol/signature";
import { Button, IconButton } from "../ui/button";
import { formatBytes, visibleText } from "../ui/format";
import type { SignatureStore } from "./store";

const SCHEMES = [["", "F32, not quantised"], ["linear", "linear"], ["log", "log"], ["tanh", "tanh"]] as const;
const LEVELS = [4, 8, 16, 256, 65_535];

export function SignatureList({ store, snapshot: { models, measured, signatures, trusted } }: { store: SignatureStore; snapshot: SignatureSnapshot }) {
  const scheme = store.pageState("scheme", "");
  const levels = store.pageState("levels", 256);
  const untrusted = trusted ? {} : { title: "Not in Restricted Mode" };
  const make = (): void => store.attempt(store.host.call("extract", { layers: store.layers.value, quantise: scheme.value === "" ? null : { scheme: scheme.value, levels: levels.value } }));
  return (
    <section class="signatures" aria-label="Signatures">
      <h2>Signatures</h2>
      <div class="signature-making">
        <select class="select" aria-label="Quantisation" value={scheme.value} onChange={(event) => { scheme.value = event.currentTarget.value; }}>{SCHEMES.map(([key, label]) => <option key={key} value={key}>{label}</option>)}</select>
        {scheme.value !== "" && <select class="select" aria-label="Levels" value={String(levels.value)} onChange={(event) => { levels.value = Number(event.currentTarget.value); }}>{LEVELS.map((count) => <option key={count} value={String(count)}>{count} levels</option>)}</select>}
        <Button disabled={measured === null || !trusted} {...untrusted} onClick={make}>{models.robust.length > 1 ? `Make ${models.robust.length} Signatures…` : "Make Signature…"}</Button>
        <Button secondary onClick={() => store.attempt(store.host.call("addSignatures", {}).then(() => null))}>Add Files…</Button>
      </div>
      {signatures.length === 0 ? <p class="signature-note">None yet.</p> : <ul class="signature-list">{signatures.map((entry, index) => <Row key={entry.path} store={store} entry={entry} index={index} trusted={trusted} />)}</ul>}
    </section>
  );
}

function Row({ store, entry: { path, name, bytes, tensors, projected, quantised }, index, trusted }: { store: SignatureStore; entry: SignatureEntry; index: number; trusted: boolean }) {
  const alpha = store.pageState(`alpha ${path}`, 1);
  const untrusted = trusted ? {} : { title: "Not in Restricted Mode" };
  return (
    <li title={visibleText(path)}>
      <header><strong>{visibleText(name)}</strong><IconButton icon="close" label={`Take ${visibleText(name)} off the list`} onClick={() => store.host.notify("forget", { index })} /></header>
      <p class="signature-note">{tensors} tensors · {formatBytes(bytes)}{quantised === null ? "" : ` · ${quantised}`}{projected ? "" : " · not projected"}</p>
      <label class="alpha">α <input type="range" min={-1} max={2} step={0.05} value={alpha.value} onInput={(event) => { alpha.value = Number(event.currentTarget.value); }} /><output>{alpha.value.toFixed(2)}</output></label>
      <div class="signature-actions">
        <Button disabled={!trusted} {...untrusted} onClick={() => store.attempt(store.host.call("apply", { index, alpha: alpha.value }))}>Apply…</Button>
        <Button secondary disabled={!trusted} {...untrusted} onClick={() => store.attempt(store.host.call("remove", { index }))}>Remove…</Button>
      </div>
    </li>
  );
}
