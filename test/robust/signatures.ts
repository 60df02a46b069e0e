/** Signatures of the models in `examples/robust`, made and used as the command line does it. */
import { join } from "node:path";
import { applySignatures, coefficientOf } from "../../src/analysis/signature/apply";
import { extractSignatures } from "../../src/analysis/signature/extract";
import type { Scheme } from "../../src/analysis/signature/quantisation";
import { openSignature } from "../../src/analysis/signature/signature-file";
import type { Engine } from "../../src/analysis/engine";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import type { SignatureExtract, SignatureScaling } from "../../src/protocol/results";
import { readWeights, type Weights } from "./forward";
import { modelFile } from "./tables";

export interface Making {
  layers?: number;
  scheme?: Scheme;
  /** Names of models; `null`: no base. */
  base?: string | null;
  clean?: string;
}

/** Makes signatures of robust models, by name; each is `folder/name.rws.safetensors`. */
export async function extract(engine: Engine, folder: string, robust: readonly string[], { layers = 6, scheme, base = "base", clean = "clean" }: Making = {}): Promise<SignatureExtract> {
  return extractSignatures(
    { base: base === null ? null : modelFile(base), clean: modelFile(clean), robust: robust.map(modelFile), choice: { layers }, scheme: scheme ?? null, targets: robust.map((name) => signatureFile(folder, name)) },
    { sources: new LocalFiles(), engine },
  );
}

export function signatureFile(folder: string, name: string): string {
  return join(folder, `${name}.rws.safetensors`);
}

export interface Patching {
  target?: string;
  alpha?: number;
  scaling?: SignatureScaling;
}

/** The weights of a model with signatures of `folder` applied. */
export async function patched(engine: Engine, folder: string, signatures: readonly string[], { target = "clean", alpha = 1, scaling = "linear" }: Patching = {}): Promise<Weights> {
  const sources = new LocalFiles();
  const opened = await Promise.all(signatures.map((name) => openSignature(signatureFile(folder, name), sources)));
  const file = join(folder, "patched.safetensors");
  const weighted = opened.map((signature) => ({ signature, alpha, coefficient: coefficientOf(alpha, opened.length, scaling) }));
  await applySignatures({ model: await openCheckpoint(modelFile(target), sources), signatures: weighted, ontoOther: target !== "clean", undo: false, target: file }, { sources, engine });
  return readWeights(file);
}
