/** What of a recipe stands at a position: a model, a parameter, a filter, the name of a document. */
import type { Position } from "vscode-languageserver";
import type { Input, Located, MergeDocument, ModelReference, Parameter, ParameterTable, ParameterValue, Recipe } from "../merge/recipe/recipe";
import { inputsOf, referencesIn, slicesIn } from "../merge/recipe/references";
import { holds } from "./places";

export interface FoundParameter {
  name: string;
  parameter: Parameter;
  /** The input under which it stands; null for one of a slice, module or the merge. */
  input: Input | null;
  onName: boolean;
}

export function documentAt({ documents }: Recipe, { line }: Position): MergeDocument | undefined {
  return documents.findLast(({ at }) => at.line <= line + 1) ?? documents[0];
}

export function referenceAt(document: MergeDocument, position: Position): Located<ModelReference> | undefined {
  return referencesIn(document).find(({ at }) => holds(at, position));
}

export function parameterAt({ body, parameters }: MergeDocument, position: Position): FoundParameter | undefined {
  const tables: { table: ParameterTable; input: Input | null }[] = [
    { table: parameters, input: null },
    ...slicesIn(body).map((slice) => ({ table: slice.parameters, input: null })),
    ...(body?.form === "modules" ? body.modules.map((module) => ({ table: module.parameters, input: null })) : []),
    ...inputsOf(body).map((input) => ({ table: input.parameters, input })),
  ];
  for (const { table, input } of tables) {
    for (const [name, parameter] of Object.entries(table)) {
      const onName = holds(parameter.name, position);
      if (onName || holds(parameter.at, position)) return { name, parameter, input, onName };
    }
  }
  return undefined;
}

/** The filter of the parameter's value that stands at the position. */
export function filterAt(value: ParameterValue, position: Position): Extract<ParameterValue, { kind: "filters" }>["entries"][number] | undefined {
  return value.kind === "filters" ? value.entries.find(({ filter }) => filter !== null && holds(filter.at, position)) : undefined;
}
