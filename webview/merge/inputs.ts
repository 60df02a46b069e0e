/** How the models that go into a merge are named and drawn: a short name, a letter, a colour, and a pattern as the second cue. */
import type { MergeOverview } from "../../src/protocol/merge";
import { shortest } from "../models/names";
import { visibleText } from "../ui/format";

/** What the first inputs are drawn with; others begin again. */
const LOOKS = 6;

export interface InputLook {
  /** As much of the path as tells it from the others, ready to be shown. */
  name: string;
  letter: string;
  /** For `kindStyle`. */
  kind: string;
  /** Of the pattern over the colour. */
  pattern: number;
  base: boolean;
}

export function inputLooks(inputs: MergeOverview["inputs"]): InputLook[] {
  const names = shortest(inputs.map(({ label }) => label));
  return inputs.map(({ base }, i) => ({ name: visibleText(names[i]!), letter: letter(i), kind: `input_${i % LOOKS}`, pattern: i % LOOKS, base }));
}

/** A … Z, AA … */
function letter(index: number): string {
  return (index >= 26 ? letter(Math.floor(index / 26) - 1) : "") + String.fromCharCode(65 + (index % 26));
}
