import { theme } from "../plots/theme";

/** A or B in the colour that charts draw that side in. */
export function SideLetter({ letter }: { letter: "A" | "B" }) {
  return <span class="side-letter" style={{ color: theme.value.chart[letter === "A" ? "blue" : "orange"] }}>{letter}</span>;
}
