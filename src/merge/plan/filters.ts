/** Filters and gradients held against the tensors that there are: a filter that matches none does nothing, and says so. */
import type { MergeMethodEntry, MethodParameter } from "../methods/method";
import type { ParameterTable, ParameterValue } from "../recipe/recipe";
import type { Findings } from "./findings";
import type { PlannedSlice, PlannedSource } from "./layout";
import type { OutlinedTensor } from "./outline";

/** Where a level's parameters apply. */
interface Scope {
  table: ParameterTable;
  /** Names in the inputs, and in the output. */
  inputs: ReadonlySet<string>;
  outputs: ReadonlySet<string>;
  layers: number;
}

export function checkFilters(method: MergeMethodEntry, document: ParameterTable, tensors: readonly OutlinedTensor[], findings: Findings): void {
  const scopes = new Map<ParameterTable, { inputs: Set<string>; outputs: Set<string>; layers: number }>();
  const at = (table: ParameterTable, slice: PlannedSlice): { inputs: Set<string>; outputs: Set<string> } => {
    let scope = scopes.get(table);
    if (scope === undefined) scopes.set(table, (scope = { inputs: new Set(), outputs: new Set(), layers: 0 }));
    scope.layers = Math.max(scope.layers, slice.layers);
    return scope;
  };
  for (const { name, slice, module, members } of tensors) {
    const levels = [slice.parameters, module.parameters, document].filter(hasLists);
    for (const table of levels) {
      const scope = at(table, slice);
      scope.outputs.add(name);
      for (const member of members) scope.inputs.add(member.name);
    }
    for (const { source, name: own } of members) if (hasLists(source.parameters)) at(source.parameters, slice).inputs.add(own);
  }
  for (const [table, scope] of scopes) checkScope(method, { table, ...scope }, findings);
}

function hasLists(table: PlannedSource["parameters"]): boolean {
  return Object.values(table).some(({ value }) => value.kind === "filters" || value.kind === "gradient");
}

function checkScope(method: MergeMethodEntry, { table, inputs, outputs, layers }: Scope, findings: Findings): void {
  for (const parameter of method.parameters) {
    const given = table[parameter.name];
    if (given !== undefined) checkValue(parameter, given.value, parameter.scope === "model" ? inputs : outputs, layers, given.at, findings);
  }
}

function checkValue(parameter: MethodParameter, value: ParameterValue, names: ReadonlySet<string>, layers: number, at: ParameterTable[string]["at"], findings: Findings): void {
  if (value.kind === "gradient" && value.values.length > layers && layers > 0 && value.values.length > 2) {
    findings.warn("gradient-length", at, `the gradient of ${parameter.name} has ${value.values.length} points over ${layers === 1 ? "one layer" : `${layers} layers`}: not every point falls on a layer, values between are interpolated`);
  }
  if (value.kind !== "filters") return;
  for (const { at: entryAt, filter, value: inner } of value.entries) {
    if (filter !== null && names.size > 0 && !anyMatches(filter.value, names)) findings.warn("filter-matches-nothing", filter.at, `the filter "${filter.value.text}" of ${parameter.name} matches no tensor here, so its value is never used`);
    checkValue(parameter, inner, names, layers, entryAt, findings);
  }
}

function anyMatches({ matches }: { matches(tensor: string): boolean }, names: ReadonlySet<string>): boolean {
  for (const name of names) if (matches(name)) return true;
  return false;
}
