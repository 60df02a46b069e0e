/** What a comparison found that numbers alone do not show. Every rule has a paragraph in `docs/comparison.md`. */
import { basename } from "node:path";
import type { Checkpoint } from "../../checkpoint/checkpoint";
import { grouped } from "../../checkpoint/quote";
import type { Finding } from "../../protocol/results";
import type { OpenedPair } from "./opened";

/** Results that are gone because the files they are of changed. */
export interface Dropped {
  /** Paths. */
  files: string[];
  pairs: number;
}

const counted = (count: number, one: string, many = `${one}s`): string => `${grouped(count)} ${count === 1 ? one : many}`;

export function comparisonFindings(opened: OpenedPair, dropped: Dropped | null): Finding[] {
  const { a, b } = opened;
  return [
    ...changed(dropped),
    ...ofSide("A", a.checkpoint),
    ...(sameFiles(a.checkpoint, b.checkpoint) ? [] : ofSide("B", b.checkpoint)),
    ...pairingFindings(opened),
    ...tied(opened),
    ...nonFinite(opened),
    ...notCompared(opened),
  ];
}

function changed(dropped: Dropped | null): Finding[] {
  if (dropped === null) return [];
  const names = dropped.files.map((file) => basename(file)).join(", ");
  return [{ rule: "changed", severity: "error", message: `${names} changed after ${dropped.pairs === 0 ? "it was opened" : `${counted(dropped.pairs, "pair was", "pairs were")} compared`}: those results are dropped; compare again.` }];
}

/** What a side's headers show, but for notes. */
function ofSide(side: string, { findings }: Checkpoint): Finding[] {
  return findings.filter(({ severity }) => severity !== "info").map((finding) => ({ ...finding, message: `In ${side}: ${finding.message}` }));
}

function sameFiles(a: Checkpoint, b: Checkpoint): boolean {
  return a.files.length === b.files.length && a.files.every(({ path }, i) => path === b.files[i]!.path);
}

function pairingFindings({ a, b, pairing }: OpenedPair): Finding[] {
  const findings: Finding[] = [];
  if (sameFiles(a.checkpoint, b.checkpoint)) findings.push({ rule: "same-file", severity: "info", message: "A and B are the same file." });
  if (pairing.pairs.length === 0) {
    const both = [a, b].map(({ checkpoint }) => grouped(checkpoint.tensors.length));
    const message = pairing.reshaped.length === 0
      ? `No tensor of A (${both[0]}) belongs to one of B (${both[1]}) by its name or by any rule: say in a mapping file which do.`
      : `No tensor of A (${both[0]}) has the shape of its partner in B (${both[1]}): these are models of other sizes; say in a mapping file which tensors to compare all the same.`;
    findings.push({ rule: "nothing-in-common", severity: "warning", message });
  }
  return findings;
}

function tied(opened: OpenedPair): Finding[] {
  if (opened.tied.size === 0) return [];
  const [[pair, first]] = [...opened.tied] as [[number, number]];
  const others = opened.tied.size > 1 ? `, and ${counted(opened.tied.size - 1, "other pair")} likewise` : "";
  return [{ rule: "tied", severity: "info", tensor: opened.name(pair), message: `Tied to ${opened.name(first)} on both sides${others}: compared and counted once.` }];
}

function nonFinite(opened: OpenedPair): Finding[] {
  return opened.known.pairs().flatMap((pair): Finding[] => {
    const { nonFinite } = opened.known.numbers(pair) ?? {};
    if (nonFinite === undefined) return [];
    const sides = [["A", nonFinite.a], ["B", nonFinite.b]] as const;
    const said = sides.filter(([, count]) => count > 0).map(([side, count]) => `${grouped(count)} in ${side}`).join(", ");
    return [{ rule: "non-finite", severity: "warning", tensor: opened.name(pair), message: `NaN or infinite elements: ${said}. Norms, sums and extremes are over the elements that are finite on both sides.` }];
  });
}

/** What cannot be compared at all, one finding for each reason; and what failed. */
function notCompared(opened: OpenedPair): Finding[] {
  const reasons = new Map<string, number[]>();
  opened.pairing.pairs.forEach(({ unreadable }, i) => {
    if (unreadable === undefined) return;
    const group = reasons.get(unreadable);
    if (group === undefined) reasons.set(unreadable, [i]);
    else group.push(i);
  });
  const undecodable = [...reasons].map(([reason, [first, ...others]]): Finding => ({
    rule: "not-compared",
    severity: "warning",
    tensor: opened.name(first!),
    message: `Not compared${others.length > 0 ? `, nor ${counted(others.length, "other pair")}` : ""}: ${reason}.`,
  }));
  const failed = opened.known.failures().map(({ pair, part, message }): Finding => ({
    rule: part === "difference" ? "not-compared" : "not-analysed",
    severity: part === "difference" ? "warning" : "info",
    tensor: opened.name(pair),
    message: `${part === "difference" ? "Not compared" : `No ${part}`}: ${message.replace(/\.$/, "")}.`,
  }));
  return [...undecodable, ...failed];
}
