import { useMemo } from "preact/hooks";
import { Treemap } from "../plots/treemap";
import type { TreemapNode } from "../plots/types";
import { kindOf } from "../../src/checkpoint/structure";
import { parametersOf } from "./columns";
import type { InspectStore } from "./store";
import { Tree, type TreeNode } from "../tree/tree";
import { selectionOf } from "./tree/selection";

/** Deeper modules are part of their parent's rectangle. */
const DEPTH = 5;
const MOST_NODES = 3000;

/** Treemap of parameters by module, repeated layers folded. */
export function ParameterMap({ store }: { store: InspectStore }) {
  const modules = store.modules.value;
  const rows = store.rows.value;
  const { nodes, byId } = useMemo(() => treemapNodes(new Tree(modules, null), rows), [modules, rows]);
  if (nodes.length < 3) return null;
  return (
    <section class="overview-map">
      <Treemap
        id="parameters"
        title="Parameters by module"
        label="Parameters by module"
        nodes={nodes}
        onSelect={(id) => {
          const node = byId.get(id);
          if (node !== undefined && node.kind !== "module" && node.kind !== "layers") store.select(selectionOf(node));
        }}
        table={() => {
          const listed = nodes.filter(({ id }) => byId.has(id));
          return [
            { name: "module", values: listed.map(({ id }) => byId.get(id)!.path) },
            { name: "parameters", values: listed.map(({ value }) => value) },
          ];
        }}
      />
    </section>
  );
}

function treemapNodes(tree: Tree, rows: InspectStore["rows"]["value"]): { nodes: TreemapNode[]; byId: Map<string, TreeNode> } {
  const nodes: TreemapNode[] = [];
  const byId = new Map<string, TreeNode>();
  const visit = (node: TreeNode, parent: string, depth: number): void => {
    for (const child of node.children) {
      if (child.kind === "each" || nodes.length >= MOST_NODES) continue;
      const value = child.tensors.reduce((sum, tensor) => sum + parametersOf(rows[tensor]!.shape), 0);
      if (value === 0) continue;
      const first = rows[child.tensors[0]!]!;
      const leaf = child.kind === "tensor" || child.kind === "folded";
      nodes.push({
        id: child.id, parent, label: child.label, value,
        ...(leaf ? { kind: kindOf(first.name, first.shape), tensor: child.tensors[0]! } : {}),
      });
      byId.set(child.id, child);
      if (!leaf && depth < DEPTH) visit(child, child.id, depth + 1);
    }
  };
  visit(tree.root, "", 1);
  return { nodes, byId };
}
