/** `inspect` for people: the overview, a table of tensors, the findings. */
import { foldedName, layerOf } from "../checkpoint/structure";
import { findings, howText } from "./findings-report";
import { bytes, count, integer, number, printable, shape } from "./format";
import type { InspectDocument, TensorDocument } from "./inspect";
import { table, type Column } from "./table";
import { styleFor, type Style } from "./terminal";

/** The report, ending in a newline. Colours as `stream` wants them. */
export function inspectReport(document: InspectDocument, stream: NodeJS.WriteStream): string {
  const style = styleFor(stream);
  const blocks = [heading(document, style), tensors(document.tensors, style), findings(document.findings, style)];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}

function heading({ path, format, files, parameters, bytes: size, layers, architecture, dtypes, metadata }: InspectDocument, style: Style): string[] {
  const facts = [format];
  if (architecture !== null) facts.push(`${printable(architecture.name)}${architecture.from === "names" ? " (by its names)" : ""}`);
  if (layers !== null) facts.push(`${layers} ${layers === 1 ? "layer" : "layers"}`);
  facts.push(`${count(parameters)} parameters`, bytes(size));
  const lines = [`${style.bold(printable(path))}  ${facts.join(" · ")}`];
  const types = Object.entries(dtypes).sort(([, a], [, b]) => b.parameters - a.parameters);
  const share = (n: number): string => (parameters === 0 ? "" : ` ${((100 * n) / parameters).toPrecision(3)} %`);
  if (types.length > 0) lines.push(labelled("dtypes", types.map(([name, { parameters }]) => `${printable(name)}${share(parameters)}`).join(", "), style));
  if (files.length > 1) lines.push(labelled("files", `${files.length}, ${bytes(files.reduce((sum, file) => sum + file.bytes, 0))}`, style));
  for (const { path } of files.filter(({ missing }) => missing)) lines.push(labelled("missing", printable(path), style));
  for (const [key, value] of Object.entries(metadata)) lines.push(labelled(printable(key), shortened(value), style));
  return lines;
}

function labelled(label: string, text: string, style: Style): string {
  return `  ${style.faint(label.padEnd(8))}  ${text}`;
}

const LONGEST_METADATA = 100;

function shortened(value: unknown): string {
  const text = [...printable(typeof value === "string" ? value : JSON.stringify(value))];
  return text.length <= LONGEST_METADATA ? text.join("") : `${text.slice(0, LONGEST_METADATA).join("")} … (${integer(text.length)} characters)`;
}

function tensors(list: readonly TensorDocument[], style: Style): string[] {
  const statistics = list.some((tensor) => tensor.statistics !== undefined);
  const spectrum = list.some((tensor) => tensor.spectrum !== undefined);
  const rows = statistics || spectrum ? list.map((tensor) => ({ name: printable(tensor.name), tensor, times: 1 })) : folded(list);
  const columns: Column[] = [left("tensor"), left("dtype"), left("shape"), right("parameters"), right("bytes")];
  if (statistics) columns.push(...["min", "max", "mean", "σ", "‖W‖", "zeros", "not finite"].map(right));
  if (spectrum) columns.push(...["σ₁", "stable rank", "eff. rank", "rank", "condition", "α"].map(right));
  const cells = rows.map(({ name, tensor, times }) => [
    times === 1 ? name : `${name}  × ${times}`,
    printable(tensor.dtype),
    tensor.unreadable === undefined ? shape(tensor.shape) : `${shape(tensor.shape)}, ${printable(tensor.unreadable)}`,
    integer(tensor.parameters * times),
    bytes(tensor.bytes * times),
    ...(statistics ? statisticsCells(tensor) : []),
    ...(spectrum ? spectrumCells(tensor) : []),
  ]);
  const made = [...new Set(list.flatMap(({ statistics, spectrum }) => [
    ...(statistics === undefined ? [] : [`statistics: ${howText(statistics.how)}`]),
    ...(spectrum === undefined ? [] : [`spectra: ${howText(spectrum.how)}`]),
  ]))];
  return [...table(columns, cells, style.faint), ...made.map((line) => style.faint(`  ${line}`))];
}

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

function statisticsCells({ statistics }: TensorDocument): string[] {
  if (statistics === undefined) return Array<string>(7).fill("");
  const { min, max, mean, standardDeviation, l2, zeros, count, finite } = statistics;
  return [...[min, max, mean, standardDeviation, l2].map(number), integer(zeros), integer(count - finite)];
}

function spectrumCells({ spectrum }: TensorDocument): string[] {
  if (spectrum === undefined) return Array<string>(6).fill("");
  const { spectralNorm, stableRank, effectiveRank, matrixRank, rows, columns, conditionNumber, powerLaw } = spectrum;
  return [
    ...[spectralNorm, stableRank, effectiveRank].map(number),
    `${integer(matrixRank)} of ${integer(Math.min(rows, columns))}`,
    number(conditionNumber),
    powerLaw === null ? "" : number(powerLaw.alpha),
  ];
}

/** Repeated layers as one row each, where dtype and shape agree: `layers.0…31`. */
function folded(list: readonly TensorDocument[]): { name: string; tensor: TensorDocument; times: number }[] {
  const groups = new Map<string, TensorDocument[]>();
  for (const tensor of list) {
    const key = JSON.stringify([foldedName(tensor.name), tensor.dtype, tensor.shape, tensor.unreadable]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [tensor]);
    else group.push(tensor);
  }
  return [...groups.values()].map((group) => ({ name: groupName(group), tensor: group[0]!, times: group.length }));
}

function groupName(group: readonly TensorDocument[]): string {
  if (group.length === 1) return printable(group[0]!.name);
  const layers = group.map((tensor) => layerOf(tensor.name) ?? 0);
  const [first, last] = [Math.min(...layers), Math.max(...layers)];
  const name = foldedName(group[0]!.name);
  return printable(last - first + 1 === group.length ? name.replace("*", `${first}…${last}`) : name);
}
