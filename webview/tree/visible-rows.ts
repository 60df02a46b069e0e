/** The rows of the tree that stand on screen: expanded nodes flattened, siblings in the chosen order. */
import { compareNatural } from "../../src/checkpoint/natural-order";
import type { Tree, TreeNode } from "./tree";

export interface VisibleRow {
  node: TreeNode;
  /** 0 for the outermost rows. */
  depth: number;
  /** Place among its siblings, from 1, and their number. */
  position: number;
  siblings: number;
}

/** Siblings' sort key; NaN (nothing known) goes last in either direction. A text key sorts as people count: 2 before 10. */
export interface RowOrder {
  key(node: TreeNode): number | string;
  descending: boolean;
}

/** Rows in order; without `order` in the model's own. The row of single layers stays below the others. */
export function visibleRows(tree: Tree, isExpanded: (node: TreeNode) => boolean, order: RowOrder | null): VisibleRow[] {
  const rows: VisibleRow[] = [];
  const add = (parent: TreeNode, depth: number): void => {
    const children = order === null ? parent.children : sortNodes(parent.children, order);
    const siblings = children.length;
    for (let i = 0; i < siblings; i++) {
      const node = children[i]!;
      rows.push({ node, depth, position: i + 1, siblings });
      if (node.expandable && isExpanded(node)) add(node, depth + 1);
    }
  };
  add(tree.root, 0);
  return rows;
}

/** A sorted copy; equal keys keep the model's order. */
export function sortNodes(nodes: readonly TreeNode[], order: RowOrder): readonly TreeNode[] {
  if (nodes.length < 2) return nodes;
  const keyed = nodes.map((node) => ({ node, key: order.key(node) }));
  const sign = order.descending ? -1 : 1;
  keyed.sort((a, b) => {
    const last = Number(a.node.kind === "each") - Number(b.node.kind === "each");
    return last !== 0 ? last : compareKeys(a.key, b.key, sign);
  });
  return keyed.map(({ node }) => node);
}

/** Compares two keys in the direction `sign`, with NaN last in both directions. */
export function compareKeys(a: number | string, b: number | string, sign: number): number {
  if (typeof a === "string" || typeof b === "string") return sign * compareNatural(String(a), String(b));
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  if (Number.isNaN(b)) return -1;
  return sign * (a < b ? -1 : a > b ? 1 : 0);
}

/** Which rows start out expanded: breadth first, as long as the tree stays within about a screenful. */
export function initialExpansion(tree: Tree, rows = 32): Set<string> {
  const expanded = new Set<string>();
  let shown = tree.root.children.length;
  const queue = tree.root.children.filter((node) => node.kind === "module" || node.kind === "layers");
  for (const node of queue) {
    if (shown + node.children.length > rows && expanded.size > 0) continue;
    if (shown + node.children.length > 4 * rows) continue;
    expanded.add(node.id);
    shown += node.children.length;
    queue.push(...node.children.filter((child) => child.kind === "module" || child.kind === "layers"));
  }
  return expanded;
}
