/** What the tree and the tables list: every pair, and every tensor that has none. */
import type { CompareSnapshot } from "../../src/protocol/compare";
import { decodeTable, type TableRow } from "../../src/protocol/tensor-table";

/** `reshaped`: belong together, but their shapes cannot be compared. */
export type EntryKind = "pair" | "reshaped" | "onlyInA" | "onlyInB";

export interface Entry {
  readonly kind: EntryKind;
  /** Unique among all entries: A's name (B's, where only that exists), followed by the part of it that is paired. */
  readonly name: string;
  /** The tensors; null where a side has none. */
  readonly a: TableRow | null;
  readonly b: TableRow | null;
  /** Of what is compared; A's for `reshaped`. */
  readonly shape: readonly number[];
  /** What of each side, when it is not all of it. */
  readonly parts: { a: string; b: string } | null;
  /** Index into the rules; −1 for equal names, and where there is no pair. */
  readonly rule: number;
  /** Why it cannot be compared. */
  readonly unreadable?: string;
}

type Ready = Extract<CompareSnapshot, { status: "ready" }>;

export interface Entries {
  /** Pairs first: entry i is pair i. */
  readonly list: readonly Entry[];
  readonly pairs: number;
  readonly rowsA: readonly TableRow[];
  readonly rowsB: readonly TableRow[];
}

export const NO_ENTRIES: Entries = { list: [], pairs: 0, rowsA: [], rowsB: [] };

/** The entries of a snapshot, in A's order, what is only in B last. */
export function entriesOf({ a, b, pairs }: Ready): Entries {
  const rowsA = decodeTable(a.table);
  const rowsB = decodeTable(b.table);
  const parts = new Map(pairs.parts);
  const shapes = new Map(pairs.shapes);
  const unreadable = new Map(pairs.unreadable);
  const taken = new Set<string>();
  const unique = (name: string): string => {
    let free = name;
    for (let i = 2; taken.has(free); i++) free = `${name} #${i}`;
    taken.add(free);
    return free;
  };
  const list: Entry[] = [];
  for (let i = 0; i < pairs.length; i++) {
    const rowA = rowsA[pairs.a[i]!]!;
    const rowB = rowsB[pairs.b[i]!]!;
    const part = parts.get(i) ?? null;
    const why = unreadable.get(i);
    list.push({
      kind: "pair", name: unique(rowA.name + (part?.a ?? "")), a: rowA, b: rowB, shape: shapes.get(i) ?? rowA.shape, parts: part, rule: pairs.rule[i]!,
      ...(why === undefined ? {} : { unreadable: why }),
    });
  }
  for (const [of, with_] of pairs.reshaped) {
    const rowA = rowsA[of]!;
    list.push({ kind: "reshaped", name: unique(rowA.name), a: rowA, b: rowsB[with_]!, shape: rowA.shape, parts: null, rule: -1 });
  }
  for (const tensor of pairs.onlyInA) {
    const row = rowsA[tensor]!;
    list.push({ kind: "onlyInA", name: unique(row.name), a: row, b: null, shape: row.shape, parts: null, rule: -1 });
  }
  for (const tensor of pairs.onlyInB) {
    const row = rowsB[tensor]!;
    list.push({ kind: "onlyInB", name: unique(row.name), a: null, b: row, shape: row.shape, parts: null, rule: -1 });
  }
  return { list, pairs: pairs.length, rowsA, rowsB };
}

/** Of another element type on the other side; compared all the same. */
export function isRetyped({ kind, a, b }: Entry): boolean {
  return kind === "pair" && a !== null && b !== null && a.dtype !== b.dtype;
}
