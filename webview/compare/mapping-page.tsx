/** How tensors were paired, and what can be done about it: rules switched off, pairs made by hand, a mapping file. */
import { useMemo, useState } from "preact/hooks";
import type { PairingRule } from "../../src/protocol/compare";
import { Button } from "../ui/button";
import { formatShape, plural, visibleText } from "../ui/format";
import { Grid, type GridColumn } from "../ui/grid";
import { Icon } from "../ui/icon";
import { Menu, type MenuItem } from "../ui/menu";
import { otherName } from "./entry-texts";
import { MappingSides } from "./mapping-sides";
import type { CompareStore, Opened } from "./store";

export function MappingPage({ store }: { store: CompareStore }) {
  const opened = store.opened.value;
  if (opened === null) return null;
  return (
    <article class="page mapping-page" aria-label="Mapping">
      <MappingFile store={store} opened={opened} />
      <Rules store={store} opened={opened} />
      <ByRule store={store} opened={opened} />
      <MappingSides store={store} opened={opened} />
    </article>
  );
}

function MappingFile({ store, opened: { map, a } }: { store: CompareStore; opened: Opened }) {
  const { trusted } = a.overview;
  return (
    <section aria-labelledby="mapping-file">
      <h2 id="mapping-file">Mapping file</h2>
      <p class="muted">
        {map === null
          ? "None in use. A mapping file (YAML) says which tensors belong together where neither names nor rules do; the command line takes it with --map."
          : <>In use: <code title={visibleText(map)}>{visibleText(map)}</code></>}
      </p>
      <p class="page-actions">
        <Button secondary icon="folder-opened" onClick={() => store.attempt(store.host.call("chooseMap", {}).then(() => null))}>{map === null ? "Choose Mapping File…" : "Choose Another…"}</Button>
        <Button secondary icon="save" disabled={!trusted} title={trusted ? "Writes the pairing as it is shown here" : "Saving files is off in Restricted Mode"} onClick={() => store.attempt(store.host.call("saveMap", {}).then(({ path }) => (path === null ? null : `Saved ${path}.`)))}>Save Pairing As…</Button>
        {map !== null && <Button secondary icon="close" onClick={() => store.host.notify("dropMap", {})}>Stop Using It</Button>}
      </p>
    </section>
  );
}

function Rules({ store, opened: { pairs } }: { store: CompareStore; opened: Opened }) {
  const counts = useMemo(() => {
    const counted = new Map<number, number>();
    for (const rule of pairs.rule) counted.set(rule, (counted.get(rule) ?? 0) + 1);
    return counted;
  }, [pairs]);
  const byName = counts.get(-1) ?? 0;
  return (
    <section aria-labelledby="mapping-rules">
      <h2 id="mapping-rules">Rules</h2>
      <ul class="rules">
        <li><span class="rule-fixed"><Icon name="check" /></span><span>Equal names, and shapes that can be compared</span><span class="number muted">{plural(byName, "pair")}</span></li>
        {pairs.rules.map((rule, i) => <RuleLine key={rule.id} store={store} rule={rule} count={counts.get(i) ?? 0} />)}
      </ul>
      {pairs.rules.length === 0 && <p class="muted">No other rule pairs anything here: prefixes, Hugging Face and GGUF names, fused and split projections and adapters were looked for.</p>}
    </section>
  );
}

function RuleLine({ store, rule, count }: { store: CompareStore; rule: PairingRule; count: number }) {
  return (
    <li>
      <input type="checkbox" class="rule-switch" id={`rule-${rule.id}`} checked={rule.on} onChange={(event) => store.host.notify("switchRule", { rule: rule.id, on: event.currentTarget.checked })} />
      <label for={`rule-${rule.id}`}>{visibleText(rule.sentence)}</label>
      <span class="number muted">{!rule.on ? "off" : count > 0 ? plural(count, "pair") : "applied"}</span>
    </li>
  );
}

const COLUMNS: readonly GridColumn[] = [
  { id: "a", header: "A", title: "tensor of A", width: 220, numeric: false },
  { id: "b", header: "B", title: "tensor of B", width: 210, numeric: false },
  { id: "shape", header: "shape", title: "shape of what is paired", width: 96, numeric: true },
  { id: "rule", header: "rule", title: "rule that paired them", width: 72, numeric: false },
];

/** Every pairing that was not by equal name. */
function ByRule({ store, opened: { pairs } }: { store: CompareStore; opened: Opened }) {
  const { list } = store.entries.value;
  const [menu, setMenu] = useState<{ items: MenuItem[]; x: number; y: number } | null>(null);
  const [sort, setSort] = useState<{ column: string; descending: boolean } | null>(null);
  const entries = useMemo(() => {
    const found: number[] = [];
    for (let i = 0; i < pairs.length; i++) if (pairs.rule[i]! >= 0) found.push(i);
    if (sort === null) return found;
    const key = (entry: number): string => ({ a: list[entry]!.name, b: otherName(list[entry]!), shape: formatShape(list[entry]!.shape), rule: pairs.rules[list[entry]!.rule]!.id })[sort.column] ?? "";
    return found.sort((x, y) => (sort.descending ? -1 : 1) * key(x).localeCompare(key(y), "en", { numeric: true }));
  }, [pairs, list, sort]);
  if (entries.length === 0) return null;
  const part = (entry: number): void => store.host.notify("pairUp", { a: pairs.a[entry]!, b: null });
  return (
    <section aria-labelledby="mapping-pairs">
      <h2 id="mapping-pairs">{plural(entries.length, "pair")} by rule</h2>
      <div class="mapping-grid" style={{ height: `${Math.min(12, entries.length) * 22 + 26}px` }}>
        <Grid
          label="Pairs by rule"
          columns={COLUMNS}
          rowCount={entries.length}
          row={(index) => ({ text: visibleText(list[entries[index]!]!.name), selected: false })}
          cell={(index, { id }) => {
            const entry = list[entries[index]!]!;
            if (id === "shape") return formatShape(entry.shape);
            if (id === "rule") return <span title={visibleText(pairs.rules[entry.rule]!.sentence)}>{pairs.rules[entry.rule]!.id}</span>;
            const text = visibleText(id === "a" ? entry.name : otherName(entry));
            return <span class="elide-start" title={text}><bdi dir="ltr">{text}</bdi></span>;
          }}
          sort={sort}
          onSort={(column) => setSort((now) => ({ column, descending: now?.column === column && !now.descending }))}
          onResize={() => undefined}
          onOpen={(index) => store.select({ kind: "entry", entry: entries[index]! })}
          onHover={(index) => { store.hovered.value = entries[index] ?? -1; }}
          onMenu={(index, at) => setMenu({ items: [{ label: "Open", key: "Enter", run: () => store.select({ kind: "entry", entry: entries[index]! }) }, { label: "Part these two", key: "Delete", run: () => part(entries[index]!) }], ...at })}
          onKey={(key, index) => {
            if (key !== "Delete") return false;
            part(entries[index]!);
            return true;
          }}
        />
      </div>
      {menu !== null && <Menu label="Pair" items={menu.items} at={menu} onClose={() => setMenu(null)} />}
    </section>
  );
}
