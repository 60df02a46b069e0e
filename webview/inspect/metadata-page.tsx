/** What the file says about itself: `__metadata__` and what else its format keeps beside tensors. */
import { IconButton } from "../ui/button";
import { formatInteger, plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import { prettyJson } from "./pretty-json";
import type { InspectStore } from "./store";

/** Longer values are folded; longer still are cut on screen (copying is whole). */
const FOLD_FROM = 160;
const MOST_SHOWN = 100_000;

export function MetadataPage({ store }: { store: InspectStore }) {
  const search = store.pageState("metadata.search", "");
  const overview = store.overview.value!;
  const entries = Object.entries(overview.metadata).map(([key, value]) => ({ key, text: typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "" }));
  const wanted = search.value.toLowerCase();
  const shown = entries.filter(({ key, text }) => wanted === "" || key.toLowerCase().includes(wanted) || text.toLowerCase().includes(wanted));
  return (
    <article class="page" aria-label="Metadata">
      <header class="page-header">
        <h2 class="page-title">Metadata</h2>
        <dl class="facts">
          <dt>path</dt><dd>{visibleText(overview.path)}</dd>
          <dt>format</dt><dd>{visibleText(overview.format)}</dd>
          <dt>architecture</dt>
          <dd>{overview.architecture === null ? "not recognised" : `${visibleText(overview.architecture.name)} (${overview.architecture.from === "config" ? "from config.json" : "guessed from the tensors' names"})`}</dd>
        </dl>
      </header>
      {entries.length === 0 ? <p class="muted">The file carries no metadata. Programs that save with <code>metadata=…</code> can say here how the weights were made.</p> : (
        <>
          <div class="metadata-bar">
            <vscode-textfield
              label="Search metadata"
              placeholder="search keys and values"
              value={search.value}
              onInput={(event) => { search.value = (event.currentTarget as HTMLInputElement).value; }}
              onKeyDown={(event) => {
                if (event.key !== "Escape" || search.peek() === "") return;
                search.value = "";
                event.preventDefault();
                event.stopPropagation();
              }}
            >
              <span slot="content-before" class="filter-icon"><Icon name="search" /></span>
            </vscode-textfield>
            <span class="muted" role="status">{shown.length === entries.length ? plural(entries.length, "entry", "entries") : `${shown.length} of ${plural(entries.length, "entry", "entries")}`}</span>
            <IconButton icon="copy" label="Copy all metadata as JSON" onClick={() => store.copy(JSON.stringify(overview.metadata, null, 2), "the metadata as JSON")} />
          </div>
          <table class="metadata" aria-label="Keys and values">
            <colgroup><col class="metadata-key" /><col /><col class="metadata-copy" /></colgroup>
            <tbody>{shown.map(({ key, text }) => <Entry key={key} store={store} name={key} text={text} />)}</tbody>
          </table>
        </>
      )}
    </article>
  );
}

function Entry({ store, name, text }: { store: InspectStore; name: string; text: string }) {
  const pretty = prettyJson(text);
  const body = pretty ?? text;
  const long = body.length > FOLD_FROM || body.includes("\n");
  return (
    <tr>
      <th scope="row">{visibleText(name)}</th>
      <td>
        {long ? (
          <details>
            <summary><span class="metadata-preview">{visibleText(text.slice(0, FOLD_FROM))}</span> <span class="muted">{formatInteger(text.length)} characters{pretty !== null && ", JSON"}</span></summary>
            <pre>{visibleLines(body.slice(0, MOST_SHOWN))}</pre>
            {body.length > MOST_SHOWN && <p class="muted">The first {formatInteger(MOST_SHOWN)} characters; copying takes all.</p>}
          </details>
        ) : <span class="metadata-value">{body === "" ? <span class="muted">(empty)</span> : visibleText(body)}</span>}
      </td>
      <td><IconButton icon="copy" label={`Copy the value of ${visibleText(name)}`} onClick={() => store.copy(text, "the value")} /></td>
    </tr>
  );
}

/** Line ends stay line ends; everything else that cannot be seen is written as an escape. */
function visibleLines(text: string): string {
  return text.split("\n").map((line) => visibleText(line.replaceAll("\t", "  "))).join("\n");
}
