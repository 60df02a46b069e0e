/** Models that a recipe names, by their headers, and folders that could be named. */
import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { locateModel } from "../merge/models/locate";
import { mainStack, type MergeModel } from "../merge/models/model";
import type { ModelStore } from "../merge/models/store";
import { layersOf } from "../merge/plan/layout";
import type { ModelReference } from "../merge/recipe/recipe";
import { documentNamed } from "../merge/recipe/references";
import type { RecipeState } from "./recipe-state";

/** The model on disk; null where it is another document, is not there or cannot be read. */
export async function openModel(state: RecipeState, reference: ModelReference, models: ModelStore): Promise<MergeModel | null> {
  if (documentNamed(state.recipe.documents, reference) !== undefined) return null;
  const found = await locateModel(reference.path, state.lookup, state.sources);
  const adapter = reference.adapter === undefined ? undefined : await locateModel(reference.adapter.path, state.lookup, state.sources);
  if (!("path" in found) || (adapter !== undefined && !("path" in adapter))) return null;
  // What keeps it from being read is among the diagnostics.
  return models.open(found.path, adapter?.path).catch(() => null);
}

/** How many layers it has, of the module that slices are of. */
export function layerCountOf(model: MergeModel): number {
  const [module] = model.family.modules;
  return module === undefined ? (mainStack(model.tensors.values())?.layers ?? 0) : layersOf(model, module);
}

/** A path that could be completed. */
export interface FoundPath {
  /** As the recipe would write it. */
  path: string;
  /** A model, an adapter, or a folder that may hold some. */
  what: "model" | "adapter" | "folder" | "file";
}

const MOST_LISTED = 2000;
const WEIGHTS = /\.(?:safetensors(?:\.index\.json)?|gguf|bin(?:\.index\.json)?|pth?|ckpt)$/;

/** What `typed`, the beginning of a path, could go on as. @param files whether single files are meant, not models. */
export async function pathsFrom(typed: string, { lookup }: RecipeState, files = false): Promise<FoundPath[]> {
  const cut = typed.lastIndexOf("/") + 1;
  const head = typed.slice(0, cut);
  const roots = path.isAbsolute(head) ? [head] : head.startsWith("~/") ? [path.join(homedir(), head.slice(2))] : lookup.folders.map((folder) => path.resolve(folder, head));
  const found = new Map<string, FoundPath>();
  for (const root of roots) {
    if (lookup.confinedTo !== undefined && !lookup.confinedTo.some((folder) => isWithin(root, folder))) continue;
    for (const each of await listed(root, head, files)) if (!found.has(each.path)) found.set(each.path, each);
    if (head === "" && !files) for (const each of await nested(root)) if (!found.has(each.path)) found.set(each.path, each);
  }
  return [...found.values()];
}

function isWithin(candidate: string, folder: string): boolean {
  const inside = path.relative(folder, candidate);
  return inside === "" || (!inside.startsWith("..") && !path.isAbsolute(inside));
}

async function listed(folder: string, head: string, files: boolean): Promise<FoundPath[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found: FoundPath[] = [];
  for (const entry of entries.slice(0, MOST_LISTED)) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory() || entry.isSymbolicLink()) found.push({ path: head + entry.name, what: files ? "folder" : await kindOfFolder(path.join(folder, entry.name)) });
    else if (files ? /\.(?:safetensors|json|ya?ml)$/.test(entry.name) : /\.(?:safetensors|gguf)$/.test(entry.name)) found.push({ path: head + entry.name, what: files ? "file" : "model" });
  }
  return found;
}

/** Models one and two folders down, so that the first letter need not be guessed. */
async function nested(root: string): Promise<FoundPath[]> {
  const found: FoundPath[] = [];
  let looked = 0;
  const walk = async (folder: string, head: string, depth: number): Promise<void> => {
    for (const { path: name, what } of await listed(folder, head, false)) {
      if (++looked > MOST_LISTED) return;
      if (what === "folder") {
        if (depth > 0) await walk(path.join(folder, name.slice(head.length)), `${name}/`, depth - 1);
      } else if (head !== "") found.push({ path: name, what });
    }
  };
  await walk(root, "", 2);
  return found;
}

async function kindOfFolder(folder: string): Promise<FoundPath["what"]> {
  const names = await readdir(folder).catch((): string[] => []);
  if (names.includes("adapter_config.json")) return "adapter";
  return names.some((name) => WEIGHTS.test(name)) ? "model" : "folder";
}
