/** An entry's shape, dtypes and section in words. */
import { ABSENT, formatShape, plural, visibleText } from "../ui/format";
import type { Entry } from "./entries";
import type { Section } from "./tree-model";

export function shapeText(entry: Entry): string {
  if (entry.kind === "reshaped") return `${formatShape(entry.a!.shape)} ⇄ ${formatShape(entry.b!.shape)}`;
  return entry.shape.length === 0 && (entry.a ?? entry.b)!.bytes === 0 ? ABSENT : formatShape(entry.shape);
}

/** One type, or both sides' when they differ. */
export function dtypeText({ a, b }: Entry): string {
  if (a === null || b === null) return visibleText((a ?? b)!.dtype);
  return a.dtype === b.dtype ? visibleText(a.dtype) : `${visibleText(a.dtype)} → ${visibleText(b.dtype)}`;
}

/** What a section's row says. */
export function sectionText({ id, entries: { length } }: Section): string {
  switch (id) {
    case "equal": return plural(length, "equal tensor");
    case "reshaped": return `${plural(length, "tensor")} of other shapes`;
    case "onlyInA": return `${plural(length, "tensor")} only in A`;
    case "onlyInB": return `${plural(length, "tensor")} only in B`;
  }
}

/** The other side's name, where it differs; empty otherwise. */
export function otherName({ a, b, parts }: Entry): string {
  if (a === null || b === null || (a.name === b.name && parts === null)) return "";
  return b.name + (parts?.b ?? "");
}
