/** Where a recipe's model lies: recipes name folders and files on this machine; nothing is ever fetched. */
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import type { SourceOpener } from "../../checkpoint/checkpoint";
import { editDistance } from "../recipe/nearest";

export interface Lookup {
  /** Folders in which relative paths are looked up, in this order. */
  folders: readonly string[];
  /** Of an untrusted workspace: paths may not leave these. */
  confinedTo?: readonly string[];
}

export type Located =
  | { path: string }
  /** With the path it would lie at, and the names in that folder that come near. */
  | { missing: string; nearest: string[] }
  | { outside: string };

/** The absolute path of the model that a recipe calls `name`, with symbolic links kept; `sources` are asked where they really lead. */
export async function locateModel(name: string, { folders, confinedTo }: Lookup, sources: SourceOpener): Promise<Located> {
  const home = name === "~" || name.startsWith("~/") || name.startsWith("~\\");
  const candidates = home ? [path.join(homedir(), name.slice(2))] : path.isAbsolute(name) ? [path.normalize(name)] : folders.map((folder) => path.resolve(folder, name));
  for (const candidate of candidates) {
    if (!(await isThere(candidate, sources))) continue;
    if (confinedTo !== undefined && !(await isWithin(candidate, confinedTo, sources))) return { outside: candidate };
    return { path: candidate };
  }
  const missing = candidates[0] ?? name;
  return { missing, nearest: confinedTo === undefined ? await neighbours(name, missing, sources) : [] };
}

async function isThere(candidate: string, sources: SourceOpener): Promise<boolean> {
  if (await sources.exists(candidate)) return true;
  return (await sources.list(candidate).catch(() => null)) !== null;
}

/** Also through symbolic links: those of the folders are resolved as well. */
async function isWithin(candidate: string, folders: readonly string[], sources: SourceOpener): Promise<boolean> {
  const real = await sources.realPath(candidate);
  for (const folder of folders) {
    const inside = path.relative(await sources.realPath(folder).catch(() => folder), real);
    if (inside === "" || (inside !== ".." && !inside.startsWith(`..${path.sep}`) && !path.isAbsolute(inside))) return true;
  }
  return false;
}

/** What the recipe could have meant: names beside the missing one that differ in few characters, as the recipe would write them. */
async function neighbours(name: string, missing: string, sources: SourceOpener): Promise<string[]> {
  const wanted = path.basename(missing);
  const names = (await sources.list(path.dirname(missing)).catch(() => null)) ?? [];
  const cut = Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1;
  return names
    .map((each) => ({ each, distance: editDistance(wanted.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= Math.max(2, Math.floor(wanted.length / 3)) && !each.startsWith("."))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ each }) => name.slice(0, cut) + each);
}

/** Size and mtime of what `path` names, or that it is not there: equal text means unchanged. */
export async function identityOf(path: string): Promise<string> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return `${size} ${mtimeMs} ${ino}`;
  } catch {
    return "none";
  }
}
