/** The inspector's keys, as its help lists them. */
import { PLOT_KEYS, type KeyList } from "../frame/help";

export const KEYS: KeyList = [
  ["Anywhere", [
    ["/", "filter the tree"],
    ["g o · g t · g h · g s · g r · g m", "Overview · Tensors · Health · Spectra · Ranks (of an adapter) · Metadata"],
    ["Alt ← · Alt →", "back and forward through what was selected"],
    ["F6", "next region: strip, tree, detail, status line"],
    ["Esc", "clear the filter or the comparison; stop the analysis"],
    ["?", "this list"],
  ]],
  ["Tree and table", [
    ["↑ ↓ · Page ↑ ↓ · Home End", "move by row"],
    ["→ ←", "open and close a row, go to its parent; walk its cells"],
    ["Enter", "open the row's page"],
    ["Alt Enter · Alt click", "add to the comparison, or take out"],
    ["letters", "find a row that starts with them"],
    ["s", "sort by the focused column: down, up, file order"],
    ["c", "copy the name, or the focused cell in full"],
    ["*", "open everything below a row"],
    ["Menu · Shift F10", "what else can be done with the row"],
  ]],
  PLOT_KEYS,
];
