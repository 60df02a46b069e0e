/** The models that a document names: found, opened, and each known by one number. */
import type { CheckpointFile, SourceOpener } from "../../checkpoint/checkpoint";
import { CheckpointError } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import { familyOf } from "../models/architecture";
import { locateModel } from "../models/locate";
import type { MergeModel } from "../models/model";
import type { ModelStore } from "../models/store";
import type { Place } from "../problem";
import type { Located, MergeDocument, ModelReference } from "../recipe/recipe";
import type { Findings } from "./findings";
import type { PlanOptions } from "./plan";

export interface OpenedInput {
  index: number;
  /** As the recipe names it. */
  label: string;
  reference: ModelReference;
  /** Where it is first named. */
  at: Place;
  model: MergeModel;
}

/** Models by label; null for those that could not be opened. */
export type Inputs = ReadonlyMap<string, OpenedInput | null>;

/** What opening models takes. */
export interface Opening {
  options: PlanOptions;
  sources: SourceOpener;
  store: ModelStore;
  /** Earlier documents by name, those that could be planned. */
  documents: ReadonlyMap<string, MergeModel>;
  /** Of all documents. */
  names: ReadonlySet<string>;
  signal?: AbortSignal;
}

/** `path@revision+adapter@revision`, as recipes write it. */
export function labelOf({ path, revision, adapter }: ModelReference): string {
  const at = (revisionOf: string | undefined): string => (revisionOf === undefined ? "" : `@${revisionOf}`);
  return `${path}${at(revision)}${adapter === undefined ? "" : `+${adapter.path}${at(adapter.revision)}`}`;
}

/** All models that are merged, in the order of the document, the base where it is first named. */
export function referencesOf({ base, body }: MergeDocument): Located<ModelReference>[] {
  const found: Located<ModelReference>[] = [];
  const ofBody = (inner: NonNullable<MergeDocument["body"]>): void => {
    if (inner.form === "models") found.push(...inner.inputs.map(({ model }) => model));
    else if (inner.form === "slices") for (const slice of inner.slices) found.push(...slice.sources.map(({ model }) => model), ...(slice.base === null ? [] : [slice.base]));
    else for (const module of inner.modules) ofBody(module.body);
  };
  if (body !== null) ofBody(body);
  if (base !== null) found.push(base);
  return found;
}

/** Models that lend their tokenizer, or a token's row. */
export function lendersOf({ tokenizer }: MergeDocument): Located<ModelReference>[] {
  if (tokenizer === null) return [];
  const { value, at } = tokenizer.source;
  const tokens = tokenizer.tokens.flatMap(({ source }) => (source?.value.kind === "model" ? [{ value: source.value.model, at: source.at }] : []));
  return typeof value === "string" ? tokens : [{ value, at }, ...tokens];
}

/** Opens each model once; what keeps one from being opened is a problem where it is first named. */
export async function openInputs(references: readonly Located<ModelReference>[], findings: Findings, opening: Opening): Promise<Inputs> {
  const first = new Map<string, Located<ModelReference>>();
  for (const reference of references) if (!first.has(labelOf(reference.value))) first.set(labelOf(reference.value), reference);
  opening.signal?.throwIfAborted();
  const models = await Promise.all([...first.values()].map(({ value, at }) => openModel(value, at, findings, opening)));
  const inputs = new Map<string, OpenedInput | null>();
  for (const [i, [label, { value: reference, at }]] of [...first].entries()) {
    const model = models[i]!;
    if (model === null) inputs.set(label, null);
    else inputs.set(label, { index: [...inputs.values()].filter((each) => each !== null).length, label, reference, at, model });
  }
  const byPath = new Map<string, OpenedInput>();
  for (const input of inputs.values()) {
    if (input === null) continue;
    const key = `${input.model.path} ${input.reference.adapter?.path ?? ""}`;
    const other = byPath.get(key);
    if (other === undefined) byPath.set(key, input);
    else findings.warn("same-model", input.at, `${input.label} and ${other.label} are one model by two names, and are merged as two`);
  }
  return inputs;
}

async function openModel(reference: ModelReference, at: Place, findings: Findings, opening: Opening): Promise<MergeModel | null> {
  if (opening.names.has(reference.path) && reference.revision === undefined) {
    const document = opening.documents.get(reference.path);
    if (document === undefined) findings.error("document-faulty", at, `the document ${quote(reference.path)} cannot be planned; put its own problems right first`);
    else if (reference.adapter !== undefined) findings.error("adapter-on-document", at, `an adapter is laid over models on disk, not over the document ${quote(reference.path)}; lay it over one of that document's models`);
    else return document;
    return null;
  }
  for (const each of [reference, reference.adapter]) {
    if (each?.revision !== undefined) findings.warn("revision-ignored", at, `the revision ${quote(each.revision)} is ignored: models are read from this machine as they are`);
  }
  const location = await located(reference.path, "model", reference.adapter === undefined, at, findings, opening);
  const adapter = reference.adapter === undefined ? undefined : await located(reference.adapter.path, "adapter", false, at, findings, opening);
  if (location === null || adapter === null) return null;
  try {
    const model = await opening.store.open(location, adapter);
    const packed = [...model.tensors.keys()].find((name) => /\.(?:qweight|qzeros|w_packed|weight_packed)$/.test(name));
    if (packed !== undefined) {
      findings.error("quantised-model", at, `${labelOf(reference)} is quantised in a way that is not decoded (${quote(packed)}): merge the model that it was made of`, { tensor: packed });
      return null;
    }
    const missing = model.files.find((file) => file.missing === true);
    if (missing !== undefined) {
      findings.error("missing-shard", at, `${labelOf(reference)} is not whole: its file ${quote(missing.path)} is missing; complete the download or the copy`);
      return null;
    }
    for (const note of model.notes) findings.warn("model-note", at, `${labelOf(reference)}: ${note}`);
    const { overrideArchitecture: architecture } = reference;
    return architecture === undefined ? model : { ...model, architecture, family: familyOf(architecture, model.config) };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    findings.error("unreadable-model", at, `${labelOf(reference)} cannot be opened: ${quote(error.file)}: ${error.message}`);
    return null;
  }
}

async function located(name: string, what: "model" | "adapter", fixable: boolean, at: Place, findings: Findings, { options, sources }: Opening): Promise<string | null> {
  const found = await locateModel(name, options, sources);
  if ("path" in found) return found.path;
  if ("outside" in found) {
    findings.error("outside-workspace", at, `${quote(name)} lies outside of the workspace, which is not trusted; trust the workspace, or move the ${what} into it`);
    return null;
  }
  const [nearest] = found.nearest;
  const hint = nearest === undefined ? "nothing is fetched: give the path of a folder on this machine, or download the model there" : `did you mean ${quote(nearest)}?`;
  const fixes = found.nearest.map((text) => ({ title: `Change to ${text}`, at, text }));
  findings.error("missing-model", at, `there is no ${what} ${quote(name)}: ${quote(found.missing)} does not exist; ${hint}`, fixable && fixes.length > 0 ? { fixes } : {});
  return null;
}

/** Every file of the models, each once. */
export function filesOf(models: Iterable<MergeModel>): CheckpointFile[] {
  const byPath = new Map<string, CheckpointFile>();
  for (const { files } of models) for (const file of files) byPath.set(file.path, file);
  return [...byPath.values()];
}
