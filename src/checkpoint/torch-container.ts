/** What every container of torch's comes to: pickles read into one tree, and the storages they refer to. */
import { CheckpointError, type ByteSource, type CheckpointFile, type SourceOpener, type Tensor } from "./checkpoint";
import type { Finding } from "../protocol/results";
import { readPickle, type GlobalUse, type PickleOptions, type Unpickled } from "./pickle";
import { PickleGlobal, PickleTuple, type PickleValue } from "./pickle-values";
import { grouped, quote } from "./quote";
import { listed } from "./torch-expressions";
import { globalFindings, globalName } from "./torch-globals";
import { storageDtype } from "./torch-dtypes";
import type { TorchStorage } from "./torch-storage";
import type { TorchTree } from "./torch-tree";

/** The pickle of half a million tensors has 90 MB. */
export const MAX_PICKLE_BYTES = 1 << 27;

/** What is given to the readers of the containers. */
export interface TorchSource {
  source: ByteSource;
  sources: SourceOpener;
  file: CheckpointFile;
  /** What `Tensor.file` is to be. */
  number: number;
}

export interface TorchFile {
  tensors: Tensor[];
  metadata: Record<string, unknown>;
  findings: Finding[];
}

/** Globals of all pickles of a file; what one only mentions another may call. */
export class TorchGlobals {
  readonly used = new Map<string, GlobalUse>();

  /** Reads one pickle and remembers its globals. */
  read(bytes: Uint8Array, options: Omit<PickleOptions, "globalName">): Unpickled {
    const unpickled = readPickle(bytes, { ...options, globalName });
    this.add(unpickled.globals);
    return unpickled;
  }

  add(globals: ReadonlyMap<string, GlobalUse>): void {
    for (const [name, use] of globals) if (use === "called" || !this.used.has(name)) this.used.set(name, use);
  }
}

/**
 * The parts of a storage's persistent id, `("storage", class, key, location, count)`.
 * @returns null for ids of another kind.
 */
export function storageId(id: PickleValue, file: string): { dtype: TorchStorage["dtype"]; key: string; bytes: number; rest: readonly PickleValue[] } | null {
  if (!(id instanceof PickleTuple) || id.items[0] !== "storage") return null;
  const [, type, key, , count, ...rest] = id.items;
  const refuse = (message: string): never => {
    throw new CheckpointError("malformed", message, file);
  };
  if (typeof key !== "string") return refuse("a storage has no key");
  const dtype = type instanceof PickleGlobal ? storageDtype(type.name) : undefined;
  if (dtype === undefined) return refuse(`the storage ${quote(key)} has ${type instanceof PickleGlobal ? `the unknown class ${quote(type.name)}` : "no class"}`);
  // A storage of bytes counts bytes.
  const bytes = Number(count) * (dtype === "bytes" ? 1 : dtype.bytes);
  if (typeof count !== "number" || !Number.isSafeInteger(bytes) || bytes < 0) return refuse(`the storage ${quote(key)} has no count of elements, or one beyond any file`);
  return { dtype: dtype === "bytes" ? null : dtype, key, bytes, rest };
}

/** A file of `tree`'s tensors, with what there is to say about its globals and names. */
export function torchFile(tree: TorchTree, globals: ReadonlyMap<string, GlobalUse>, { file, number }: TorchSource, findings: readonly Finding[] = []): TorchFile {
  const all = [...globalFindings(globals), ...findings];
  if (tree.repeated.length > 0) {
    const shown = tree.repeated.slice(0, 3).map(quote).join(", ") + (tree.repeated.length > 3 ? ` and ${grouped(tree.repeated.length - 3)} more` : "");
    all.push({ rule: "repeated-name", severity: "warning", message: `Different tensors have the name ${shown} when their keys are joined by dots; the later ones are numbered.` });
  }
  if (tree.metadataLeftOut > 0) {
    all.push({ rule: "metadata-left-out", severity: "info", message: `The file holds ${grouped(tree.metadataLeftOut)} more numbers and texts than are shown.` });
  }
  return { tensors: listed(tree.tensors, file.path, number), metadata: tree.metadata, findings: all };
}
