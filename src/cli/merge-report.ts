/** `merge` for people: what is wrong, by line; what it takes; what was written. */
import { basename } from "node:path";
import type { Merge, Preflight } from "../protocol/results";
import { bytes, duration, integer, printable } from "./format";
import { table } from "./table";
import { styleFor, type Style } from "./terminal";

/** What is known before anything is written, a block for each document. */
export function preflightReport(merges: readonly { report: Preflight }[], recipe: string, stream: NodeJS.WriteStream): string {
  const style = styleFor(stream);
  return merges.map(({ report }) => [...problemLines(report, recipe, style), ...planLines(report, style)].map((line) => `${line}\n`).join("")).join("\n");
}

/** What was written. */
export function mergeReport(results: readonly Merge[], recipe: string, stream: NodeJS.WriteStream): string {
  const style = styleFor(stream);
  return results.map((result) => [...problemLines(result, recipe, style), ...outputLines(result, style)].map((line) => `${line}\n`).join("")).filter((block) => block !== "").join("\n");
}

function problemLines({ problems }: Preflight, recipe: string, { bold, red, yellow }: Style): string[] {
  return problems.map(({ severity, message, line, column }) => `${bold(`${printable(recipe)}:${line}:${column}`)}: ${severity === "error" ? red(severity) : yellow(severity)}: ${printable(message)}`);
}

function planLines({ plan, ok }: Preflight, { bold, faint }: Style): string[] {
  if (plan === null) return ok ? [] : [faint("  nothing is written")];
  const { method, tensors, inputBytes, outputBytes, files, peakMemoryBytes, seconds } = plan;
  const weights = files.filter((name) => name.endsWith(".safetensors")).length;
  return [
    `  ${bold(printable(method))} · ${integer(tensors)} ${tensors === 1 ? "tensor" : "tensors"} · reads ${bytes(inputBytes)}, writes ${bytes(outputBytes)}${weights > 1 ? ` in ${weights} shards` : ""} · about ${bytes(peakMemoryBytes)} of memory, ${duration(seconds)}`,
    ...(files.length === 0 ? [] : [faint(`  ${files.map(printable).join(", ")}`)]),
  ];
}

function outputLines({ output, plan, seconds, peakMemoryBytes }: Merge, { bold, faint }: Style): string[] {
  if (output === null) return [];
  const total = output.files.reduce((sum, file) => sum + file.bytes, 0);
  const rows = output.files.map(({ path, bytes: size, sha256 }) => [printable(basename(path)), bytes(size), sha256]);
  const facts = [...(plan === null ? [] : [printable(plan.method), `${integer(plan.tensors)} ${plan.tensors === 1 ? "tensor" : "tensors"}`]), bytes(total), `${seconds.toFixed(1)} s`, `${bytes(peakMemoryBytes)} of memory`];
  return [`${bold(printable(output.path))}  ${facts.join(" · ")}`, ...table([{ title: "file", align: "left" }, { title: "size", align: "right" }, { title: "SHA-256", align: "left" }], rows, faint)];
}
