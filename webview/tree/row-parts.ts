/** Small questions about the rows of a tree. */
import type { Pattern } from "../../src/checkpoint/pattern";
import type { TreeNode } from "./tree";
import type { VisibleRow } from "./visible-rows";

/** The matched part of the row's own label; a match may lie in the path above it. */
export function matchIn(node: TreeNode, pattern: Pattern): readonly [number, number] | null {
  if (node.kind === "each") return null;
  if (node.tensor >= 0 && node.path.endsWith(node.label)) {
    const found = pattern.find(node.path);
    const start = node.path.length - node.label.length;
    if (found === null || pattern.kind === "glob") return null;
    return found[1] <= start ? null : [Math.max(0, found[0] - start), found[1] - start];
  }
  return pattern.kind === "plain" ? pattern.find(node.label) : null;
}

/** Are the row's children shown? */
export function isOpen(rows: readonly VisibleRow[], index: number): boolean {
  return rows[index + 1] !== undefined && rows[index + 1]!.depth > rows[index]!.depth;
}

/** The row above that this one stands under; itself when it is an outermost one. */
export function parentRow(rows: readonly VisibleRow[], index: number): number {
  let at = index;
  while (at >= 0 && rows[at]!.depth >= rows[index]!.depth) at--;
  return at < 0 ? index : at;
}
