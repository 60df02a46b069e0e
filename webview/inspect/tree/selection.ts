import type { Selection } from "../store";
import type { TreeNode } from "../../tree/tree";

/** What choosing the row selects. */
export function selectionOf(node: TreeNode): Selection {
  return node.tensor >= 0 ? { kind: "tensor", tensor: node.tensor } : { kind: "group", path: node.path, tensors: [...node.tensors] };
}
