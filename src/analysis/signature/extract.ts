/** Robust weight signatures from a base, its clean fine-tune and robust ones, to one file each. */
import { CheckpointError, type Checkpoint, type SourceOpener, type Tensor } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import { openCheckpoint } from "../../checkpoint/registry";
import type { Finding, How, SignatureExtract, SignatureLayer } from "../../protocol/results";
import { numeric } from "../compare/numbers";
import { concurrently } from "../concurrently";
import type { OutputTensor } from "../convert";
import type { Engine } from "../engine";
import { writeSafetensors } from "../write-safetensors";
import { contentsOf, type Contents } from "./contents";
import { checkFinite, measure, signatureOf, type Measured } from "./measure";
import { commonTensors, isState, type CommonTensor, type Models } from "./models";
import { codeType, encoded, measureScale, type Scale, type Scheme } from "./quantisation";
import { signatureMetadata, type ModelMark, type SignatureFacts, type SignatureTensor } from "./signature-file";
import { layerUnits, type LayerUnit } from "./units";
import { basename } from "node:path";

/** How many layers the authors' code patches unless told. */
export const DEFAULT_LAYERS = 7;

export interface ExtractRequest {
  /** Files, indices or folders; without a base, signatures are not projected. */
  base: string | null;
  clean: string;
  robust: readonly string[];
  /** The first so many layers, or the tensors of these indices. */
  choice: { layers: number } | { select(tensors: readonly Pick<Tensor, "name">[]): number[] };
  scheme: Scheme | null;
  /** Absolute path of the file for each robust model. */
  targets: readonly string[];
}

export interface ExtractOptions {
  sources: SourceOpener;
  engine: Engine;
  signal?: AbortSignal;
  /** Bytes read of all that will be. */
  onProgress?(done: number, total: number, tensor: string): void;
}

/** Tensors measured at a time. */
const CONCURRENCY = 4;

interface Row {
  tensor: CommonTensor;
  measured: Measured;
}

/** What there is to say of models before a signature is made: `chosen` is false everywhere. */
export type ModelsMeasured = Pick<SignatureExtract, "units" | "layers" | "findings" | "how">;

/** How robust models differ from the clean one, layer by layer; two passes over all of them. @throws as `extractSignatures`. */
export async function measureModels(models: Models, { engine, signal, onProgress }: Omit<ExtractOptions, "sources">): Promise<ModelsMeasured> {
  const { tensors, findings } = await commonTensors(models, signal);
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const rows = await concurrently(tensors, CONCURRENCY, async (tensor): Promise<Row> => {
    const measured = await measure(tensor, engine, signal);
    onProgress?.((done += tensor.bytes), total, tensor.name);
    return { tensor, measured };
  });
  if (rows.length === 0) throw new CheckpointError("unsupported", "none of its tensors can be compared with the other models", models.clean.path);
  const units = unitsOf(models.clean);
  const none = new Set<string>();
  return {
    units: units.map(({ name, tensors: names }) => ({ name, tensors: names, chosen: false })),
    layers: inUnitOrder(rows, units).map((row) => layerOf(row, none)),
    findings: [...findings, ...nonFiniteFindings(rows)],
    how: howOf(rows, models.base !== null),
  };
}

/**
 * Extracts and writes the signatures, each file whole or not at all.
 * @returns what there is to say; paths of the outputs are `targets`.
 * @throws CheckpointError for what cannot be opened, compared or written; what the engine throws.
 */
export async function extractSignatures(request: ExtractRequest, options: ExtractOptions): Promise<SignatureExtract> {
  const { scheme, targets } = request;
  const { sources, engine, signal, onProgress } = options;
  const open = (file: string): Promise<Checkpoint> => openCheckpoint(file, sources);
  const models: Models = { base: request.base === null ? null : await open(request.base), clean: await open(request.clean), robust: await concurrently(request.robust, CONCURRENCY, open) };
  const { tensors, findings } = await commonTensors(models, signal);
  const { units, chosen, notes } = choose(request, models.clean, tensors);
  const all = [...(models.base === null ? [] : [models.base]), models.clean, ...models.robust];
  const total = [...all.flatMap((model) => model.tensors), ...tensors].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const advance = (name: string, bytes: number): void => onProgress?.((done += bytes), total, name);
  const rows = await concurrently(tensors, CONCURRENCY, async (tensor): Promise<Row> => {
    const measured = await measure(tensor, engine, signal);
    if (chosen.has(tensor.name)) checkFinite(tensor, measured, models.clean.path);
    advance(tensor.name, tensor.bytes);
    return { tensor, measured };
  });
  const contents: Contents[] = [];
  for (const model of all) contents.push(await contentsOf(model, engine, signal, advance));
  const marks = all.map((model, i) => markOf(model, contents[i]!));
  const patched = rows.filter(({ tensor }) => chosen.has(tensor.name));
  const scales = await concurrently(patched, CONCURRENCY, (row) => scaleOf(row, scheme, engine, models.clean.path, signal));
  const written: SignatureExtract["signatures"] = [];
  const robustAt = all.length - models.robust.length;
  for (const [i, target] of targets.entries()) {
    const facts: SignatureFacts = {
      base: models.base === null ? null : marks[0]!,
      clean: marks[robustAt - 1]!,
      robust: marks[robustAt + i]!,
      scheme,
      units: "layers" in request.choice ? units.flatMap(({ name, chosen: one }) => (one ? [name] : [])) : null,
      tensors: new Map(patched.map(({ tensor, measured }, at) => [tensor.name, factsOf(tensor, measured, scales[at]!, i, contents, models)])),
    };
    const output = { tensors: patched.map(({ tensor, measured }, at) => outputOf(tensor, measured, scheme, scales[at]!, i)), metadata: signatureMetadata(facts) };
    const { bytes } = await writeSafetensors({ output, path: target, inputs: all.flatMap(({ files }) => files), engine, ...(signal === undefined ? {} : { signal }) });
    const parameters = patched.reduce((sum, { tensor }) => sum + tensor.parameters, 0);
    written.push({ path: target, robust: request.robust[i]!, tensors: patched.length, parameters, bytes, fullCopyBytes: facts.robust.bytes });
  }
  return {
    base: request.base,
    clean: request.clean,
    robust: [...request.robust],
    projected: models.base !== null,
    quantised: scheme === null ? null : { scheme: scheme.name, levels: scheme.levels },
    signatures: written,
    units,
    layers: inUnitOrder(rows, units).map((row) => layerOf(row, chosen)),
    findings: [...notes, ...findings, ...nonFiniteFindings(rows)],
    how: howOf(rows, models.base !== null),
  };
}

interface Choice {
  units: SignatureExtract["units"];
  /** Names of the tensors to patch. */
  chosen: ReadonlySet<string>;
  notes: Finding[];
}

function choose({ choice }: ExtractRequest, clean: Checkpoint, tensors: readonly CommonTensor[]): Choice {
  const common = new Set(tensors.map(({ name }) => name));
  const units = unitsOf(clean);
  const notes: Finding[] = [];
  let wanted: Set<string>;
  if ("layers" in choice) {
    wanted = new Set(units.slice(0, choice.layers).flatMap((unit) => unit.tensors));
    if (choice.layers > units.length) notes.push({ rule: "fewer-layers", severity: "info", message: `The model has ${units.length} layers, and all of them are taken.` });
  } else wanted = new Set(choice.select(clean.tensors).map((index) => clean.tensors[index]!.name));
  const chosen = new Set([...wanted].filter((name) => common.has(name)));
  if (chosen.size === 0) throw new CheckpointError("usage", `none of its tensors that were chosen can be compared with the other models (${grouped(wanted.size)} chosen)`, clean.path);
  const state = clean.tensors.filter(isState);
  if (state.length > 0) notes.push({ rule: "state-kept", severity: "info", message: `Running statistics (${quote(state[0]!.name)}${state.length > 1 ? ` and ${grouped(state.length - 1)} more` : ""}) have no signature: a patched model keeps its own, and is better for having them estimated again with data.` });
  return { units: units.map(({ name, tensors: names }) => ({ name, tensors: names, chosen: names.some((one) => chosen.has(one)) })), chosen, notes };
}

/** The model's layers in forward order, without its state. */
export function unitsOf({ tensors, format }: Checkpoint): LayerUnit[] {
  return layerUnits(tensors.filter((tensor) => !isState(tensor) && tensor.parameters > 0), format === "torch");
}

function inUnitOrder(rows: readonly Row[], units: readonly LayerUnit[]): Row[] {
  const places = new Map(units.flatMap((unit) => unit.tensors).map((name, i) => [name, i]));
  return [...rows].sort((a, b) => places.get(a.tensor.name)! - places.get(b.tensor.name)!);
}

function markOf(model: Checkpoint, { hash }: Contents): ModelMark {
  return { file: basename(model.path), contents: hash, bytes: model.files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function scaleOf({ tensor, measured }: Row, scheme: Scheme | null, engine: Engine, file: string, signal?: AbortSignal): Promise<Scale | null> {
  if (scheme === null) return null;
  try {
    return await measureScale(scheme, tensor.robust.map((_, i) => signatureOf(tensor, i, measured.coefficients[i]!)), engine, signal);
  } catch (error) {
    throw error instanceof CheckpointError ? new CheckpointError(error.code, error.message, file, { tensor: tensor.name }) : error;
  }
}

function factsOf({ name, shape }: CommonTensor, { coefficients, removed }: Measured, scale: Scale | null, robust: number, contents: readonly Contents[], { base, robust: all }: Models): SignatureTensor {
  const first = contents.length - all.length;
  const hash = (at: number): string => contents[at]!.tensors.get(name)!;
  return { name, shape, scale, hashes: { base: base === null ? null : hash(0), clean: hash(first - 1), robust: hash(first + robust) }, coefficient: coefficients[robust]!, removed: removed[robust]! };
}

function outputOf(tensor: CommonTensor, { coefficients }: Measured, scheme: Scheme | null, scale: Scale | null, robust: number): OutputTensor {
  const { name, shape, parameters } = tensor;
  const values = signatureOf(tensor, robust, coefficients[robust]!);
  if (scheme === null || scale === null) return { name, dtype: "F32", shape, bytes: 4 * parameters, written: "F32", read: () => Promise.resolve(values) };
  const dtype = codeType(scheme, scale);
  const codes = encoded(scheme, scale, values, shape);
  return { name, dtype, shape, bytes: dtype === "U8" ? parameters : 2 * parameters, written: dtype, read: () => Promise.resolve(codes) };
}

function layerOf({ tensor: { name, shape }, measured: { differences, coefficients, removed } }: Row, chosen: ReadonlySet<string>): SignatureLayer {
  const orNull = (value: number | null): ReturnType<typeof numeric> | null => (value === null ? null : numeric(value));
  return {
    name,
    shape: [...shape],
    chosen: chosen.has(name),
    differences: differences.map(({ norm, relative, relativeToUpdate }) => ({ norm: numeric(norm), relative: numeric(relative), relativeToUpdate: orNull(relativeToUpdate) })),
    coefficients: coefficients.map(orNull),
    removedByProjection: removed.map(orNull),
  };
}

function nonFiniteFindings(rows: readonly Row[]): Finding[] {
  return rows.flatMap(({ tensor: { name }, measured: { nonFinite } }): Finding[] =>
    nonFinite === 0 ? [] : [{ rule: "non-finite", severity: "warning", tensor: name, message: `${grouped(nonFinite)} elements are NaN or infinite in one of the models; its numbers are over the others.` }],
  );
}

function howOf(rows: readonly Row[], projected: boolean): How {
  const { how } = rows[0]!.measured;
  return { ...how, method: projected ? "p − (p·a)/(a·a)·a, tensor by tensor" : "robust − clean, not projected: there is no base" };
}
