/** What a patched model says of itself in `__metadata__`, so that signatures can be taken off again, and the file beside it that holds what was there before. */
import { CheckpointError, type Checkpoint, type SourceOpener } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import { openCheckpoint } from "../../checkpoint/registry";
import { Fields } from "./fields";

/** Keys in `__metadata__` of the patched model and of the file beside it. */
export const PATCH_KEY = "robust_weight_signatures_applied";
export const UNDO_KEY = "robust_weight_signatures_undo";
const VERSION = 1;
/** Signatures that one record may list. */
const MOST = 10_000;

export interface AppliedSignature {
  /** The signature file's name. */
  file: string;
  /** Its contents' hash. */
  contents: string;
  /** What was asked for, and what its values were multiplied by. */
  alpha: number;
  coefficient: number;
}

export interface PatchRecord {
  applied: readonly AppliedSignature[];
  /** The model before: its file's name, its contents' hash, and the hashes of the patched tensors. */
  original: { file: string; contents: string; tensors: ReadonlyMap<string, string> };
  /** Contents of the model before any signature at all. */
  root: string;
  /** The original's own record, when it was patched already. */
  before?: string;
}

export function patchMetadata({ applied, original, root, before }: PatchRecord): Record<string, string> {
  const { file, contents, tensors } = original;
  return { [PATCH_KEY]: JSON.stringify({ version: VERSION, applied, original: { file, contents, tensors: Object.fromEntries(tensors) }, root, ...(before === undefined ? {} : { before }) }) };
}

/** The model's record; null when no signature was applied to it. @throws CheckpointError when it says what cannot be. */
export function readPatchRecord({ metadata, path }: Checkpoint): PatchRecord | null {
  const text = metadata[PATCH_KEY];
  if (typeof text !== "string") return null;
  const fields = Fields.parse(text, `${quote(PATCH_KEY)} in its metadata`, path);
  fields.integer("version", VERSION, VERSION);
  const applied = fields.objects("applied").map((entry) => ({ file: entry.string("file"), contents: entry.hash("contents"), alpha: entry.number("alpha"), coefficient: entry.number("coefficient") }));
  if (applied.length === 0 || applied.length > MOST) fields.fail("lists no signature");
  const original = fields.object("original");
  const hashes = original.object("tensors");
  const tensors = new Map(hashes.keys().map((name) => [name, hashes.hash(name)]));
  return {
    applied,
    original: { file: original.string("file"), contents: original.hash("contents"), tensors },
    root: fields.hash("root"),
    ...(fields.isNull("before") ? {} : { before: fields.string("before") }),
  };
}

/** The file beside a patched model that holds the original's tensors. */
export function undoPath(patched: string): string {
  return `${patched.replace(/\.safetensors$/, "")}.undo.safetensors`;
}

/** @param header the original's, when it is one safetensors file. */
export function undoMetadata(header: string | null): Record<string, string> {
  return { format: "pt", [UNDO_KEY]: JSON.stringify({ version: VERSION, header }) };
}

export interface Undo {
  checkpoint: Checkpoint;
  header: Uint8Array | null;
}

/** What lies beside `patched`; null when nothing does. @throws CheckpointError when it is no such file. */
export async function openUndo(patched: string, sources: SourceOpener): Promise<Undo | null> {
  const file = undoPath(patched);
  if (!(await sources.exists(file))) return null;
  const checkpoint = await openCheckpoint(file, sources);
  const text = checkpoint.metadata[UNDO_KEY];
  if (typeof text !== "string") throw new CheckpointError("malformed", `it is not what the patched model's original is restored from: its metadata has no ${quote(UNDO_KEY)}`, file);
  const fields = Fields.parse(text, `${quote(UNDO_KEY)} in its metadata`, file);
  fields.integer("version", VERSION, VERSION);
  return { checkpoint, header: fields.isNull("header") ? null : Buffer.from(fields.string("header")) };
}

/** The JSON of a safetensors file's header as it stands there; null for a model of another format, or of several files. */
export async function headerOf({ format, files }: Checkpoint, sources: SourceOpener): Promise<Uint8Array | null> {
  const [file, ...more] = files;
  if (format !== "safetensors" || file === undefined || more.length > 0) return null;
  const source = await sources.open(file.path);
  try {
    const prefix = await source.read(0, 8);
    const length = Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true));
    return await source.read(8, length);
  } finally {
    await source.close();
  }
}
