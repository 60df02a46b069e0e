/** `compare` for people: what was found, a table of the pairs that differ, what has no partner, the findings. */
import { toNumber, type Compare, type Pair, type TensorPart } from "../protocol/results";
import { findings, howText } from "./findings-report";
import { count, integer, number, printable, shape } from "./format";
import { table, type Column } from "./table";
import { styleFor, type Style } from "./terminal";

/** The report, ending in a newline. Colours as `stream` wants them. */
export function compareReport(document: Compare, stream: NodeJS.WriteStream): string {
  const style = styleFor(stream);
  const blocks = [heading(document, style), pairs(document.pairs, style), unmatched(document, style), findings(document.findings, style)];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}

function heading({ a, b, pairs, mapping, onlyInA, onlyInB, reshaped, retyped, totals, summary }: Compare, style: Style): string[] {
  const rules = new Map<string, number>();
  for (const { rule } of mapping) rules.set(rule, (rules.get(rule) ?? 0) + 1);
  const facts = [
    `${integer(pairs.length)} ${pairs.length === 1 ? "pair" : "pairs"}`,
    ...[...rules].map(([rule, n]) => `${integer(n)} by the rule ${printable(rule)}`),
    ...(onlyInA.length > 0 ? [`${integer(onlyInA.length)} only in A`] : []),
    ...(onlyInB.length > 0 ? [`${integer(onlyInB.length)} only in B`] : []),
    ...(reshaped.length > 0 ? [`${integer(reshaped.length)} of another shape`] : []),
    ...(retyped.length > 0 ? [`${integer(retyped.length)} of another dtype`] : []),
  ];
  const { parameters, changed, norm, relative, cosine } = totals;
  const share = parameters === 0 ? "" : ` (${percent(changed / parameters)})`;
  return [
    `${style.bold(`${printable(a)} ⇄ ${printable(b)}`)}  ${facts.join(" · ")}`,
    ...summary.map((sentence) => `  ${style.bold(printable(sentence))}`),
    ...(pairs.length === 0 ? [] : [`  ${style.faint("‖Δ‖")} ${number(norm)} · ${style.faint("‖Δ‖/‖A‖")} ${number(relative)} · ${style.faint("cosine")} ${cosineText(toNumber(cosine))} · ${integer(changed)} of ${count(parameters)} elements differ${share}`]),
  ];
}

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

/** The pairs that differ, those that are equal in one line. */
function pairs(list: readonly Pair[], style: Style): string[] {
  const changed = list.filter(({ equal }) => !equal);
  const equal = list.length - changed.length;
  const quantised = changed.some(({ sqnrDb }) => sqnrDb !== undefined);
  const spectrum = changed.some((pair) => pair.spectrum !== undefined);
  const structure = changed.some((pair) => pair.structure !== undefined);
  const columns = [
    left("tensor"), left("shape"), ...["‖Δ‖", "‖Δ‖/‖A‖", "cosine", "mean |Δ|", "max |Δ|"].map(right), left("at"), right("changed"), right("signs"),
    ...(quantised ? [right("SQNR dB")] : []),
    ...(spectrum ? ["rank of Δ", "used .99", "stable", "effective", "overlap"].map(right) : []),
    ...(structure ? [left("change")] : []),
  ];
  const rows = changed.map((pair) => [
    `${nameOf(pair)}${pair.tiedTo === undefined ? "" : " (tied)"}`,
    shape(pair.shape),
    number(pair.norm),
    number(pair.relative),
    cosineText(toNumber(pair.cosine)),
    number(pair.meanAbs),
    number(pair.maxAbs),
    pair.maxAt.length === 0 ? "" : `[${pair.maxAt.join(", ")}]`,
    percent(pair.changed),
    percent(pair.signFlips),
    ...(quantised ? [pair.sqnrDb === undefined ? "" : number(pair.sqnrDb)] : []),
    ...(spectrum ? spectrumCells(pair) : []),
    ...(structure ? [printable(pair.structure?.sentence ?? "")] : []),
  ]);
  const made = [...new Set(changed.flatMap(({ how, spectrum }) => [`differences: ${howText(how)}`, ...(spectrum === undefined ? [] : [`spectra: ${howText(spectrum.delta.how)}`])]))];
  return [
    ...table(columns, rows, style.faint),
    ...(equal > 0 ? [`  ${style.faint(`${integer(equal)} ${changed.length > 0 ? "other " : ""}${equal === 1 ? "pair is" : "pairs are"} equal`)}`] : []),
    ...made.map((line) => style.faint(`  ${line}`)),
  ];
}

function spectrumCells({ spectrum }: Pair): string[] {
  if (spectrum === undefined) return Array<string>(5).fill("");
  const { delta, overlap } = spectrum;
  const mean = overlap.left.length === 0 ? NaN : overlap.left.reduce((sum: number, cosine) => sum + toNumber(cosine) ** 2, 0) / overlap.left.length;
  return [
    `${integer(delta.matrixRank)} of ${integer(Math.min(delta.rows, delta.columns))}`,
    integer(delta.energyRank["0.99"]),
    number(delta.stableRank),
    number(delta.effectiveRank),
    number(mean),
  ];
}

/** A's name, B's where it is another, and which parts of them. */
function nameOf({ a, b, partOfA, partOfB }: Pair): string {
  const [x, y] = [`${printable(a)}${partText(partOfA)}`, `${printable(b)}${partText(partOfB)}`];
  return a === b && partText(partOfA) === partText(partOfB) ? x : `${x} ⇄ ${y}`;
}

function partText(part: TensorPart | undefined): string {
  if (part === undefined) return "";
  const { start, stop, run, step } = part;
  return run === undefined || step === undefined ? `[${start}:${stop}]` : `[${start}:${stop}, ${run} of every ${step}]`;
}

/** Near 1 the digits that tell are those of the distance from it. */
function cosineText(cosine: number): string {
  return cosine < 1 && cosine > 0.9999 ? `1 − ${number(1 - cosine)}` : number(cosine);
}

function percent(share: number): string {
  return share === 0 ? "0" : share === 1 ? "100 %" : `${number(100 * share)} %`;
}

/** Of longer lists the rest is counted. */
const MOST_LISTED = 10;

function unmatched({ onlyInA, onlyInB, reshaped, retyped }: Compare, style: Style): string[] {
  const types = new Map<string, number>();
  for (const { a, b } of retyped) types.set(`${printable(a)} → ${printable(b)}`, (types.get(`${printable(a)} → ${printable(b)}`) ?? 0) + 1);
  return [
    ...listed("only in A", onlyInA.map(printable), style),
    ...listed("only in B", onlyInB.map(printable), style),
    ...listed("another shape", reshaped.map(({ name, a, b }) => `${printable(name)}: ${shape(a)} → ${shape(b)}`), style),
    ...listed("another dtype", [...types].map(([type, n]) => `${type} (${integer(n)})`), style),
  ];
}

function listed(title: string, lines: readonly string[], style: Style): string[] {
  const shown = lines.length > MOST_LISTED ? [...lines.slice(0, MOST_LISTED - 1), `and ${integer(lines.length - MOST_LISTED + 1)} more; --json lists them all`] : lines;
  return shown.map((line, i) => `  ${style.faint((i === 0 ? title : "").padEnd(13))}  ${line}`);
}
