/** One output tensor: which inputs have it, in which type it is computed, by which parameters, and as which expression. */
import { CheckpointError } from "../../checkpoint/checkpoint";
import type { Expression, FloatType } from "../../engine/protocol";
import type { MergeMethodEntry } from "../methods/method";
import { isVocabulary, tiedTo } from "../models/architecture";
import type { ModelTensor } from "../models/model";
import { bytesOf, isFloat, promoted } from "./dtypes";
import type { Findings } from "./findings";
import type { KernelMaker, Resolved } from "./kernels";
import type { PlannedSource } from "./layout";
import { isOptional, type OutlinedTensor } from "./outline";
import type { PlannedTensor, PlanOptions, VocabularyPlan } from "./plan";
import type { StatisticsOfModels } from "./statistics";
import { commonShape, firstRows, type Present } from "./shapes";
import type { Place } from "../problem";

export interface MergingContext {
  method: MergeMethodEntry;
  /** Of the recipe; null where there is none. */
  dtype: { type: FloatType; at: Place } | null;
  outDtype: FloatType | null;
  kernels: KernelMaker;
  statistics: StatisticsOfModels;
  vocabulary: VocabularyPlan;
  /** The models in the order in which `vocabulary` knows them, by index of their input. */
  vocabularyOrder: readonly PlannedSource["input"][];
  /** The vocabularies cannot be aligned as the recipe asks: that is told, and what follows from it is not. */
  vocabularyFails: boolean;
  options: PlanOptions;
  findings: Findings;
  methodAt: Place;
}

const NO_PARAMETERS: Resolved = { shared: {}, perModel: {}, keepBase: false };

/** What is merged into one tensor: the base apart where the method has one. */
interface Parts {
  base: Present | null;
  others: readonly Present[];
  /** Where one input is taken as it is. */
  lone: Present | null;
}

/** The tensor; null when it is left out, or there is a problem that keeps it from being planned. */
export function planTensor(outlined: OutlinedTensor, context: MergingContext): PlannedTensor | null {
  const { findings, method, dtype, outDtype } = context;
  const present = presentIn(outlined, findings);
  if (present === null || !readable(present, findings)) return null;
  const parts = partsOf(outlined, present, context);
  if (parts === null) return null;
  const { name } = outlined;
  if (context.vocabularyFails && isVocabulary(name)) return null;
  const aligned = context.vocabulary.rows !== null && isVocabulary(name);
  const shape = aligned ? [context.vocabulary.rows!, ...present[0]!.tensor.shape.slice(1)] : commonShape(name, present, context.options.unsafeTruncateEmbeddings === true, findings);
  if (shape === null) return null;
  const types = new Set(present.map(({ tensor }) => tensor.dtype));
  const counts = [...types].every((type) => !isFloat(type));
  const about = { name, shape, layer: outlined.layer };
  const sources = present.map(({ source, tensor }) => ({ input: source.input.index, tensor: tensor.name, read: (signal?: AbortSignal) => tensor.read(signal) }));
  const parameters = parts.lone === null ? context.kernels.resolve(outlined, parts.others, findings) : NO_PARAMETERS;
  if (parameters === null) return null;
  if (method.statistics !== undefined && !context.statistics.check(method.statistics, outlined, parts.others, findings)) return null;
  if (counts && (dtype === null || name.endsWith("position_ids"))) return copied(about, present, sources, types, context);
  const type = dtype?.type ?? promoted(types);
  if (counts) {
    findings.warn("cast-buffers", dtype!.at, `${name} holds ${[...types].join(" and ")}; dtype rounds it to a number of floating point, as mergekit does; without dtype it is copied`, {
      tensor: name,
      more: (times) => `${times} tensors such as ${name} hold integers or truth values; dtype rounds them to numbers of floating point, as mergekit does; without dtype they are copied`,
    });
  }
  if (dtype === null && types.size > 1 && !types.has(type)) {
    const what = `of ${[...types].join(" and ")}, which promote to ${type}`;
    findings.warn("dtype-promotion", context.methodAt, `the inputs of ${name} are ${what}; dtype would say which type is wanted`, { tensor: name, more: (times) => `the inputs of ${times} tensors such as ${name} are ${what}; dtype would say which type is wanted` });
  }
  const written = outDtype ?? type;
  const operands = (signal?: AbortSignal): Promise<Map<Present, Expression>> => operandsOf(outlined, present, { shape, type, aligned }, context, signal);
  const lone = loneOf(parts, parameters, present, method);
  const shown = shownParameters(parameters, present, parts.others);
  if (lone !== null) {
    const own = isFloat(lone.tensor.dtype) && dtype === null && outDtype === null && !aligned ? lone.tensor.dtype : written;
    const rounded = type !== written && (dtype !== null || aligned);
    const read = async (signal?: AbortSignal): Promise<Expression> => {
      const of = (await operands(signal)).get(lone)!;
      return rounded ? { kind: "cast", of, dtype: type } : of;
    };
    const size = shape.reduce((product, length) => product * length, 1);
    return { ...about, dtype: own, bytes: bytesOf(size, own), sources, parameters: shown, policy: "passed-through", read };
  }
  const by = (resolved: Resolved, entry: MergeMethodEntry) => async (signal?: AbortSignal): Promise<Expression> => {
    const read = await operands(signal);
    const inOrder = (parts: readonly Present[]): Expression[] => parts.map((part) => read.get(part)!);
    return context.kernels.expression({ entry, resolved, outlined, type, of: inOrder(parts.others), others: parts.others, base: parts.base === null ? null : read.get(parts.base)! }, signal);
  };
  context.kernels.note(outlined, parts.others, parameters, type, async (signal) => {
    const read = await operands(signal);
    return { of: parts.others.map((part) => read.get(part)!), base: parts.base === null ? null : read.get(parts.base)! };
  });
  return {
    ...about,
    dtype: written,
    bytes: bytesOf(shape.reduce((product, length) => product * length, 1), written),
    sources,
    parameters: shown,
    policy: "merged",
    read: by(parameters, method),
    readBy: (name, signal) => {
      const entry = context.kernels.other(name);
      return by(context.kernels.resolveLoosely(entry, outlined, parts.others), entry)(signal);
    },
  };
}

/** The tensor of each source that has it, or of what it is tied to there; null with a problem when one that must have it has not. */
function presentIn(outlined: OutlinedTensor, findings: Findings): Present[] | null {
  const { name, members } = outlined;
  const present: Present[] = [];
  const missing: { source: PlannedSource; name: string }[] = [];
  const own = members.map(({ source, name }) => source.input.model.tensors.get(name));
  const somewhere = own.some((tensor) => tensor !== undefined);
  for (const [i, member] of members.entries()) {
    const tensor = own[i] ?? (somewhere ? standIn(member.source, member.name, findings) : undefined);
    if (tensor === undefined) missing.push(member);
    else present.push({ ...member, tensor });
  }
  if (missing.length === 0) return present;
  const optional = isOptional(outlined);
  for (const { source, name: missed } of missing) {
    const { label, model } = source.input;
    if (optional && somewhere) {
      findings.warn("tensor-in-some", source.at, `${label} has no tensor ${missed}; the others are merged without it`, {
        tensor: name,
        more: (times) => `${label} has no tensor ${missed} and ${times - 1} more that others have; they are merged without it`,
      });
    } else if (!optional || outlined.listed) {
      const why = model.architecture === null ? "which the others have" : `which a ${model.architecture} needs`;
      findings.error("missing-tensor", source.at, `${label} has no tensor ${missed}, ${why}; its file is not whole, or it is another kind of model`, {
        tensor: missed,
        more: (times) => `${label} has no tensor ${missed} and ${times - 1} more, ${why}; its file is not whole, or it is another kind of model`,
      });
    }
  }
  return (!optional || outlined.listed) || present.length === 0 ? null : present;
}

const tied = new WeakMap<ReadonlyMap<string, ModelTensor>, Map<string, ModelTensor | undefined>>();

/** What a model that leaves out a tied tensor has in its place. */
function standIn({ input, at }: Pick<PlannedSource, "input" | "at">, name: string, findings?: Findings): ModelTensor | undefined {
  const { tensors, family } = input.model;
  if (family.ownHead) return undefined;
  let known = tied.get(tensors);
  if (known === undefined) tied.set(tensors, (known = new Map<string, ModelTensor | undefined>()));
  if (!known.has(name)) {
    const other = tiedTo(name, tensors.keys());
    known.set(name, other === undefined ? undefined : tensors.get(other));
  }
  const found = known.get(name);
  if (found !== undefined) findings?.warn("tied-tensor", at, `${input.label} has no ${name}: its ${found.name}, to which it is tied, stands in`, { tensor: name });
  return found;
}

function readable(present: readonly Present[], findings: Findings): boolean {
  let all = true;
  for (const { source, tensor } of present) {
    if (tensor.unreadable === undefined) continue;
    all = false;
    findings.error("unreadable-tensor", source.at, `${source.input.label}: ${tensor.name} cannot be read: ${tensor.unreadable}`, {
      tensor: tensor.name,
      more: (times) => `${source.input.label}: ${tensor.name} and ${times - 1} more tensors cannot be read: ${tensor.unreadable}`,
    });
  }
  return all;
}

/** Base and others; what becomes of a tensor that too few have. */
function partsOf({ name, slice }: OutlinedTensor, present: readonly Present[], { method, findings, methodAt }: MergingContext): Parts | null {
  const separate = method.base !== "unused";
  const base = separate ? (present.find(({ source }) => source.base) ?? null) : null;
  const others = present.filter((each) => each !== base);
  const [only] = present;
  if (slice.kept === true) return { base: null, others: present, lone: only! };
  if (present.length === 1 && (method.missing === "pass-lone" || (base !== null && (method.missing !== "merge-rest" || method.baseAlone)))) {
    return { base, others, lone: only! };
  }
  if (method.base === "required" && base === null) {
    const at = others[0]!.source.at;
    // A family's list of tensors does not have it.
    const stray = others[0]!.source.input.model.family.defined;
    if (method.missing === "base-or-skip" || stray) {
      findings.warn("tensor-skipped", at, `${name} is left out: the base does not have it, without which ${method.name} has nothing to go by`, { tensor: name, more: (times) => `${times} tensors such as ${name} are left out: the base does not have them, without which ${method.name} has nothing to go by` });
    } else {
      findings.error("missing-tensor", at, `the base has no tensor ${name}, and ${method.name} needs it there`, { tensor: name, more: (times) => `the base has no tensor ${name} and ${times - 1} more, and ${method.name} needs them there` });
    }
    return null;
  }
  if (others.length < method.models.min && base !== null && method.missing === "base-or-skip") {
    findings.warn("base-kept", others[0]!.source.at, `of ${name} the base's is taken: too few models have it for ${method.name}`, { tensor: name, more: (times) => `of ${name} and ${times - 1} more tensors the base's are taken: too few models have them for ${method.name}` });
    return { base, others: [base], lone: base };
  }
  if (others.length < method.models.min) {
    const count = others.length === 1 ? "one model has" : `${others.length} models have`;
    findings.error("too-few-models", methodAt, `only ${count} the tensor ${name}, and ${method.name} needs ${method.models.min}`, { tensor: name, more: (times) => `only ${count} the tensor ${name} and ${times - 1} more, and ${method.name} needs ${method.models.min}` });
    return null;
  }
  return { base, others, lone: null };
}

/** The one input that is taken as it is; null where inputs are merged. */
function loneOf({ lone, others }: Parts, { keepBase, perModel }: Resolved, present: readonly Present[], method: MergeMethodEntry): Present | null {
  if (lone !== null) return lone;
  if (keepBase) return present.find(({ source }) => source.base) ?? present[0]!;
  return method.name === "passthrough" && perModel.scale?.[0] === undefined ? others[0]! : null;
}

/** Integers and truth values: written as they are, when all say the same. */
function copied(about: Pick<PlannedTensor, "name" | "shape" | "layer">, present: readonly Present[], sources: PlannedTensor["sources"], types: ReadonlySet<string>, { outDtype, findings, options }: MergingContext): PlannedTensor | null {
  const { name, shape } = about;
  if (types.size > 1) {
    findings.error("type-mismatch", present.at(-1)!.source.at, `${name} is of the types ${[...types].join(" and ")}; tensors without fractions are copied and must be equal in all models`, { tensor: name });
    return null;
  }
  const dtype = name.endsWith("position_ids") ? "I64" : (outDtype ?? [...types][0]!);
  return {
    ...about,
    dtype,
    bytes: bytesOf(shape.reduce((product, length) => product * length, 1), dtype),
    sources,
    parameters: {},
    policy: "copied",
    async read(signal) {
      const [first, ...rest] = await Promise.all(present.map(({ tensor }) => tensor.read(signal)));
      const { engine } = options;
      if (engine === undefined || rest.length === 0) return first!;
      const hashes = await Promise.all([first!, ...rest].map((tensor) => engine.request("hash", { tensor }, signal === undefined ? {} : { signal })));
      const other = hashes.findIndex(({ hash }) => hash !== hashes[0]!.hash);
      if (other > 0) {
        const labels = `${present[0]!.source.input.label} and ${present[other]!.source.input.label}`;
        throw new CheckpointError("usage", `it holds other integers in ${labels}, and those are not averaged; set dtype to merge them as numbers of floating point`, present[other]!.source.input.model.path, { tensor: name });
      }
      return first!;
    },
  };
}

/** The inputs as the method gets them: rows of vocabularies in the output's order, or cut. */
async function operandsOf(
  { name }: OutlinedTensor,
  present: readonly Present[],
  { shape, type, aligned }: { shape: readonly number[]; type: FloatType; aligned: boolean },
  { vocabulary, vocabularyOrder }: MergingContext,
  signal: AbortSignal | undefined,
): Promise<Map<Present, Expression>> {
  const read = new Map<Present, Expression>();
  if (!aligned) {
    for (const each of present) {
      const expression = await each.tensor.read(signal);
      read.set(each, firstRows(expression, shape[0] ?? 1, each.tensor.shape[0] ?? 1));
    }
    return read;
  }
  const tensors: (Expression | null)[] = [];
  for (const input of vocabularyOrder) {
    const tensor = input.model.tensors.get(name) ?? standIn({ input, at: input.at }, name);
    tensors.push(tensor === undefined ? null : await tensor.read(signal));
  }
  const rows = vocabulary.align(tensors, type);
  for (const each of present) read.set(each, rows[vocabularyOrder.findIndex(({ index }) => index === each.source.input.index)]!);
  return read;
}

function shownParameters({ shared, perModel }: Resolved, present: readonly Present[], others: readonly Present[]): PlannedTensor["parameters"] {
  const shown: PlannedTensor["parameters"] = { ...shared };
  for (const [name, values] of Object.entries(perModel)) {
    shown[name] = present.map((each) => {
      const at = others.indexOf(each);
      return at < 0 ? null : (values[at] ?? null);
    });
  }
  return shown;
}
