/** Keeps a treemap drawable: a model of half a million tensors is shown by its largest parts. */
import type { TreemapNode } from "./types";

/**
 * At most about `most` leaves: the largest by value; the others of each parent become one node that says how many they
 * are. Values of inner nodes are the sums of their leaves; nodes whose parent is missing hang from the root.
 */
export function foldTreemap(nodes: readonly TreemapNode[], most: number): TreemapNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Set(nodes.map((node) => node.parent));
  const leaves = nodes.filter((node) => !parents.has(node.id));
  const kept = new Set(leaves.length <= most ? leaves : [...leaves].sort((a, b) => b.value - a.value).slice(0, most));
  const rest = new Map<string, { count: number; value: number }>();
  const sums = new Map<string, number>();
  for (const leaf of leaves) {
    if (!kept.has(leaf)) {
      const folded = rest.get(leaf.parent) ?? { count: 0, value: 0 };
      rest.set(leaf.parent, { count: folded.count + 1, value: folded.value + leaf.value });
    }
    // The bound ends the walk should a hostile name make a node its own ancestor.
    for (let at = leaf.parent, depth = 0; byId.has(at) && depth < 1000; at = byId.get(at)!.parent, depth++) {
      sums.set(at, (sums.get(at) ?? 0) + leaf.value);
    }
  }
  const result: TreemapNode[] = [];
  for (const node of nodes) {
    const parent = byId.has(node.parent) ? node.parent : "";
    if (sums.has(node.id)) result.push({ ...node, parent, value: sums.get(node.id)! });
    else if (kept.has(node)) result.push({ ...node, parent });
  }
  for (const [parent, { count, value }] of rest) {
    result.push({ id: `${parent}\u0000rest`, parent: byId.has(parent) ? parent : "", label: `${count} smaller`, value });
  }
  return result.filter((node) => node.value > 0);
}
