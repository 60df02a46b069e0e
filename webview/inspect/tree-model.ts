/** What tree and table show: filter, folding, order and columns, kept over reloads. */
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { createFilter, type Filter } from "../tree/filter";
import { formatCount, formatShape, plural } from "../ui/format";
import { columnById, type Column } from "./columns";
import type { InspectStore, Selection } from "./store";
import { initialExpansion, visibleRows, type RowOrder, type VisibleRow } from "../tree/visible-rows";
import { Tree, type TreeNode } from "../tree/tree";
import { sortTensors } from "./tree/sort-tensors";

export interface Sort {
  column: string;
  descending: boolean;
}

export interface TreeModel {
  readonly filter: Filter;
  readonly tree: ReadonlySignal<Tree>;
  /** Tensors that pass the filter. */
  readonly keptCount: ReadonlySignal<number>;
  readonly rows: ReadonlySignal<readonly VisibleRow[]>;
  /** The kept tensors one by one, in the chosen order. */
  readonly flat: ReadonlySignal<readonly number[]>;
  readonly sort: Signal<Sort | null>;
  /** Columns of the tree beside the name. */
  readonly columns: Signal<string[]>;
  /** The column that sparklines draw. */
  readonly spark: ReadonlySignal<Column>;
  /** Pixels that most shapes fit into. */
  readonly shapeWidth: ReadonlySignal<number>;
  readonly widths: Signal<Record<string, number>>;
  /** Text columns sort upwards first, numbers downwards; a third time goes back to the file's order. */
  sortBy(column: string): void;
  expand(node: TreeNode, expanded: boolean): void;
  /** Opens or closes everything below a row; closing is the whole tree's without one. */
  expandAll(node: TreeNode): void;
  collapseAll(): void;
  /** Opens what hides the selection and answers its row, or −1 when the filter hides it. */
  reveal(selection: Selection): number;
}

const TEXT_COLUMNS = new Set(["name", "dtype", "shape", "file"]);

export function createTreeModel(store: InspectStore): TreeModel {
  const typed = store.pageState("filter", "");
  const sort = store.pageState<Sort | null>("sort", null);
  const columns = store.pageState<string[]>("tree.columns", ["shape", "l2"]);
  const widths = store.pageState<Record<string, number>>("tree.widths", {});
  const stored = store.pageState<string[] | null>("expanded", null);
  /** While a filter is on all rows are open, but for these. */
  const closed = signal<ReadonlySet<string>>(new Set());

  const filter = createFilter(typed, () => store.rows.peek().length, () => { closed.value = new Set(); });
  const kept = computed(() => {
    const pattern = filter.pattern.value;
    if (pattern === null) return null;
    const rows = store.rows.value;
    const kept = new Uint8Array(rows.length);
    for (let i = 0; i < rows.length; i++) if (pattern.test(rows[i]!.name)) kept[i] = 1;
    return kept;
  });
  const tree = computed(() => new Tree(store.modules.value, kept.value));
  const keptCount = computed(() => {
    if (kept.value === null) return store.rows.value.length;
    let count = 0;
    for (const bit of kept.value) count += bit;
    return count;
  });
  const initial = computed(() => initialExpansion(tree.value));
  const expanded = computed<ReadonlySet<string>>(() => (stored.value === null ? initial.value : new Set(stored.value)));
  const isExpanded = (node: TreeNode): boolean =>
    kept.value === null ? expanded.value.has(node.id) : (node.kind === "module" || node.kind === "layers") !== closed.value.has(node.id);

  const spark = computed(() => {
    const chosen = [sort.value?.column, ...columns.value].map((id) => (id === undefined ? undefined : columnById(id)));
    return chosen.find((column) => column !== undefined && column.part !== "structure") ?? columnById("l2")!;
  });

  const shapeWidth = computed(() => {
    const texts = new Set([tensorCount(store.rows.value.length)]);
    // Equal shapes are one array in the table, so that this looks at each once.
    for (const shape of new Set(store.rows.value.map((row) => row.shape))) texts.add(formatShape(shape));
    // Of thousands of shapes the longest tell enough.
    const longest = [...texts].sort((one, other) => other.length - one.length).slice(0, 8);
    return Math.max(84, Math.min(190, 20 + Math.max(...longest.map(textWidth))));
  });

  const order = computed<RowOrder | null>(() => {
    const by = sort.value;
    if (by === null) return null;
    const { descending } = by;
    const rows = store.rows.value;
    if (by.column === "name") return { key: (node) => node.label, descending };
    if (by.column === "dtype") return { key: (node) => rows[node.tensors[0] ?? -1]?.dtype ?? "", descending };
    const column = columnById(by.column === "shape" ? "parameters" : by.column);
    if (column === undefined) return null;
    const values = store.values.value;
    if (column.part !== "structure") void store.results.value;
    return { key: (node) => values.combine(column, node.tensors).value, descending };
  });
  const rows = computed(() => visibleRows(tree.value, isExpanded, order.value));
  const flat = computed(() => {
    const by = sort.value;
    if (by !== null && columnById(by.column)?.part !== "structure") void store.results.value;
    return sortTensors(store.rows.value, kept.value, by, store.values.value);
  });

  function change(change: (ids: Set<string>) => void): void {
    const target = kept.peek() === null ? expanded : closed;
    const ids = new Set(target.peek());
    change(ids);
    if (target === closed) closed.value = ids;
    else stored.value = [...ids];
  }
  function expand(node: TreeNode, open: boolean): void {
    if (isExpanded(node) === open) return;
    change((ids) => { if (!ids.delete(node.id)) ids.add(node.id); });
  }
  /** The row's ancestors and itself, from the outermost; null when the tree does not show it. */
  function pathTo(selection: Selection): TreeNode[] | null {
    if (selection.kind === "model") return null;
    const wanted = selection.kind === "tensor" ? store.rows.peek()[selection.tensor]?.name : selection.path;
    const contains = (node: TreeNode): boolean =>
      selection.kind === "tensor" ? node.tensors.includes(selection.tensor) : node.path === wanted || selection.tensors.every((tensor) => node.tensors.includes(tensor));
    const path: TreeNode[] = [];
    let at: TreeNode | undefined = tree.peek().root;
    for (;;) {
      const next: TreeNode | undefined = at.children.find(contains);
      if (next === undefined) return null;
      path.push(next);
      if (next.path === wanted && next.kind !== "each") return path;
      at = next;
    }
  }

  return {
    filter, tree, keptCount, rows, flat, sort, columns, spark, shapeWidth, widths, expand,
    sortBy(column) {
      const firstWay = !TEXT_COLUMNS.has(column);
      const now = sort.peek();
      if (now?.column !== column) sort.value = { column, descending: firstWay };
      else sort.value = now.descending === firstWay ? { column, descending: !firstWay } : null;
    },
    expandAll(node) {
      const open: TreeNode[] = [];
      const visit = (at: TreeNode): void => {
        if (at.kind !== "module" && at.kind !== "layers") return;
        open.push(at);
        at.children.forEach(visit);
      };
      visit(node);
      change((ids) => { for (const { id } of open) kept.peek() === null ? ids.add(id) : ids.delete(id); });
    },
    collapseAll() {
      if (kept.peek() === null) stored.value = [];
      else closed.value = new Set(rows.peek().map(({ node }) => node.id));
    },
    reveal(selection) {
      const path = pathTo(selection);
      if (path === null) return -1;
      for (const node of path.slice(0, -1)) expand(node, true);
      const target = path.at(-1)!;
      return rows.peek().findIndex(({ node }) => node.id === target.id);
    },
  };
}

/** How many tensors a module holds, short enough for a narrow column. */
export function tensorCount(count: number): string {
  return count < 100_000 ? plural(count, "tensor") : `${formatCount(count)} tensors`;
}

/** Pixels of a text in the page's font. */
function textWidth(text: string): number {
  const context = typeof document === "undefined" ? null : document.createElement("canvas").getContext("2d");
  if (context === null) return 7 * text.length;
  const { fontSize, fontFamily } = getComputedStyle(document.body);
  context.font = `${fontSize} ${fontFamily}`;
  return context.measureText(text).width;
}
