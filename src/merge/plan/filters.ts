/** Filters and gradients held against the tensors that there are: a filter that matches none does nothing, and says so. */
import type { MergeMethodEntry } from "../methods/method";
import type { Place } from "../problem";
import type { Filter, ParameterTable, ParameterValue } from "../recipe/recipe";
import type { Findings } from "./findings";
import type { OutlinedTensor } from "./outline";

/** What has not been matched yet. */
interface Pending {
  filter: Filter;
  parameter: string;
  at: Place;
  /** Held against the names in the inputs, not in the output. */
  ofInputs: boolean;
}

export function checkFilters(method: MergeMethodEntry, document: ParameterTable, tensors: readonly OutlinedTensor[], findings: Findings): void {
  const pending = new Map<ParameterTable, Set<Pending>>();
  const open = (table: ParameterTable, layers: number): Set<Pending> => {
    let found = pending.get(table);
    if (found === undefined) pending.set(table, (found = new Set(filtersIn(method, table, layers, findings))));
    return found;
  };
  for (const { name, slice, module, members } of tensors) {
    for (const table of [slice.parameters, module.parameters, document]) {
      const filters = open(table, slice.layers);
      for (const each of filters) if (each.ofInputs ? members.some((member) => each.filter.matches(member.name)) : each.filter.matches(name)) filters.delete(each);
    }
    for (const member of members) {
      const filters = open(member.source.parameters, slice.layers);
      for (const each of filters) if (each.filter.matches(member.name)) filters.delete(each);
    }
  }
  for (const left of pending.values()) for (const { filter, parameter, at } of left) findings.warn("filter-matches-nothing", at, `the filter "${filter.text}" of ${parameter} matches no tensor here, so its value is never used`);
}

function* filtersIn(method: MergeMethodEntry, table: ParameterTable, layers: number, findings: Findings): Generator<Pending> {
  for (const { name, scope } of method.parameters) {
    const given = table[name];
    if (given !== undefined) yield* filtersOf(name, scope === "model", given.value, given.at, layers, findings);
  }
}

function* filtersOf(parameter: string, ofInputs: boolean, value: ParameterValue, at: Place, layers: number, findings: Findings): Generator<Pending> {
  if (value.kind === "gradient" && value.values.length > Math.max(layers, 2) && layers > 0) {
    findings.warn("gradient-length", at, `the gradient of ${parameter} has ${value.values.length} points over ${layers === 1 ? "one layer" : `${layers} layers`}: not every point falls on a layer, values between are interpolated`);
  }
  if (value.kind !== "filters") return;
  for (const { at: entryAt, filter, value: inner } of value.entries) {
    if (filter !== null) yield { filter: filter.value, parameter, at: filter.at, ofInputs };
    yield* filtersOf(parameter, ofInputs, inner, entryAt, layers, findings);
  }
}
