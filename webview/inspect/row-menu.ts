/** What can be done with a row of the tree or the table: the entries of its menu. */
import type { MenuItem } from "../ui/menu";
import { plural } from "../ui/format";
import { hasSpectrum } from "./columns";
import { loadSnippet } from "./snippet";
import type { InspectStore } from "./store";
import type { TreeModel } from "./tree-model";
import type { TreeNode } from "../tree/tree";

/** More names than this do not go into one snippet. */
const MOST_IN_SNIPPET = 1000;

/** For a row of the tree. */
export function rowMenu(store: InspectStore, model: TreeModel, node: TreeNode): MenuItem[] {
  const open: MenuItem[] = node.expandable ? [{ label: "Open all below", key: "*", run: () => model.expandAll(node) }] : [];
  return [...open, ...tensorMenu(store, node.tensors, node.path, node.tensor >= 0)];
}

/** For tensors, by their common path; `single` for one tensor. */
export function tensorMenu(store: InspectStore, tensors: readonly number[], path: string, single: boolean): MenuItem[] {
  const rows = store.rows.peek();
  const many = single ? "" : ` of ${plural(tensors.length, "tensor")}`;
  const files = new Set(tensors.map((tensor) => rows[tensor]!.file));
  const first = tensors[0];
  const file = first === undefined ? undefined : store.overview.peek()?.files[rows[first]!.file]?.path;
  const readable = tensors.filter((tensor) => rows[tensor]!.unreadable === undefined);
  const matrices = readable.filter((tensor) => hasSpectrum(rows[tensor]!.shape));
  const items: MenuItem[] = [{ label: single ? "Copy name" : "Copy path", key: "c", run: () => store.copy(path, single ? "the tensor's name" : "the module's path") }];
  if (!single) items.push({ label: `Copy names${many}`, run: () => store.copy(tensors.map((tensor) => rows[tensor]!.name).join("\n"), `the names${many}`) });
  if (file !== undefined && files.size === 1) {
    items.push({ label: "Copy file path", run: () => store.copy(file, "the file's path") });
    if (tensors.length <= MOST_IN_SNIPPET) {
      items.push({ label: "Copy Python snippet", run: () => store.copy(loadSnippet(file, tensors.map((tensor) => rows[tensor]!.name)), `Python that loads ${single ? "the tensor" : plural(tensors.length, "tensor")}`) });
    }
  }
  if (single && first !== undefined) {
    items.push({
      label: store.compared.peek().includes(first) ? "Take out of the comparison" : "Add to the comparison",
      key: "Alt+Enter",
      separated: true,
      run: () => store.toggleCompared(first),
    });
  }
  items.push(
    { label: `Compute statistics${many}`, separated: !single, disabled: readable.length === 0, run: () => store.analyse(["statistics", "norms"], readable) },
    { label: `Compute spectra${single ? "" : ` of ${plural(matrices.length, "matrix", "matrices")}`}`, disabled: matrices.length === 0, run: () => store.analyse(["spectrum"], matrices) },
  );
  return items;
}
