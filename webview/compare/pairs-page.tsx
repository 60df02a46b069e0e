/** All pairs and all tensors without one: sortable, filtered with the tree, exported as CSV or JSON. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Button, IconButton } from "../ui/button";
import { formatInteger, plural, visibleText } from "../ui/format";
import { Grid, type GridColumn, type GridHandle } from "../ui/grid";
import { Menu, type MenuItem } from "../ui/menu";
import { Name } from "../ui/name";
import { otherName } from "./entry-texts";
import { measureById, MEASURES } from "./measures";
import { entryMenu } from "./row-menu";
import type { CompareStore } from "./store";
import { tableCsv, tableJson, tableTsv } from "./table-export";
import { TEXT_COLUMNS, type TreeModel } from "./tree-model";
import { Cell } from "./tree-pane";
import { exactCell } from "./value-cell";

const NAME_WIDTH = 260;
const NUMBER_WIDTH = 88;
const DEFAULT = ["looks", "dtype", "shape", "relative", "norm", "cosine", "changed", "maxAbs", "signFlips", "rank"];
const PAIRED = { id: "other", label: "in B", title: "name in B, where it is another", width: 220 };
const CHOICES: readonly { id: string; label: string; title: string }[] = [PAIRED, ...TEXT_COLUMNS, ...MEASURES];

export function PairsPage({ store, model }: { store: CompareStore; model: TreeModel }) {
  const chosen = store.pageState("table.columns", DEFAULT);
  const widths = store.pageState<Record<string, number>>("table.widths", {});
  const [menu, setMenu] = useState<{ label: string; items: MenuItem[]; x: number; y: number } | null>(null);
  const grid = useRef<GridHandle>(null);
  const { list } = store.entries.value;
  const entries = model.flat.value;
  const selection = store.selection.value;
  const selected = selection.kind === "entry" ? selection.entry : -1;
  const pattern = model.filter.pattern.value;

  useEffect(() => {
    const row = selected < 0 ? -1 : entries.indexOf(selected);
    if (row >= 0) grid.current?.show(row);
  }, [selected, list]);

  const shown = CHOICES.map(({ id }) => id).filter((id) => chosen.value.includes(id));
  const columns: GridColumn[] = [
    { id: "name", header: "name", title: "name", width: NAME_WIDTH, numeric: false },
    ...shown.map((id): GridColumn => {
      const text = id === PAIRED.id ? { ...PAIRED, numeric: false } : TEXT_COLUMNS.find((column) => column.id === id);
      if (text !== undefined) return { id, header: text.label, title: text.title, width: widths.value[id] ?? text.width, numeric: text.numeric };
      const measure = measureById(id)!;
      return { id, header: measure.label, title: measure.title, width: widths.value[id] ?? NUMBER_WIDTH, numeric: true };
    }),
  ];
  const cell = (index: number, column: GridColumn): preact.ComponentChildren => {
    const entry = entries[index]!;
    const name = column.id === "name" ? list[entry]!.name : column.id === PAIRED.id ? otherName(list[entry]!) : null;
    if (name === null) return <Cell store={store} entries={[entry]} column={column.id} />;
    if (name === "" && column.id === PAIRED.id) return null;
    return <span class="elide-start" title={visibleText(name)}><bdi dir="ltr"><Name text={name} match={pattern === null || pattern.kind === "glob" ? null : pattern.find(name)} /></bdi></span>;
  };
  const onKey = (key: string, index: number, columnId: string | null): boolean => {
    const measure = columnId === null ? undefined : measureById(columnId);
    if (key === "s") model.sortBy(columnId ?? "name");
    else if (key === "c" && measure !== undefined) store.copy(exactCell(store, measure, [entries[index]!]), measure.title);
    else if (key === "c") store.copy(list[entries[index]!]!.name, "the tensor's name");
    else return false;
    return true;
  };
  const openAt = (event: MouseEvent, label: string, items: MenuItem[]): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    setMenu({ label, items, x: box.left, y: box.bottom + 2 });
  };

  return (
    <section class="table-page" aria-label="Pairs" onPointerEnter={() => { store.held.value = true; }} onPointerLeave={() => { store.held.value = false; }}>
      <div class="table-bar">
        <span class="muted" role="status">
          {entries.length === list.length ? plural(list.length, "row") : `${formatInteger(entries.length)} of ${plural(list.length, "row")}, filtered in the tree`}
        </span>
        <span class="table-tools">
          <Button secondary icon="copy" onClick={() => store.copy(tableTsv(store, entries, shown), `a table of ${plural(entries.length, "row")}`)}>Copy</Button>
          <IconButton
            icon="save"
            label="Save the table"
            expanded={menu?.label === "Save the table"}
            onClick={(event) => openAt(event, "Save the table", [
              { label: "Save as CSV", run: () => store.save("comparison.csv", tableCsv(store, entries, shown)) },
              { label: "Save as JSON", run: () => store.save("comparison.json", tableJson(store, entries)) },
            ])}
          />
          <ColumnsButton chosen={chosen} />
        </span>
      </div>
      <Grid
        label="All pairs"
        columns={columns}
        rowCount={entries.length}
        row={(index) => ({ text: visibleText(list[entries[index]!]!.name), selected: entries[index] === selected, lit: entries[index] === store.hovered.value })}
        cell={cell}
        sort={model.sort.value}
        onSort={(column) => model.sortBy(column === PAIRED.id ? "name" : column)}
        onResize={(column, width) => { widths.value = { ...widths.peek(), [column]: width }; }}
        onOpen={(index, { double, key }) => store.select({ kind: "entry", entry: entries[index]! }, double || key ? "overview" : "pairs")}
        onHover={(index) => { store.hovered.value = entries[index] ?? -1; }}
        onMenu={(index, at) => {
          const entry = entries[index]!;
          const { name } = list[entry]!;
          setMenu({ label: visibleText(name), items: [{ label: "Open", key: "Enter", run: () => store.select({ kind: "entry", entry }) }, ...entryMenu(store, [entry], name)], ...at });
        }}
        onKey={onKey}
        empty={list.length === 0 ? "Neither model holds a tensor." : "No tensor has such a name."}
        handle={grid}
      />
      {menu !== null && <Menu label={menu.label} items={menu.items} at={menu} onClose={() => setMenu(null)} />}
    </section>
  );
}

function ColumnsButton({ chosen }: { chosen: { value: string[]; peek(): string[] } }) {
  const [at, setAt] = useState<{ x: number; y: number } | null>(null);
  return (
    <>
      <IconButton
        icon="list-selection"
        label="Choose columns"
        expanded={at !== null}
        onClick={(event) => {
          const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
          setAt({ x: box.left, y: box.bottom + 2 });
        }}
      />
      {at !== null && (
        <Menu
          label="Columns"
          at={at}
          onClose={() => setAt(null)}
          items={CHOICES.map(({ id, label, title }) => ({
            label: title,
            ...(label === title ? {} : { key: label }),
            checked: chosen.value.includes(id),
            stay: true,
            run: () => { chosen.value = chosen.peek().includes(id) ? chosen.peek().filter((other) => other !== id) : [...chosen.peek(), id]; },
          }))}
        />
      )}
    </>
  );
}
