/** From a name to what it names, and back: definitions, references, new names of documents. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { LSPErrorCodes, ResponseError, type Location, type Position, type Range, type TextEdit, type WorkspaceEdit } from "vscode-languageserver";
import { CheckpointError } from "../checkpoint/checkpoint";
import { locateModel } from "../merge/models/locate";
import type { ModelStore } from "../merge/models/store";
import type { Place } from "../merge/problem";
import type { Recipe } from "../merge/recipe/recipe";
import { documentNamed, referencesIn } from "../merge/recipe/references";
import { documentAt, referenceAt } from "./found";
import { holds, rangeOf } from "./places";
import type { RecipeState } from "./recipe-state";

const START: Range = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };

/** A model's file, which an editor opens in the inspector; the name of a document. */
export async function definition(state: RecipeState, position: Position, models: ModelStore): Promise<Location | null> {
  const { recipe } = state;
  const document = documentAt(recipe, position);
  const reference = document === undefined ? undefined : referenceAt(document, position);
  if (reference === undefined) return null;
  const { value, at } = reference;
  const named = documentNamed(recipe.documents, value);
  if (named !== undefined) return { uri: state.uri, range: rangeOf(named.name!.at) };
  // Behind the plus the adapter is meant.
  const plus = state.lines[at.line - 1]!.indexOf("+", at.column - 1);
  const onAdapter = value.adapter !== undefined && at.line === at.endLine && plus !== -1 && position.character > plus;
  const found = await locateModel(onAdapter ? value.adapter!.path : value.path, state.lookup, state.sources);
  if (!("path" in found)) return null;
  try {
    const { path: file, files } = await models.checkpoint(found.path);
    // Of a folder what stands for the whole model: its index, or its first file.
    const index = await indexIn(found.path, state);
    return { uri: pathToFileURL(path.resolve(index ?? files[0]?.path ?? file)).href, range: START };
  } catch (error) {
    if (error instanceof CheckpointError) return null;
    throw error;
  }
}

async function indexIn(folder: string, { sources }: RecipeState): Promise<string | null> {
  const names = (await sources.list(folder).catch(() => null)) ?? [];
  const index = names.find((name) => name.endsWith(".safetensors.index.json")) ?? names.find((name) => name.endsWith(".bin.index.json"));
  return index === undefined ? null : path.join(folder, index);
}

/** All places where the document is named that is named at the position: its own name first. Undefined where none is. */
export function nameAt(recipe: Recipe, position: Position): { name: string; places: Place[] } | undefined {
  const own = recipe.documents.find(({ name }) => name !== null && holds(name.at, position));
  const document = documentAt(recipe, position);
  const reference = document === undefined ? undefined : referenceAt(document, position);
  const named = own ?? (reference === undefined ? undefined : documentNamed(recipe.documents, reference.value));
  if (named === undefined) return undefined;
  const { value: name, at } = named.name!;
  const uses = recipe.documents.flatMap((each) => referencesIn(each)).filter(({ value }) => documentNamed(recipe.documents, value) === named);
  return { name, places: [at, ...uses.map((use) => use.at)] };
}

/** Edits that give a document another name wherever it is named. @throws ResponseError for a name that cannot be one. */
export function rename(state: RecipeState, position: Position, newName: string): WorkspaceEdit | null {
  const { recipe, uri, lines } = state;
  const found = nameAt(recipe, position);
  if (found === undefined) return null;
  const taken = recipe.documents.some(({ name }) => name?.value === newName && newName !== found.name);
  if (taken) throw new ResponseError(LSPErrorCodes.RequestFailed, `there is a document called ${newName} already`);
  if (!/^[A-Za-z_][\w./-]*$/.test(newName) || /^(?:y|yes|n|no|on|off|true|false|null)$/i.test(newName) || newName.split("/").some((part) => part === "" || part === "." || part === "..")) throw new ResponseError(LSPErrorCodes.RequestFailed, "a document's name is made of letters, digits, dashes, dots and underscores");
  return { changes: { [uri]: found.places.map((place) => edit(lines, place, found.name, newName)) } };
}

/** Replaces the name within the place: beside it there may be quotes, or an adapter. */
function edit(lines: readonly string[], place: Place, name: string, newText: string): TextEdit {
  const line = place.line - 1;
  const at = Math.max(place.column - 1, lines[line]!.indexOf(name, place.column - 1));
  return { range: { start: { line, character: at }, end: { line, character: at + name.length } }, newText };
}

export function prepareRename({ recipe, lines }: RecipeState, position: Position): Range | null {
  const found = nameAt(recipe, position);
  const place = found?.places.find((each) => holds(each, position));
  return found === undefined || place === undefined ? null : edit(lines, place, found.name, "").range;
}
