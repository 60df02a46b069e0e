/** What the changes of all tensors look like, together. */
import { grouped } from "../../checkpoint/quote";
import type { Structure } from "../../protocol/results";
import type { Compared } from "./summary";
import { counted, joined, percent } from "../structure/words";
import { short } from "./words";

type Structured = Compared & { structure: Structure };

/** At most so many tensors are described one by one. */
const NAMED = 4;

/** `all`: a clause about every change, when they are alike: "each is a rank-16 update". */
export function structureSentences(changed: readonly Compared[]): { all?: string; sentences: string[] } {
  const known = changed.filter((each): each is Structured => each.structure !== undefined && each.structure.kind !== "none");
  if (known.length === 0) return { sentences: [] };
  const kinds = new Map<Structure["kind"], Structured[]>();
  for (const each of known) {
    const group = kinds.get(each.structure.kind);
    if (group === undefined) kinds.set(each.structure.kind, [each]);
    else group.push(each);
  }
  const [[kind, group]] = [...kinds] as [[Structure["kind"], Structured[]]];
  if (kinds.size === 1 && group.length === changed.length && (kind === "low-rank" || kind === "permuted" || kind === "scaled")) return { all: clause(kind, group, true), sentences: [] };
  return { sentences: [...kinds].map(([kind, group]) => sentence(kind, group)) };
}

function clause(kind: Structure["kind"], group: readonly Structured[], all: boolean): string {
  const subject = all ? (group.length === 1 ? "it is" : "each is") : `${counted(group.length, "tensor")} ${group.length === 1 ? "is" : "are"} changed by`;
  if (kind === "low-rank") {
    const ranks = group.map(({ structure }) => structure.rank ?? 0);
    const [least, most] = [Math.min(...ranks), Math.max(...ranks)];
    return `${subject} ${least === most ? `a rank-${least} update` : `an update of low rank (${least} to ${most})`}`;
  }
  if (kind === "scaled") return `${all ? (group.length === 1 ? "it is" : "each is") : `${counted(group.length, "tensor")} ${group.length === 1 ? "is" : "are"}`} A's times a factor`;
  return `${all ? (group.length === 1 ? "it holds" : "each holds") : `${counted(group.length, "tensor")} ${group.length === 1 ? "holds" : "hold"}`} A's values in another order`;
}

function sentence(kind: Structure["kind"], group: readonly Structured[]): string {
  if (kind === "low-rank" || kind === "permuted" || kind === "scaled") {
    const text = clause(kind, group, false);
    return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
  }
  if (group.length <= NAMED) return `${joined(group.map(({ name, structure }) => `${short(name)}: ${structure.sentence.replace(/\.$/, "")}`))}.`;
  return `In ${counted(group.length, "tensor")} only some ${kind} changed${countOf(group)}.`;
}

/** `: 53 of 1,024 (5.2 %)`, over all of them. */
function countOf(group: readonly Structured[]): string {
  let changed = 0;
  let all = 0;
  for (const { shape, structure: { indices = [], axis, size = 1 } } of group) {
    if (axis === undefined) return "";
    const [rows = 1, ...rest] = shape;
    changed += indices.length;
    all += (axis === 0 ? rows : rest.reduce((product, length) => product * length, 1)) / size;
  }
  return `: ${grouped(changed)} of ${grouped(all)} (${percent(changed / all)})`;
}
