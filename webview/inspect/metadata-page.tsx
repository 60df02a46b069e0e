/** What the file says about itself: `__metadata__` and what else its format keeps beside tensors. */
import type { TableMatches } from "../../src/protocol/inspect";
import { IconButton } from "../ui/button";
import { formatInteger, plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import { architectureSource } from "./architecture-source";
import { prettyJson } from "./pretty-json";
import type { InspectStore } from "./store";
import { useTableMatches } from "./table-matches";

/** Longer values are folded; longer still are cut on screen (copying is whole). */
const FOLD_FROM = 160;
const MOST_SHOWN = 100_000;

export function MetadataPage({ store }: { store: InspectStore }) {
  const search = store.pageState("metadata.search", "");
  const overview = store.overview.value!;
  const entries = Object.entries(overview.metadata).map(([key, value]) => ({ key, text: typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "" }));
  const wanted = search.value.toLowerCase();
  const matches = useTableMatches(store, overview.tables ?? [], wanted);
  const shown = entries.filter(({ key, text }) => wanted === "" || (matches.get(key)?.total ?? 0) > 0 || key.toLowerCase().includes(wanted) || text.toLowerCase().includes(wanted));
  return (
    <article class="page" aria-label="Metadata">
      <header class="page-header">
        <h2 class="page-title">Metadata</h2>
        <dl class="facts">
          <dt>path</dt><dd>{visibleText(overview.path)}</dd>
          <dt>format</dt><dd>{visibleText(overview.format)}</dd>
          <dt>architecture</dt>
          <dd>{overview.architecture === null ? "not recognised" : `${visibleText(overview.architecture.name)} (${overview.architecture.from === "config" ? `from ${architectureSource(overview)}` : "guessed from the tensors' names"})`}</dd>
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
            <tbody>{shown.map(({ key, text }) => <Entry key={key} store={store} name={key} text={text} list={listOf(overview.metadata[key])} matches={matches.get(key)} />)}</tbody>
          </table>
        </>
      )}
    </article>
  );
}

/** A long array as readers fold it: its ends. */
interface FoldedList {
  item: string;
  length: number;
  first: unknown[];
  last: unknown[];
}

function listOf(value: unknown): FoldedList | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, item, length, first, last } = value as Record<string, unknown>;
  if (type !== "array" || typeof item !== "string" || typeof length !== "number" || !Array.isArray(first) || !Array.isArray(last)) return null;
  return { item, length, first: first as unknown[], last: last as unknown[] };
}

interface EntryProps {
  store: InspectStore;
  name: string;
  text: string;
  list: FoldedList | null;
  /** What was searched for, in the whole list. */
  matches: TableMatches | undefined;
}

function Entry({ store, name, text, list, matches }: EntryProps) {
  if (list !== null) return (
    <tr>
      <th scope="row">{visibleText(name)}</th>
      <td>
        <ListEnds list={list} />
        {matches !== undefined && matches.total > 0 && <ListMatches matches={matches} />}
      </td>
      <td><IconButton icon="copy" label={`Copy what is shown of ${visibleText(name)}`} onClick={() => store.copy(text, "the list's ends")} /></td>
    </tr>
  );

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

function ListEnds({ list: { item, length, first, last } }: { list: FoldedList }) {
  const shown = (value: unknown): string => visibleText((JSON.stringify(value) ?? "").slice(0, FOLD_FROM));
  return (
    <span class="metadata-value">
      <span class="muted">{formatInteger(length)} × {item}: </span>
      {first.map(shown).join(", ")} <span class="muted">…</span> {last.map(shown).join(", ")}
    </span>
  );
}

function ListMatches({ matches: { matches, total } }: { matches: TableMatches }) {
  return (
    <>
      <p class="muted">{plural(total, "match", "matches")}{total > matches.length && `, the first ${matches.length}`}:</p>
      <pre>{matches.map(({ index, text }) => `${formatInteger(index)}  ${visibleText(JSON.stringify(text))}`).join("\n")}</pre>
    </>
  );
}

/** Line ends stay line ends; everything else that cannot be seen is written as an escape. */
function visibleLines(text: string): string {
  return text.split("\n").map((line) => visibleText(line.replaceAll("\t", "  "))).join("\n");
}
