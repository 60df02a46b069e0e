/**
 * Takes signatures off a patched model. Adding and subtracting in floating point does not give the original back, so its tensors
 * come from the file that `apply` left beside the patched model, or from the original itself, and every hash is checked.
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { type Checkpoint } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import { openCheckpoint } from "../../checkpoint/registry";
import type { SignatureRemove } from "../../protocol/results";
import { concurrently } from "../concurrently";
import { convertedTensor, convertedTensors, stringMetadata, type Output, type OutputTensor } from "../convert";
import type { Place } from "../safetensors-layout";
import { writeSafetensors } from "../write-safetensors";
import { applySignatures, withSignatures, type PatchOptions, type Weighted } from "./apply";
import { contentsFrom } from "./contents";
import { headerOf, openUndo, PATCH_KEY, readPatchRecord, type AppliedSignature, type PatchRecord } from "./patch-record";
import { identityOf, openSignature, type Signature } from "./signature-file";

/** Hashes under way at a time. */
const CONCURRENCY = 4;

export interface RemoveRequest {
  patched: Checkpoint;
  /** To be taken off. */
  signatures: readonly Signature[];
  /** Files of signatures that stay, where they do not lie beside the patched model or the signatures to be taken off. */
  keep: readonly string[];
  /** The model before it was patched, where there is no file beside the patched one. */
  original: Checkpoint | null;
  /** Absolute path of the file to write. */
  target: string;
}

/** The original cannot be had back bit by bit; the message is one clause. */
export class RemovalRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RemovalRefused";
  }
}

type Removed = Pick<SignatureRemove, "by" | "remaining"> & { bytes: number };

/** A signature that was applied, and its file. */
interface Applied extends Weighted {
  file: string;
}

/**
 * Writes the model without the signatures: the original bit by bit, or when others stay, what applying those to it gives.
 * @throws RemovalRefused, with nothing written, when what would be written has other hashes than the original; CheckpointError
 *   for what cannot be opened or written; what the engine throws.
 */
export async function removeSignatures(request: RemoveRequest, options: PatchOptions): Promise<Removed> {
  const { patched, target } = request;
  const { engine, signal, sources, onProgress } = options;
  const record = readPatchRecord(patched) ?? (await assumedRecord(request.signatures, options));
  const { taken, left } = await matched(record, request, options);
  const stay: Applied[] = [];
  for (const applied of left) stay.push({ ...applied, signature: await signatureOf(applied, request, options) });
  const { by, output, source, inputs } = await originalOf(record, request, [...taken, ...stay], options);
  const verify = (file: string, places: readonly Place<OutputTensor>[]): Promise<void> => check(file, places, record, { by, source }, options);
  const write = (file: string): Promise<{ bytes: number }> =>
    writeSafetensors({ output, path: file, inputs, engine, verify, ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }) });
  const remaining = stay.map(({ file, alpha }) => ({ name: file, alpha }));
  if (stay.length === 0) return { ...(await write(target)), by, remaining };
  const restored = path.join(path.dirname(target), `.${randomBytes(4).toString("hex")}.restored.safetensors`);
  try {
    await write(restored);
    const model = await openCheckpoint(restored, sources);
    const { bytes } = await applySignatures({ model, name: record.original.file, signatures: stay, ontoOther: true, undo: true, target }, options);
    return { bytes, by, remaining };
  } finally {
    await rm(restored, { force: true });
  }
}

/** Of a model that says nothing of itself: patched once with α = 1, from the model that the signatures were made for. */
async function assumedRecord(signatures: readonly Signature[], { engine, signal }: PatchOptions): Promise<PatchRecord> {
  const { file, contents } = signatures[0]!.clean;
  const tensors = new Map(signatures.flatMap((signature) => Array.from(signature.tensors.values(), ({ name, hashes }) => [name, hashes.clean] as const)));
  const applied = await Promise.all(signatures.map(async (signature) => ({ file: path.basename(signature.path), contents: await identityOf(signature, engine, signal), alpha: 1, coefficient: 1 })));
  return { applied, original: { file, contents, tensors }, root: contents };
}

/** Which of the applied signatures are to be taken off, and which stay. @throws RemovalRefused when one was never applied. */
async function matched({ applied }: PatchRecord, { signatures }: RemoveRequest, { engine, signal }: PatchOptions): Promise<{ taken: Applied[]; left: AppliedSignature[] }> {
  const left = [...applied];
  const taken: Applied[] = [];
  for (const signature of signatures) {
    const identity = await identityOf(signature, engine, signal);
    const at = left.findIndex(({ contents }) => contents === identity);
    if (at < 0) throw new RemovalRefused(`the signature ${quote(signature.path)} was not applied to it; these were: ${applied.map(({ file, alpha }) => `${quote(file)} (α ${alpha})`).join(", ")}`);
    taken.push({ ...left.splice(at, 1)[0]!, signature });
  }
  return { taken, left };
}

/** The file of a signature that stays. @throws RemovalRefused when it is not found. */
async function signatureOf({ file, contents }: AppliedSignature, { patched, signatures, keep }: RemoveRequest, { sources, engine, signal }: PatchOptions): Promise<Signature> {
  const folders = new Set([patched, ...signatures.map(({ checkpoint }) => checkpoint)].map(({ path: opened }) => path.dirname(opened)));
  // The name is hostile text: only its last part is looked at, in folders that the user named.
  const beside = [...folders].map((folder) => path.join(folder, path.basename(file))).filter((candidate) => candidate.endsWith(".safetensors"));
  for (const candidate of [...keep, ...beside]) {
    if (!keep.includes(candidate) && !(await sources.exists(candidate))) continue;
    const signature = await openSignature(candidate, sources);
    if ((await identityOf(signature, engine, signal)) === contents) return signature;
  }
  throw new RemovalRefused(`the signature ${quote(file)} stays applied, and its file is needed for that; name it with --keep`);
}

interface Original {
  by: NonNullable<SignatureRemove["by"]>;
  output: Output;
  /** The file that the patched tensors' values are from. */
  source: string;
  inputs: Checkpoint["files"];
}

/** The original's tensors, from the best source there is. */
async function originalOf(record: PatchRecord, { patched, original }: RemoveRequest, applied: readonly Applied[], { sources, signal }: PatchOptions): Promise<Original> {
  const own = await convertedTensors(patched, patched.tensors.map((_, i) => i), undefined, signal);
  const metadata = stringMetadata(patched.metadata);
  delete metadata[PATCH_KEY];
  if (record.before !== undefined) metadata[PATCH_KEY] = record.before;
  const undo = original === null ? await openUndo(patched.path, sources) : { checkpoint: original, header: await headerOf(original, sources) };
  if (undo === null) {
    const inputs = [patched, ...applied.map(({ signature }) => signature.checkpoint)].flatMap(({ files }) => files);
    return { by: "subtraction", output: { tensors: own.map((tensor) => withSignatures(tensor, applied, -1)), metadata }, source: patched.path, inputs };
  }
  const { checkpoint, header } = undo;
  const kept = new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors: OutputTensor[] = [];
  for (const tensor of own) {
    const before = kept.get(tensor.name);
    if (!record.original.tensors.has(tensor.name)) tensors.push(tensor);
    else if (before !== undefined) tensors.push(await convertedTensor(checkpoint, before, undefined, signal));
    else throw new RemovalRefused(`${quote(checkpoint.path)} does not hold the original of the tensor ${quote(tensor.name)}`);
  }
  return { by: original === null ? "undo" : "original", output: { tensors, metadata, ...(header === null ? {} : { header }) }, source: checkpoint.path, inputs: [patched, checkpoint].flatMap(({ files }) => files) };
}

/** @throws RemovalRefused when what was written is not the original. */
async function check(file: string, places: readonly Place<OutputTensor>[], { original }: PatchRecord, { by, source }: Pick<Original, "by" | "source">, { engine, signal }: PatchOptions): Promise<void> {
  const entries = await concurrently(places, CONCURRENCY, async ({ tensor: { name, dtype, shape, bytes }, offset }) => {
    const { hash } = await engine.request("hash", { tensor: { kind: "range", file, offset, bytes, dtype: "U8", shape: [bytes] } }, signal === undefined ? {} : { signal });
    return { name, dtype, shape, hash };
  });
  const { hash, tensors } = contentsFrom(entries);
  const wrong = [...original.tensors].filter(([name, wanted]) => tensors.get(name) !== wanted).map(([name]) => name);
  if (wrong.length > 0) {
    const share = `${grouped(wrong.length)} of ${grouped(original.tensors.size)} patched tensors (${quote(wrong[0]!)} first)`;
    const reason = {
      subtraction: `subtracting what was added gives other bits in ${share}, as floating point rounds; name the original, ${quote(original.file)}, with --original`,
      undo: `${quote(source)} holds other values of ${share}; name the original, ${quote(original.file)}, with --original`,
      original: `${quote(source)} is another model: it differs in ${share}`,
    }[by];
    throw new RemovalRefused(`the original cannot be had back bit by bit: ${reason}`);
  }
  if (hash !== original.contents) throw new RemovalRefused(`the original cannot be had back bit by bit: what no signature patched is no longer as in ${quote(original.file)}`);
}
