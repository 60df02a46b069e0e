/** A model with signatures added to its weights: target + Σ coefficient·signature, rounded once to each tensor's own type. */
import { randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { combination } from "../../checkpoint/adapters/build";
import { CheckpointError, type Checkpoint, type SourceOpener } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import type { Finding, SignatureApply, SignatureScaling } from "../../protocol/results";
import { convertedTensors, stringMetadata, type Output, type OutputTensor } from "../convert";
import type { Engine } from "../engine";
import { writeSafetensors } from "../write-safetensors";
import { contentsOf, type Contents } from "./contents";
import { isFloatingType } from "./models";
import { headerOf, patchMetadata, PATCH_KEY, readPatchRecord, undoMetadata, undoPath, type PatchRecord } from "./patch-record";
import { identityOf, valuesOf, type Signature } from "./signature-file";

export interface Weighted {
  signature: Signature;
  /** What was asked for, and what the values are multiplied by. */
  alpha: number;
  coefficient: number;
}

export interface ApplyRequest {
  model: Checkpoint;
  /** What its file is called, when not as where it lies now. */
  name?: string;
  signatures: readonly Weighted[];
  /** Patches a model that the signatures were not made for. */
  ontoOther: boolean;
  /** Whether to write what `remove` restores the original from. */
  undo: boolean;
  /** Absolute path of the file to write. */
  target: string;
}

export interface PatchOptions {
  sources: SourceOpener;
  engine: Engine;
  signal?: AbortSignal;
  /** Bytes done of all that will be read and written. */
  onProgress?(done: number, total: number, tensor: string): void;
}

/** What a signature's values are multiplied by: α itself, or as the authors' code has it for n signatures, (α/n)². */
export function coefficientOf(alpha: number, signatures: number, scaling: SignatureScaling): number {
  return scaling === "linear" ? alpha : (alpha / signatures) ** 2;
}

/**
 * Writes the patched model, and beside it what the original is restored from; both whole, or neither.
 * @throws CheckpointError when a signature does not fit the model, or was made for another; what the engine throws.
 */
export async function applySignatures(request: ApplyRequest, options: PatchOptions): Promise<Omit<SignatureApply, "path" | "output" | "scaling">> {
  const { model, signatures: applied, target } = request;
  const { engine, sources, signal, onProgress } = options;
  const originals = await convertedTensors(model, model.tensors.map((_, i) => i), undefined, signal);
  const patched = patchedTensors(model, originals, applied);
  const modelBytes = model.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let hashed = 0;
  const contents = await contentsOf(model, engine, signal, (name, bytes) => onProgress?.((hashed += bytes), 2 * modelBytes, name));
  const before = readPatchRecord(model);
  const root = before?.root ?? contents.hash;
  const strangers = applied.filter(({ signature }) => signature.clean.contents !== root);
  if (!request.ontoOther) for (const { signature } of strangers) refuseStranger(model, contents, signature);
  const record: PatchRecord = {
    applied: await Promise.all(applied.map(async ({ signature, alpha, coefficient }) => ({ file: basename(signature.checkpoint.path), contents: await identityOf(signature, engine, signal), alpha, coefficient }))),
    original: { file: request.name ?? basename(model.path), contents: contents.hash, tensors: new Map([...patched].map((name) => [name, contents.tensors.get(name)!])) },
    root,
    ...(before === null ? {} : { before: String(model.metadata[PATCH_KEY]) }),
  };
  const output: Output = { tensors: originals.map((tensor) => withSignatures(tensor, applied)), metadata: { ...metadataOf(model), ...patchMetadata(record) } };
  const inputs = [model, ...applied.map(({ signature }) => signature.checkpoint)].flatMap(({ files }) => files);
  const common = { inputs, engine, ...(signal === undefined ? {} : { signal }) };
  const header = request.undo ? await headerOf(model, sources) : null;
  const kept: Output = { tensors: originals.filter(({ name }) => patched.has(name)), metadata: undoMetadata(header === null ? null : Buffer.from(header).toString("utf8")) };
  if (inputs.some(({ path }) => resolve(path) === undoPath(target))) throw new CheckpointError("usage", `${quote(undoPath(target))} would be written beside it, and is one of the files that are read; choose another name to write to`, target);
  const undo = request.undo ? { path: undoPath(target), bytes: 0 } : null;
  const waiting = `${undoPath(target)}.${randomBytes(4).toString("hex")}.tmp`;
  let bytes;
  try {
    if (undo !== null) undo.bytes = (await writeSafetensors({ output: kept, path: waiting, ...common })).bytes;
    ({ bytes } = await writeSafetensors({ output, path: target, ...common, onProgress: (done, total, name) => onProgress?.(modelBytes + (done / total) * modelBytes, 2 * modelBytes, name) }));
    // One that was left by a former patched model of this name would be taken for this one's.
    if (undo === null) await rm(undoPath(target), { force: true });
    else await rename(waiting, undo.path);
  } finally {
    await rm(waiting, { force: true });
  }
  return {
    bytes,
    undo,
    signatures: applied.map(({ signature, alpha, coefficient }) => ({ path: signature.path, alpha, coefficient })),
    tensors: patched.size,
    parameters: model.tensors.reduce((sum, { name, parameters }) => sum + (patched.has(name) ? parameters : 0), 0),
    findings: strangers.map(({ signature }): Finding => ({ rule: "another-model", severity: "info", message: `${quote(signature.name)} was made for another model, ${quote(signature.clean.file)}.` })),
  };
}

/** Names of the tensors that the signatures patch. @throws CheckpointError when one does not fit the model. */
function patchedTensors(model: Checkpoint, originals: readonly OutputTensor[], signatures: readonly Weighted[]): Set<string> {
  const byName = new Map(originals.map((tensor) => [tensor.name, tensor]));
  const patched = new Set<string>();
  for (const { signature } of signatures) {
    for (const { name, shape } of signature.tensors.values()) {
      const found = byName.get(name);
      const fail = (reason: string): never => {
        throw new CheckpointError("unsupported", `the signature ${quote(signature.path)} does not fit it: ${reason}`, model.path, { tensor: name });
      };
      if (found === undefined) fail(`the model has no tensor ${quote(name)}`);
      else if (found.shape.length !== shape.length || found.shape.some((length, i) => length !== shape[i])) fail(`${quote(name)} is [${found.shape.join(", ")}], and [${shape.join(", ")}] in the signature`);
      else if (!isFloatingType(found.dtype)) fail(`${quote(name)} is of type ${found.dtype}, not floating point`);
      patched.add(name);
    }
  }
  return patched;
}

function refuseStranger(model: Checkpoint, { hash, tensors }: Contents, { path, base, clean, robust, tensors: own }: Signature): never {
  const differing = [...own.values()].filter(({ name, hashes }) => tensors.get(name) !== hashes.clean).length;
  const what =
    hash === base?.contents ? "this is the base it was made from, not the clean model"
    : hash === robust.contents ? "this is the robust model it was made from"
    : differing > 0 ? `${grouped(differing)} of the ${grouped(own.size)} tensors that it patches differ`
    : "tensors that it does not patch differ";
  throw new CheckpointError("usage", `the signature ${quote(path)} was made for another model, ${quote(clean.file)}: ${what}. --onto-other patches this one all the same`, model.path);
}

/** The tensor with the signatures added, or subtracted. */
export function withSignatures(tensor: OutputTensor, applied: readonly Weighted[], sign: 1 | -1 = 1): OutputTensor {
  const terms = applied.filter(({ signature }) => signature.tensors.has(tensor.name));
  if (terms.length === 0) return tensor;
  const values = terms.map(({ signature }) => valuesOf(signature, tensor.name));
  return { ...tensor, read: async (signal) => combination([await tensor.read(signal), ...values], [1, ...terms.map(({ coefficient }) => sign * coefficient)]) };
}

function metadataOf({ format, metadata }: Checkpoint): Record<string, string> {
  const strings = stringMetadata(metadata);
  return format === "torch" && strings.format === undefined ? { ...strings, format: "pt" } : strings;
}
