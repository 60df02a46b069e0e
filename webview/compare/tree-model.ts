/** What tree and table show: filter, folding and order, with the equal, the unmatched and the reshaped in rows of their own. */
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { compareNatural } from "../../src/checkpoint/natural-order";
import { createFilter, type Filter } from "../tree/filter";
import { Tree, type TreeNode } from "../tree/tree";
import { compareKeys, initialExpansion, visibleRows } from "../tree/visible-rows";
import type { Entry, EntryKind } from "./entries";
import { measureById, type Measure } from "./measures";
import type { CompareStore, Selection } from "./store";
import { looksText } from "./looks";

export interface Sort {
  column: string;
  descending: boolean;
}

/** Rows below the tree that gather what is not compared, or found equal. */
export type SectionId = "equal" | Exclude<EntryKind, "pair">;

export interface Section {
  id: SectionId;
  entries: readonly number[];
}

/** A row on screen: of the tree, of a section, or of an entry in an open section. */
export type Row =
  | { kind: "node"; node: TreeNode; depth: number; position: number; siblings: number }
  | { kind: "section"; section: Section; open: boolean; depth: 0; position: number; siblings: number }
  | { kind: "leaf"; entry: number; depth: 1; position: number; siblings: number };

export interface TreeModel {
  readonly filter: Filter;
  readonly tree: ReadonlySignal<Tree>;
  /** Entries that pass the filter. */
  readonly keptCount: ReadonlySignal<number>;
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly sections: ReadonlySignal<readonly Section[]>;
  /** The kept entries one by one, in the chosen order. */
  readonly flat: ReadonlySignal<readonly number[]>;
  readonly sort: Signal<Sort>;
  /** Columns of the tree beside the name. */
  readonly columns: Signal<string[]>;
  /** What sparklines draw. */
  readonly spark: ReadonlySignal<Measure>;
  readonly widths: Signal<Record<string, number>>;
  /** Text sorts upwards first, numbers the worst first. */
  sortBy(column: string): void;
  expand(row: Row, open: boolean): void;
  expandAll(node: TreeNode): void;
  collapseAll(): void;
  /** Opens what hides the selection and answers its row, or −1 when the filter hides it. */
  reveal(selection: Selection): number;
}

const DEFAULT_SORT: Sort = { column: "relative", descending: true };
export const TEXT_COLUMNS = [
  { id: "looks", label: "looks like", title: "what the change looks like", width: 132, numeric: false },
  { id: "dtype", label: "dtype", title: "element type of A and of B", width: 96, numeric: false },
  { id: "shape", label: "shape", title: "shape", width: 104, numeric: true },
] as const;
const TEXTS = new Set<string>(["name", ...TEXT_COLUMNS.map(({ id }) => id)]);

export function createTreeModel(store: CompareStore): TreeModel {
  const sort = store.pageState<Sort>("sort", DEFAULT_SORT);
  const columns = store.pageState<string[]>("tree.columns", ["looks", "relative"]);
  const widths = store.pageState<Record<string, number>>("tree.widths", {});
  const stored = store.pageState<string[] | null>("expanded", null);
  /** While a filter is on all rows are open, but for these. */
  const closed = signal<ReadonlySet<string>>(new Set());
  const filter = createFilter(store.pageState("filter", ""), () => store.entries.peek().list.length, () => { closed.value = new Set(); });

  const passing = computed<Uint8Array | null>(() => {
    const pattern = filter.pattern.value;
    if (pattern === null) return null;
    return Uint8Array.from(store.entries.value.list, ({ name, a, b }) => Number(pattern.test(name) || (a !== null && b !== null && a.name !== b.name && pattern.test(b.name))));
  });
  const keptCount = computed(() => passing.value?.reduce((sum, bit) => sum + bit, 0) ?? store.entries.value.list.length);
  /** Which entries stand in the tree: pairs that are not known to be equal. */
  const split = computed(() => {
    const { list } = store.entries.value;
    const known = store.settled.value;
    const kept = new Uint8Array(list.length);
    const sections: Record<SectionId, number[]> = { equal: [], reshaped: [], onlyInA: [], onlyInB: [] };
    for (let i = 0; i < list.length; i++) {
      if (passing.value !== null && passing.value[i] === 0) continue;
      const { kind } = list[i]!;
      if (kind !== "pair") sections[kind].push(i);
      else if (known.get(i)?.numbers?.equal === true) sections.equal.push(i);
      else kept[i] = 1;
    }
    return { kept, sections: (Object.keys(sections) as SectionId[]).filter((id) => sections[id].length > 0).map((id): Section => ({ id, entries: sections[id] })) };
  });
  const tree = computed(() => new Tree(store.modules.value, split.value.kept));
  const initial = computed(() => initialExpansion(tree.value));
  const expanded = computed<ReadonlySet<string>>(() => (stored.value === null ? initial.value : new Set(stored.value)));
  const isOpen = (id: string, kind: TreeNode["kind"] | "section"): boolean =>
    passing.value === null ? expanded.value.has(id) : (kind === "module" || kind === "layers" || kind === "section") !== closed.value.has(id);

  const spark = computed(() => {
    const chosen = [sort.value.column, ...columns.value].map((id) => measureById(id));
    return chosen.find((measure) => measure !== undefined && measure.part !== "shape") ?? measureById("relative")!;
  });

  /** Sorts by what has settled: rows hold still in between. */
  const keyOf = computed<(entries: readonly number[], label: string) => number | string>(() => {
    const { column } = sort.value;
    const { list } = store.entries.value;
    if (column === "name") return (_, label) => label;
    if (column === "dtype") return ([entry]) => (entry === undefined ? "" : (list[entry]!.a ?? list[entry]!.b)!.dtype);
    if (column === "looks") {
      const known = store.settled.value;
      return ([entry]) => (entry === undefined ? "" : looksText(known.get(entry)?.structure));
    }
    const measure = measureById(column === "shape" ? "parameters" : column);
    if (measure === undefined) return () => NaN;
    if (measure.part !== "shape") void store.settled.value;
    const values = store.values.value;
    return (entries) => values.combine(measure, entries).value;
  });
  const rows = computed<readonly Row[]>(() => {
    const key = keyOf.value;
    const { descending } = sort.value;
    const shown: Row[] = visibleRows(tree.value, (node) => isOpen(node.id, node.kind), { key: (node) => key(node.tensors, node.label), descending }).map((row) => ({ kind: "node", ...row }));
    const { sections } = split.value;
    const outermost = tree.value.root.children.length;
    sections.forEach((section, i) => {
      const open = isOpen(`section:${section.id}`, "section");
      shown.push({ kind: "section", section, open, depth: 0, position: outermost + i + 1, siblings: outermost + sections.length });
      if (open) section.entries.forEach((entry, at) => shown.push({ kind: "leaf", entry, depth: 1, position: at + 1, siblings: section.entries.length }));
    });
    return shown;
  });

  const flat = computed(() => {
    const { list } = store.entries.value;
    const kept: number[] = [];
    for (let i = 0; i < list.length; i++) if (passing.value === null || passing.value[i] === 1) kept.push(i);
    return sortEntries(kept, list, keyOf.value, sort.value.descending);
  });

  function change(change: (ids: Set<string>) => void): void {
    const filtering = passing.peek() !== null;
    const ids = new Set(filtering ? closed.peek() : expanded.peek());
    change(ids);
    if (filtering) closed.value = ids;
    else stored.value = [...ids];
  }
  function setOpen(id: string, kind: TreeNode["kind"] | "section", open: boolean): void {
    if (isOpen(id, kind) !== open) change((ids) => { if (!ids.delete(id)) ids.add(id); });
  }
  function pathTo(selection: Selection): TreeNode[] | null {
    if (selection.kind === "models") return null;
    const wanted = selection.kind === "entry" ? store.entries.peek().list[selection.entry]?.name : selection.path;
    const contains = (node: TreeNode): boolean =>
      selection.kind === "entry" ? node.tensors.includes(selection.entry) : node.path === wanted || selection.entries.every((entry) => node.tensors.includes(entry));
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
    filter, tree, keptCount, rows, flat, sort, columns, spark, widths,
    sections: computed(() => split.value.sections),
    sortBy(column) {
      store.settleNow();
      const now = sort.peek();
      const downFirst = !TEXTS.has(column) && measureById(column)?.least !== true;
      sort.value = now.column === column ? { column, descending: !now.descending } : { column, descending: downFirst };
    },
    expand(row, open) {
      if (row.kind === "node") setOpen(row.node.id, row.node.kind, open);
      else if (row.kind === "section") setOpen(`section:${row.section.id}`, "section", open);
    },
    expandAll(node) {
      const visit = (at: TreeNode): void => {
        if (at.kind !== "module" && at.kind !== "layers") return;
        setOpen(at.id, at.kind, true);
        at.children.forEach(visit);
      };
      visit(node);
    },
    collapseAll() {
      if (passing.peek() === null) stored.value = [];
      else closed.value = new Set(rows.peek().map((row) => (row.kind === "node" ? row.node.id : row.kind === "section" ? `section:${row.section.id}` : "")));
    },
    reveal(selection) {
      if (selection.kind === "entry") {
        const section = split.peek().sections.find(({ entries }) => entries.includes(selection.entry));
        if (section !== undefined) {
          // What is folded away stays so: its row stands for it, unless the user opened it.
          return rows.peek().findIndex((row) => (row.kind === "leaf" ? row.entry === selection.entry : row.kind === "section" && row.section.id === section.id && !row.open));
        }
      }
      const path = pathTo(selection);
      if (path === null) return -1;
      for (const node of path.slice(0, -1)) setOpen(node.id, node.kind, true);
      const target = path.at(-1)!;
      return rows.peek().findIndex((row) => row.kind === "node" && row.node.id === target.id);
    },
  };
}

/** A sorted copy; equal keys keep their order, and what has no number comes last. */
function sortEntries(entries: readonly number[], list: readonly Entry[], key: (entries: readonly number[], label: string) => number | string, descending: boolean): readonly number[] {
  const sign = descending ? -1 : 1;
  const one = [0];
  const keyed = entries.map((entry) => {
    one[0] = entry;
    return { entry, key: key(one, list[entry]!.name) };
  });
  keyed.sort((x, y) => compareKeys(x.key, y.key, sign) || compareNatural(list[x.entry]!.name, list[y.entry]!.name));
  return keyed.map(({ entry }) => entry);
}
