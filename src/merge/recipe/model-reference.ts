/** Model references: `path@revision+adapter@revision`. */
import type { ModelReference } from "./recipe";

/** The reference cannot be understood; the message is one clause. */
export class ModelReferenceError extends Error {}

/**
 * Reads a reference written as one string. Blanks around `+` and `@` are dropped.
 * @throws ModelReferenceError
 */
export function parseReference(text: string): ModelReference {
  const parts = text.split("+").map((part) => part.trim());
  if (parts.length > 2) throw new ModelReferenceError(`a model takes at most one adapter, and ${parts.length - 1} are added here; merge them in documents of their own, or write the path as a mapping {path: …} if "+" belongs to it`);
  const model = parsePart(parts[0]!, "model");
  if (parts.length === 1) return model;
  return { ...model, adapter: parsePart(parts[1]!, "adapter") };
}

/** @throws ModelReferenceError */
export function parsePart(text: string, what: "model" | "adapter"): { path: string; revision?: string } {
  const [path = "", revision, ...more] = text.split("@").map((part) => part.trim());
  if (more.length > 0) throw new ModelReferenceError(`the ${what} has more than one revision (@…)`);
  if (path === "") throw new ModelReferenceError(`the ${what}'s path is empty`);
  if (revision === "") throw new ModelReferenceError(`the ${what}'s revision after "@" is empty`);
  return revision === undefined ? { path } : { path, revision };
}

/** The reference as one string, as cards and messages name it. */
export function showReference({ path, revision, adapter }: ModelReference): string {
  const part = (path: string, revision?: string): string => (revision === undefined ? path : `${path}@${revision}`);
  return adapter === undefined ? part(path, revision) : `${part(path, revision)}+${part(adapter.path, adapter.revision)}`;
}

/** Whether both name the same model. */
export function sameReference(a: ModelReference, b: ModelReference): boolean {
  return showReference(a) === showReference(b);
}
