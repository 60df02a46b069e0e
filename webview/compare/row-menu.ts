/** What can be done with a row of the tree or the table: the entries of its menu. */
import { plural } from "../ui/format";
import type { MenuItem } from "../ui/menu";
import type { CompareStore } from "./store";

export function entryMenu(store: CompareStore, entries: readonly number[], path: string): MenuItem[] {
  const { list } = store.entries.peek();
  const single = entries.length === 1 ? list[entries[0]!] : undefined;
  const pairs = entries.filter((entry) => list[entry]!.kind === "pair" && list[entry]!.unreadable === undefined);
  const changed = pairs.filter((entry) => store.results.peek().get(entry)?.numbers?.equal !== true);
  const items: MenuItem[] = [{ label: single === undefined ? "Copy path" : "Copy name", key: "c", run: () => store.copy(path, single === undefined ? "the path" : "the tensor's name") }];
  if (single === undefined) items.push({ label: `Copy names of ${plural(entries.length, "tensor")}`, run: () => store.copy(entries.map((entry) => list[entry]!.name).join("\n"), `the names of ${plural(entries.length, "tensor")}`) });
  if (single?.b != null && single.a !== null && single.b.name !== single.a.name) {
    const { name } = single.b;
    items.push({ label: "Copy B's name", run: () => store.copy(name, "B's name") });
  }
  if (single !== undefined) {
    for (const side of ["a", "b"] as const) {
      const row = single[side];
      if (row !== null) items.push({ label: `Inspect in ${side.toUpperCase()}`, separated: side === "a" || single.a === null, run: () => store.host.notify("inspect", { side, tensor: row.name }) });
    }
  }
  const many = single === undefined ? ` of ${plural(pairs.length, "pair")}` : "";
  items.push(
    { label: `Compute differences${many}`, separated: true, disabled: pairs.length === 0, run: () => store.analyse(["difference", "structure"], pairs) },
    { label: `Compute spectra of the change${many}`, disabled: changed.length === 0, run: () => store.analyse(["spectrum"], changed) },
  );
  return items;
}
