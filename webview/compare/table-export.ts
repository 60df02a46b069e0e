/** The table of pairs as text. CSV and TSV hold the columns shown; JSON has the shape of `weight-loupe compare --json`'s lists. */
import { toCsv, toTsv } from "../plots/table-data";
import type { PlotColumn } from "../plots/types";
import { isRetyped } from "./entries";
import { dtypeText, otherName, shapeText } from "./entry-texts";
import { looksText } from "./looks";
import { measureById } from "./measures";
import type { CompareStore } from "./store";

export function tableCsv(store: CompareStore, entries: readonly number[], columns: readonly string[]): string {
  return toCsv(plotColumns(store, entries, columns));
}

export function tableTsv(store: CompareStore, entries: readonly number[], columns: readonly string[]): string {
  return toTsv(plotColumns(store, entries, columns));
}

export function tableJson(store: CompareStore, entries: readonly number[]): string {
  const { list } = store.entries.peek();
  const results = store.results.peek();
  const rules = store.opened.peek()?.pairs.rules ?? [];
  const of = (kind: string): number[] => entries.filter((entry) => list[entry]!.kind === kind);
  const pairs = of("pair");
  return `${JSON.stringify({
    a: store.opened.peek()?.a.overview.path,
    b: store.opened.peek()?.b.overview.path,
    pairs: pairs.map((entry) => {
      const { a, b, parts, shape, unreadable } = list[entry]!;
      const { numbers, structure, spectrum, failed } = results.get(entry) ?? {};
      return {
        a: a!.name, b: b!.name, ...(parts === null ? {} : { parts }), shape, ...numbers,
        ...(structure === undefined ? {} : { structure }), ...(spectrum === undefined ? {} : { spectrum }),
        ...(unreadable === undefined && failed === undefined ? {} : { notCompared: unreadable ?? failed }),
      };
    }),
    onlyInA: of("onlyInA").map((entry) => list[entry]!.name),
    onlyInB: of("onlyInB").map((entry) => list[entry]!.name),
    reshaped: of("reshaped").map((entry) => ({ name: list[entry]!.name, a: list[entry]!.a!.shape, b: list[entry]!.b!.shape })),
    retyped: pairs.filter((entry) => isRetyped(list[entry]!)).map((entry) => ({ name: list[entry]!.name, a: list[entry]!.a!.dtype, b: list[entry]!.b!.dtype })),
    mapping: pairs.filter((entry) => list[entry]!.rule >= 0).map((entry) => ({ rule: rules[list[entry]!.rule]?.id ?? "", from: list[entry]!.a!.name, to: list[entry]!.b!.name })),
    totals: store.totals.peek(),
    summary: store.summary.peek(),
    findings: store.findings.peek(),
  }, null, 1)}\n`;
}

function plotColumns(store: CompareStore, entries: readonly number[], columns: readonly string[]): PlotColumn[] {
  const { list } = store.entries.peek();
  const results = store.results.peek();
  const read = (id: string): ((entry: number) => number | string | null) => {
    switch (id) {
      case "name": return (entry) => list[entry]!.name;
      case "other": return (entry) => otherName(list[entry]!);
      case "looks": return (entry) => (results.get(entry)?.numbers?.equal === true ? "equal" : looksText(results.get(entry)?.structure));
      case "dtype": return (entry) => dtypeText(list[entry]!);
      case "shape": return (entry) => shapeText(list[entry]!);
      default: {
        const measure = measureById(id);
        return (entry) => measure?.value(list[entry]!, results.get(entry)) ?? null;
      }
    }
  };
  return ["name", ...columns].map((id) => {
    const value = read(id);
    return { name: id, values: entries.map(value) };
  });
}
