/** The left side: filter, columns, and the tree of tensors. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ABSENT, plural, formatShape, visibleText } from "../ui/format";
import { FIRST_WIDTH, Grid, type GridColumn, type GridHandle, type GridRow } from "../ui/grid";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Menu, type MenuItem } from "../ui/menu";
import { Name } from "../ui/name";
import { Sparkline } from "../plots/sparkline";
import { ModuleCell, UpdateNorm } from "./adapter-cells";
import { moduleRows } from "./adapter-modules";
import { columnById, COLUMNS, hasShape } from "./columns";
import { rowMenu } from "./row-menu";
import type { InspectStore, Selection } from "./store";
import { FilterField } from "../tree/filter-field";
import { isOpen, matchIn, parentRow } from "../tree/row-parts";
import type { TreeNode } from "../tree/tree";
import { selectionOf } from "./tree/selection";
import { tensorCount, type TreeModel } from "./tree-model";
import { exactCell, ValueCell } from "./value-cell";

const TEXT_COLUMNS = [
  { id: "dtype", label: "dtype", title: "element type" },
  { id: "shape", label: "shape", title: "shape" },
] as const;
const DTYPE_WIDTH = 66;
const NUMBER_WIDTH = 78;
const FEW = 10_000;
/** Fewer layers make no line. */
const LEAST_LAYERS = 3;

export function TreePane({ store, model, filterRef, gridRef }: {
  store: InspectStore;
  model: TreeModel;
  filterRef: { current: HTMLElement | null };
  gridRef: { current: GridHandle | null };
}) {
  const rows = model.rows.value;
  const selection = store.selection.value;
  const hovered = store.hovered.value;
  const pattern = model.filter.pattern.value;
  const columns = gridColumns(model);
  const [menu, setMenu] = useState<{ label: string; items: MenuItem[]; x: number; y: number } | null>(null);

  // The tree follows a selection made elsewhere (a plot, a finding, back and forward, a restored view).
  const made = useRef<Selection | null>(null);
  useEffect(() => {
    if (made.current === selection) return;
    made.current = selection;
    const row = model.reveal(selection);
    if (row >= 0) gridRef.current?.show(row);
  }, [selection, store.rows.value]);

  const choose = (node: TreeNode, alt: boolean): void => {
    if (alt && node.tensor >= 0) {
      store.toggleCompared(node.tensor);
      return;
    }
    const place = selectionOf(node);
    made.current = place;
    store.select(place);
  };
  const describeRow = (index: number): GridRow => {
    const { node, depth, position, siblings } = rows[index]!;
    return {
      text: visibleText(node.label),
      selected: isSelected(node, selection),
      lit: hovered >= 0 && (node.tensor === hovered || (node.kind === "folded" && node.tensors.includes(hovered))),
      level: depth + 1,
      position,
      siblings,
      ...(node.expandable ? { expanded: isOpen(rows, index) } : {}),
    };
  };
  const cell = (index: number, column: GridColumn): preact.ComponentChildren => {
    const { node, depth } = rows[index]!;
    if (column.id === "name") return <NameCell store={store} model={model} node={node} depth={depth} expanded={isOpen(rows, index)} match={pattern === null ? null : matchIn(node, pattern)} />;
    if (node.kind === "each") return null;
    if (column.id === "shape") return <ShapeCell store={store} node={node} />;
    if (column.id === "dtype") return <DtypeCell store={store} node={node} />;
    const definition = columnById(column.id);
    const update = column.id === "l2" ? moduleRows(store)(node) : null;
    if (update !== null) return <UpdateNorm row={update} />;
    return definition === undefined ? null : <ValueCell store={store} column={definition} tensors={node.tensors} />;
  };
  const onKey = (key: string, index: number, columnId: string | null): boolean => {
    const { node } = rows[index]!;
    if (key === "s") model.sortBy(columnId ?? model.sort.peek()?.column ?? model.spark.peek().id);
    else if (key === "c") copyCell(store, node, columnId);
    else if (key === "*") model.expandAll(node);
    else return false;
    return true;
  };
  const columnMenu = (): MenuItem[] =>
    [...TEXT_COLUMNS, ...COLUMNS].map(({ id, label, title }, i) => ({
      label: title,
      ...(label === title ? {} : { key: label }),
      checked: model.columns.value.includes(id),
      stay: true,
      separated: i > 0 && (i === TEXT_COLUMNS.length || columnById(id)?.part !== COLUMNS[i - TEXT_COLUMNS.length - 1]?.part) && i >= TEXT_COLUMNS.length,
      run: () => toggleColumn(model, id),
    }));
  const [choosing, setChoosing] = useState<{ x: number; y: number } | null>(null);

  return (
    <section class="tree-pane" data-region="tree" aria-label="Tensor tree">
      <div class="filter-bar">
        <FilterField filter={model.filter} kept={model.keptCount.value} total={store.rows.value.length} fieldRef={filterRef} onDone={() => gridRef.current?.focus()} />
        <IconButton icon="list-selection" label="Choose columns" expanded={choosing !== null} onClick={(event) => setChoosing(under(event))} />
        <IconButton icon="collapse-all" label="Close all rows" onClick={() => model.collapseAll()} />
      </div>
      <Grid
        tree
        label="Tensors by module"
        columns={columns}
        rowCount={rows.length}
        row={describeRow}
        cell={cell}
        sort={model.sort.value}
        onSort={(column) => model.sortBy(column)}
        onResize={(column, width) => { model.widths.value = { ...model.widths.peek(), [column]: width }; }}
        onOpen={(index, { alt, double }) => {
          const { node } = rows[index]!;
          if (double || node.kind === "each") model.expand(node, double ? !isOpen(rows, index) : true);
          if (!double && node.kind !== "each") choose(node, alt);
        }}
        onExpand={(index, expanded) => model.expand(rows[index]!.node, expanded)}
        onParent={(index) => parentRow(rows, index)}
        onHover={(index) => { store.hovered.value = index < 0 ? -1 : (rows[index]?.node.tensor ?? -1); }}
        onMenu={(index, at) => { const { node } = rows[index]!; setMenu({ label: visibleText(node.label), items: rowMenu(store, model, node), ...at }); }}
        onKey={onKey}
        empty={store.rows.value.length === 0 ? "The file holds no tensors." : "No tensor has such a name."}
        handle={gridRef}
      />
      {menu !== null && <Menu label={menu.label} items={menu.items} at={menu} onClose={() => setMenu(null)} />}
      {choosing !== null && <Menu label="Columns" items={columnMenu()} at={choosing} onClose={() => setChoosing(null)} />}
    </section>
  );
}

function NameCell({ store, model, node, depth, expanded, match }: {
  store: InspectStore;
  model: TreeModel;
  node: TreeNode;
  depth: number;
  expanded: boolean;
  match: readonly [number, number] | null;
}) {
  const row = node.tensor >= 0 ? store.rows.value[node.tensor] : undefined;
  const folds = node.kind === "folded" || node.kind === "layers" || (node.kind === "module" && node.foldDepth >= 0);
  return (
    <span class="tree-name" style={{ paddingLeft: `${depth * 12}px` }}>
      {node.expandable ? <span class="twistie"><Icon name={expanded ? "chevron-down" : "chevron-right"} /></span> : <span class="twistie-space" />}
      <span class={node.kind === "each" ? "tree-label tree-each" : "tree-label"} title={visibleText(node.path)}>
        <Name text={node.label} match={match} />
        {node.kind === "folded" && <span class="tree-times"> ×{node.members.length}</span>}
      </span>
      {row?.unreadable !== undefined && <span class="tree-mark" title={visibleText(row.unreadable)}><Icon name="warning" /></span>}
      {node.kind !== "each" && <Alarm store={store} node={node} />}
      {row?.sharedWith !== undefined && <span class="tree-mark" title={`The same bytes as ${visibleText(row.sharedWith.join(", "))}`}><Icon name="link" /></span>}
      {node.tensor >= 0 && store.compared.value.includes(node.tensor) && <span class="tree-mark" title="In the comparison set"><Icon name="pinned" /></span>}
      {folds && <LayerLine store={store} model={model} node={node} />}
    </span>
  );
}

/** A row with an error or a warning says so, also while the tensor that has it is folded away. */
function Alarm({ store, node }: { store: InspectStore; node: TreeNode }) {
  const alarms = store.alarms.value;
  if (alarms.size === 0) return null;
  // Once one is known the row is marked; the worst of a few is worth finding, that of many is not.
  const has = (severity?: string) => (tensor: number): boolean => alarms.has(tensor) && (severity === undefined || alarms.get(tensor)!.severity === severity);
  const hit = (node.tensors.length <= FEW ? node.tensors.find(has("error")) : undefined) ?? node.tensors.find(has());
  const finding = hit === undefined ? undefined : alarms.get(hit);
  if (finding === undefined) return null;
  const where = node.tensor < 0 && finding.tensor !== undefined ? `${finding.tensor}: ` : "";
  return (
    <span class={`tree-mark finding-${finding.severity}`} role="img" aria-label={finding.severity} title={visibleText(where + finding.message)}>
      <Icon name={finding.severity === "error" ? "error" : "warning"} />
    </span>
  );
}

/** The chosen column across the folded layers. */
function LayerLine({ store, model, node }: { store: InspectStore; model: TreeModel; node: TreeNode }) {
  void store.results.value;
  const column = model.spark.value;
  const values = store.values.value;
  if (node.layers.length < LEAST_LAYERS) return null;
  const points = node.layers.map(({ tensors }) => {
    const { value, known, total } = values.combine(column, tensors);
    return known < total || Number.isNaN(value) ? null : value;
  });
  if (points.every((point) => point === null)) return null;
  return <span class="tree-line" title={`${column.title} by layer`}><Sparkline values={points} width={56} height={14} label={`${column.title} by layer`} /></span>;
}

function ShapeCell({ store, node }: { store: InspectStore; node: TreeNode }) {
  const rows = store.rows.value;
  const update = moduleRows(store)(node);
  if (update !== null) return <ModuleCell row={update} />;
  if (node.kind !== "tensor" && node.kind !== "folded") return <span class="muted" title={plural(node.tensors.length, "tensor")}>{tensorCount(node.tensors.length)}</span>;
  const known = node.tensors.map((tensor) => rows[tensor]!).filter(hasShape);
  const shape = known[0]?.shape;
  if (shape === undefined) return <span class="muted">{ABSENT}</span>;
  if (known.some((row) => !sameShape(row.shape, shape))) return <span class="muted">several</span>;
  return <span title={formatShape(shape)}>{formatShape(shape)}</span>;
}

function DtypeCell({ store, node }: { store: InspectStore; node: TreeNode }) {
  const rows = store.rows.value;
  const first = rows[node.tensors[0] ?? -1]?.dtype ?? "";
  const mixed = node.tensors.some((tensor) => rows[tensor]!.dtype !== first);
  return mixed ? <span class="muted">several</span> : <>{visibleText(first)}</>;
}

function gridColumns(model: TreeModel): GridColumn[] {
  const widths = model.widths.value;
  const chosen = model.columns.value.flatMap((id): GridColumn[] => {
    const text = TEXT_COLUMNS.find((column) => column.id === id);
    if (text !== undefined) return [{ id, header: text.label, title: text.title, width: widths[id] ?? (id === "shape" ? model.shapeWidth.value : DTYPE_WIDTH), numeric: id === "shape" }];
    const column = columnById(id);
    return column === undefined ? [] : [{ id, header: column.label, title: column.title, width: widths[id] ?? NUMBER_WIDTH, numeric: true }];
  });
  return [{ id: "name", header: "name", title: "name", width: FIRST_WIDTH, numeric: false }, ...chosen];
}

/** Columns stand in the order of the picker, whatever the order they were chosen in. */
function toggleColumn(model: TreeModel, id: string): void {
  const chosen = new Set(model.columns.peek());
  if (!chosen.delete(id)) chosen.add(id);
  model.columns.value = [...TEXT_COLUMNS, ...COLUMNS].map((column) => column.id).filter((known) => chosen.has(known));
}

function isSelected(node: TreeNode, selection: Selection): boolean {
  if (selection.kind === "tensor") return node.tensor === selection.tensor;
  return selection.kind === "group" && node.tensor < 0 && node.kind !== "each" && node.path === selection.path;
}

function copyCell(store: InspectStore, node: TreeNode, columnId: string | null): void {
  const column = columnId === null ? undefined : columnById(columnId);
  if (column !== undefined) store.copy(exactCell(store, column, node.tensors), column.title);
  else if (columnId === "shape" && node.tensor >= 0) store.copy(JSON.stringify(store.rows.peek()[node.tensor]!.shape), "the shape");
  else store.copy(node.path, node.tensor >= 0 ? "the tensor's name" : "the module's path");
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((extent, i) => extent === b[i]));
}

function under(event: MouseEvent): { x: number; y: number } {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  return { x: box.left, y: box.bottom + 2 };
}
