/** The comparison's keys, as its help lists them. */
import { PLOT_KEYS, type KeyList } from "../frame/help";

export const KEYS: KeyList = [
  ["Anywhere", [
    ["/", "filter the tree"],
    ["g o · g t · g m · g f", "Overview · Pairs (the table) · Mapping · Findings"],
    ["Alt ← · Alt →", "back and forward through what was selected"],
    ["F6", "next region: strip, tree, detail, status line"],
    ["Esc", "clear the filter; stop the comparison"],
    ["?", "this list"],
  ]],
  ["Tree and table", [
    ["↑ ↓ · Page ↑ ↓ · Home End", "move by row"],
    ["→ ←", "open and close a row, go to its parent; walk its cells"],
    ["Enter", "open the row's page"],
    ["letters", "find a row that starts with them"],
    ["s", "sort by the focused column, the other way round at the second time"],
    ["c", "copy the name, or the focused cell in full"],
    ["*", "open everything below a row"],
    ["Menu · Shift F10", "what else can be done with the row"],
  ]],
  PLOT_KEYS,
];
