/** The left side: filter, columns, and the tree of pairs. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Sparkline } from "../plots/sparkline";
import { FilterField } from "../tree/filter-field";
import { matchIn } from "../tree/row-parts";
import type { TreeNode } from "../tree/tree";
import { IconButton } from "../ui/button";
import { plural, visibleText } from "../ui/format";
import { FIRST_WIDTH, Grid, type GridColumn, type GridHandle, type GridRow } from "../ui/grid";
import { Icon } from "../ui/icon";
import { Menu, type MenuItem } from "../ui/menu";
import { Name } from "../ui/name";
import { dtypeText, otherName, sectionText, shapeText } from "./entry-texts";
import { LooksCell } from "./looks-cell";
import { measureById, MEASURES } from "./measures";
import { entryMenu } from "./row-menu";
import type { CompareStore, Selection } from "./store";
import { TEXT_COLUMNS, type Row, type TreeModel } from "./tree-model";
import { exactCell, ValueCell } from "./value-cell";

const NUMBER_WIDTH = 84;
/** Fewer layers make no line. */
const LEAST_LAYERS = 3;
/** Looking for a lit tensor in larger groups would cost more than it shows. */
const FEW = 10_000;

export function TreePane({ store, model, filterRef, gridRef }: {
  store: CompareStore;
  model: TreeModel;
  filterRef: { current: HTMLElement | null };
  gridRef: { current: GridHandle | null };
}) {
  const rows = model.rows.value;
  const { list } = store.entries.value;
  const selection = store.selection.value;
  const hovered = store.hovered.value;
  const pattern = model.filter.pattern.value;
  const [menu, setMenu] = useState<{ label: string; items: MenuItem[]; x: number; y: number } | null>(null);
  const [choosing, setChoosing] = useState<{ x: number; y: number } | null>(null);

  // The tree follows a selection made elsewhere (a plot, a finding, back and forward, a restored view).
  const made = useRef<Selection | null>(null);
  useEffect(() => {
    if (made.current === selection) return;
    made.current = selection;
    const row = model.reveal(selection);
    if (row >= 0) gridRef.current?.show(row);
  }, [selection, store.entries.value]);

  const choose = (row: Row): void => {
    if (row.kind === "section") return;
    const place = placeOf(row);
    made.current = place;
    store.select(place);
  };
  const describeRow = (index: number): GridRow => {
    const row = rows[index]!;
    const place = { level: row.depth + 1, position: row.position, siblings: row.siblings };
    if (row.kind === "section") return { text: sectionText(row.section), selected: false, lit: hovered >= 0 && !row.open && row.section.entries.length <= FEW && row.section.entries.includes(hovered), expanded: row.open, ...place };
    if (row.kind === "leaf") return { text: visibleText(list[row.entry]!.name), selected: selection.kind === "entry" && selection.entry === row.entry, lit: hovered === row.entry, ...place };
    const { node } = row;
    return {
      text: visibleText(node.label),
      selected: isSelected(node, selection),
      lit: hovered >= 0 && (node.tensor === hovered || (node.kind === "folded" && node.tensors.length <= FEW && node.tensors.includes(hovered))),
      ...(node.expandable ? { expanded: isOpen(rows, index) } : {}),
      ...place,
    };
  };
  const cell = (index: number, column: GridColumn): preact.ComponentChildren => {
    const row = rows[index]!;
    if (column.id === "name") return <NameCell store={store} model={model} row={row} open={row.kind === "section" ? row.open : isOpen(rows, index)} match={pattern === null || row.kind !== "node" ? null : matchIn(row.node, pattern)} />;
    if (row.kind === "section" || (row.kind === "node" && row.node.kind === "each")) return null;
    return <Cell store={store} entries={entriesOf(row)} column={column.id} />;
  };
  const onKey = (key: string, index: number, columnId: string | null): boolean => {
    const row = rows[index]!;
    if (key === "s") model.sortBy(columnId ?? model.sort.peek().column);
    else if (key === "c") copyCell(store, row, columnId);
    else if (key === "*" && row.kind === "node") model.expandAll(row.node);
    else return false;
    return true;
  };

  return (
    <section
      class="tree-pane"
      data-region="tree"
      aria-label="Tensor tree"
      onPointerEnter={() => { store.held.value = true; }}
      onPointerLeave={() => { store.held.value = false; }}
    >
      <div class="filter-bar">
        <FilterField filter={model.filter} kept={model.keptCount.value} total={list.length} fieldRef={filterRef} onDone={() => gridRef.current?.focus()} />
        <IconButton icon="list-selection" label="Choose columns" expanded={choosing !== null} onClick={(event) => setChoosing(under(event))} />
        <IconButton icon="collapse-all" label="Close all rows" onClick={() => model.collapseAll()} />
      </div>
      <Grid
        tree
        label="Pairs of tensors by module"
        columns={gridColumns(model)}
        rowCount={rows.length}
        row={describeRow}
        cell={cell}
        sort={model.sort.value}
        onSort={(column) => model.sortBy(column)}
        onResize={(column, width) => { model.widths.value = { ...model.widths.peek(), [column]: width }; }}
        onOpen={(index, { double, key }) => {
          const row = rows[index]!;
          if (row.kind === "section") model.expand(row, !row.open);
          else if (row.kind === "node" && (row.node.kind === "each" || double)) model.expand(row, double && !key ? !isOpen(rows, index) : true);
          if (row.kind !== "node" || row.node.kind !== "each") choose(row);
        }}
        onExpand={(index, open) => model.expand(rows[index]!, open)}
        onParent={(index) => parentRow(rows, index)}
        onHover={(index) => {
          const row = rows[index];
          store.hovered.value = row?.kind === "leaf" ? row.entry : row?.kind === "node" ? row.node.tensor : -1;
        }}
        onMenu={(index, at) => {
          const row = rows[index]!;
          const label = row.kind === "section" ? sectionText(row.section) : row.kind === "leaf" ? list[row.entry]!.name : row.node.label;
          setMenu({ label: visibleText(label), items: [...(row.kind === "node" && row.node.expandable ? [{ label: "Open all below", key: "*", run: () => model.expandAll(row.node) }] : []), ...entryMenu(store, entriesOf(row), row.kind === "node" ? row.node.path : label)], ...at });
        }}
        onKey={onKey}
        empty={list.length === 0 ? "Neither model holds a tensor." : "No tensor has such a name."}
        handle={gridRef}
      />
      {menu !== null && <Menu label={menu.label} items={menu.items} at={menu} onClose={() => setMenu(null)} />}
      {choosing !== null && <Menu label="Columns" items={columnMenu(model)} at={choosing} onClose={() => setChoosing(null)} />}
    </section>
  );
}

/** A cell of the tree or of the table, but for the name. */
export function Cell({ store, entries, column }: { store: CompareStore; entries: readonly number[]; column: string }) {
  const { list } = store.entries.value;
  const first = list[entries[0] ?? -1];
  if (first === undefined) return null;
  if (column === "looks") return <LooksCell store={store} entries={entries} />;
  if (column === "shape" || column === "dtype") {
    const text = column === "shape" ? shapeText : dtypeText;
    const one = text(first);
    return entries.some((entry) => text(list[entry]!) !== one) ? <span class="muted">{column === "shape" ? plural(entries.length, "tensor") : "several"}</span> : <span title={one}>{one}</span>;
  }
  const measure = measureById(column);
  return measure === undefined ? null : <ValueCell store={store} measure={measure} entries={entries} />;
}

function NameCell({ store, model, row, open, match }: { store: CompareStore; model: TreeModel; row: Row; open: boolean; match: readonly [number, number] | null }) {
  if (row.kind === "section") {
    return (
      <span class="tree-name">
        <span class="twistie"><Icon name={open ? "chevron-down" : "chevron-right"} /></span>
        <span class="tree-label tree-section">{sectionText(row.section)}</span>
      </span>
    );
  }
  const entry = store.entries.value.list[row.kind === "leaf" ? row.entry : row.node.tensor];
  const node = row.kind === "node" ? row.node : null;
  const folds = node !== null && (node.kind === "folded" || node.kind === "layers" || (node.kind === "module" && node.foldDepth >= 0));
  const other = entry === undefined ? "" : otherName(entry);
  return (
    <span class="tree-name" style={{ paddingLeft: `${row.depth * 12}px` }}>
      {node?.expandable === true ? <span class="twistie"><Icon name={open ? "chevron-down" : "chevron-right"} /></span> : <span class="twistie-space" />}
      <span class={node?.kind === "each" ? "tree-label tree-each" : "tree-label"} title={visibleText(other === "" ? (entry?.name ?? node?.path ?? "") : `${entry!.name}\n⇄ ${other}`)}>
        <Name text={node?.label ?? entry?.name ?? ""} match={match} />
        {node?.kind === "folded" && <span class="tree-times"> ×{node.members.length}</span>}
      </span>
      {other !== "" && <span class="tree-mark" title={`Paired with ${visibleText(other)}`}><Icon name="arrow-swap" /></span>}
      {entry?.unreadable !== undefined && <span class="tree-mark" title={`Not compared: ${visibleText(entry.unreadable)}`}><Icon name="warning" /></span>}
      {folds && <LayerLine store={store} model={model} node={node} />}
    </span>
  );
}

/** The chosen measure across the folded layers. */
function LayerLine({ store, model, node }: { store: CompareStore; model: TreeModel; node: TreeNode }) {
  void store.results.value;
  const measure = model.spark.value;
  if (node.layers.length < LEAST_LAYERS) return null;
  const points = node.layers.map(({ tensors }) => {
    const { value, known, total } = store.values.value.combine(measure, tensors);
    return known < total || !Number.isFinite(value) ? null : value;
  });
  if (points.every((point) => point === null)) return null;
  return <span class="tree-line" title={`${measure.title} by layer`}><Sparkline values={points} width={56} height={14} label={`${measure.title} by layer`} /></span>;
}

export function entriesOf(row: Row): readonly number[] {
  return row.kind === "section" ? row.section.entries : row.kind === "leaf" ? [row.entry] : row.node.tensors;
}

function placeOf(row: Exclude<Row, { kind: "section" }>): Selection {
  if (row.kind === "leaf") return { kind: "entry", entry: row.entry };
  return row.node.tensor >= 0 ? { kind: "entry", entry: row.node.tensor } : { kind: "group", path: row.node.path, entries: [...row.node.tensors] };
}

function isSelected(node: TreeNode, selection: Selection): boolean {
  if (selection.kind === "entry") return node.tensor === selection.entry;
  return selection.kind === "group" && node.tensor < 0 && node.kind !== "each" && node.path === selection.path;
}

function isOpen(rows: readonly Row[], index: number): boolean {
  return rows[index + 1] !== undefined && rows[index + 1]!.depth > rows[index]!.depth;
}

function parentRow(rows: readonly Row[], index: number): number {
  let at = index;
  while (at >= 0 && rows[at]!.depth >= rows[index]!.depth) at--;
  return at < 0 ? index : at;
}

function gridColumns(model: TreeModel): GridColumn[] {
  const widths = model.widths.value;
  const chosen = model.columns.value.flatMap((id): GridColumn[] => {
    const text = TEXT_COLUMNS.find((column) => column.id === id);
    if (text !== undefined) return [{ id, header: text.label, title: text.title, width: widths[id] ?? text.width, numeric: text.numeric }];
    const measure = measureById(id);
    return measure === undefined ? [] : [{ id, header: measure.label, title: measure.title, width: widths[id] ?? NUMBER_WIDTH, numeric: true }];
  });
  return [{ id: "name", header: "name", title: "name", width: FIRST_WIDTH, numeric: false }, ...chosen];
}

const CHOICES: readonly { id: string; label: string; title: string }[] = [...TEXT_COLUMNS, ...MEASURES];

function columnMenu(model: TreeModel): MenuItem[] {
  return CHOICES.map(({ id, label, title }, i) => ({
    label: title,
    ...(label === title ? {} : { key: label }),
    checked: model.columns.value.includes(id),
    stay: true,
    separated: i === TEXT_COLUMNS.length,
    // Columns stand in the order of the picker, whatever the order they were chosen in.
    run: () => {
      const chosen = new Set(model.columns.peek());
      if (!chosen.delete(id)) chosen.add(id);
      model.columns.value = CHOICES.map((choice) => choice.id).filter((known) => chosen.has(known));
    },
  }));
}

function copyCell(store: CompareStore, row: Row, columnId: string | null): void {
  const measure = columnId === null ? undefined : measureById(columnId);
  const entries = entriesOf(row);
  const { list } = store.entries.peek();
  if (measure !== undefined) store.copy(exactCell(store, measure, entries), measure.title);
  else if (columnId === "shape" && entries.length === 1) store.copy(JSON.stringify(list[entries[0]!]!.shape), "the shape");
  else if (row.kind === "section") store.copy(entries.map((entry) => list[entry]!.name).join("\n"), `the names of ${plural(entries.length, "tensor")}`);
  else store.copy(row.kind === "leaf" ? list[row.entry]!.name : row.node.path, row.kind === "leaf" || row.node.tensor >= 0 ? "the tensor's name" : "the module's path");
}

function under(event: MouseEvent): { x: number; y: number } {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  return { x: box.left, y: box.bottom + 2 };
}
