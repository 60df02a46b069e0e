/** One output tensor: which inputs have it, in which type it is computed, by which parameters, and as which expression. */
import type { FloatType } from "../../engine/protocol";
import type { MergeMethodEntry } from "../methods/method";
import { isVocabulary } from "../models/architecture";
import { isFloat, promoted } from "./dtypes";
import type { Findings } from "./findings";
import type { KernelMaker, Resolved } from "./kernels";
import type { PlannedSource } from "./layout";
import { isOptional, type OutlinedTensor } from "./outline";
import type { PlannedTensor, PlanOptions, VocabularyPlan } from "./plan";
import type { StatisticsOfModels } from "./statistics";
import { CopiedTensor, MergedTensor, PassedTensor, takingPart } from "./planned-tensors";
import { alignedShape, commonShape, type Present } from "./shapes";
import { standIn } from "./stand-in";
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
  const shape = aligned ? alignedShape(name, present, context.vocabulary.rows!, findings) : commonShape(name, present, context.options.unsafeTruncateEmbeddings === true, findings);
  if (shape === null) return null;
  if (aligned) checkTokens(name, present, context);
  const types = typesOf(present);
  const counts = types.every((type) => !isFloat(type));
  const parameters = parts.lone === null ? context.kernels.resolve(outlined, parts.others, findings) : NO_PARAMETERS;
  if (parameters === null) return null;
  if (method.statistics !== undefined && !context.statistics.check(method.statistics, outlined, parts.others, findings)) return null;
  if (counts && (dtype === null || name.endsWith("position_ids"))) return copied(outlined, shape, present, types, context);
  const type = dtype?.type ?? promoted(types);
  if (counts) {
    findings.warn("cast-buffers", dtype!.at, `${name} holds ${types.join(" and ")}; dtype rounds it to a number of floating point, as mergekit does; without dtype it is copied`, {
      tensor: name,
      more: (times) => `${times} tensors such as ${name} hold integers or truth values; dtype rounds them to numbers of floating point, as mergekit does; without dtype they are copied`,
    });
  }
  if (dtype === null && types.length > 1 && !types.includes(type)) {
    const what = `of ${types.join(" and ")}, which promote to ${type}`;
    findings.warn("dtype-promotion", context.methodAt, `the inputs of ${name} are ${what}; dtype would say which type is wanted`, { tensor: name, more: (times) => `the inputs of ${times} tensors such as ${name} are ${what}; dtype would say which type is wanted` });
  }
  const written = outDtype ?? type;
  const operands = { outlined, present, base: parts.base, others: parts.others, shape, type, aligned };
  const lone = loneOf(parts, parameters, present, method);
  if (lone !== null) {
    const own = isFloat(lone.tensor.dtype) && dtype === null && outDtype === null && !aligned ? lone.tensor.dtype : written;
    return new PassedTensor(context, operands, parameters, own, lone, type !== written && (dtype !== null || aligned) ? type : null);
  }
  const planned = new MergedTensor(context, operands, parameters, written);
  context.kernels.note(outlined, parts.others, parameters, type, (signal) => planned.operands(signal));
  return planned;
}

/** Models of other slices have no say in this tensor: tokens that only they have get zeros, which is told. */
function checkTokens(name: string, present: readonly Present[], { vocabulary, vocabularyOrder, findings }: MergingContext): void {
  const lost = vocabulary.lost(takingPart(vocabularyOrder, present));
  if (lost === 0) return;
  const detail = `get zeros: the slice that it comes from has none of the models with those tokens; "source" under tokenizer.tokens would say what should stand there`;
  findings.warn("token-without-row", present[0]!.source.at, `${lost} rows of ${name} ${detail}`, { tensor: name, more: (times) => `${lost} rows of ${name} and of ${times - 1} tensors more ${detail}` });
}

/** Each type once, in the order of the inputs. */
function typesOf(present: readonly Present[]): readonly string[] {
  const [first] = present;
  return present.every(({ tensor }) => tensor.dtype === first!.tensor.dtype) ? [first!.tensor.dtype] : [...new Set(present.map(({ tensor }) => tensor.dtype))];
}

/** The tensor of each source that has it, or of what it is tied to there; null with a problem when one that must have it has not. */
function presentIn(outlined: OutlinedTensor, findings: Findings): Present[] | null {
  const { name, members } = outlined;
  const present: Present[] = [];
  for (const { source, name } of members) {
    const tensor = source.input.model.tensors.get(name);
    if (tensor !== undefined) present.push({ source, name, tensor });
  }
  if (present.length === members.length) return present;
  const somewhere = present.length > 0;
  const missing: { source: PlannedSource; name: string }[] = [];
  present.length = 0;
  for (const { source, name } of members) {
    const tensor = source.input.model.tensors.get(name) ?? (somewhere ? standIn(source, name, findings) : undefined);
    if (tensor === undefined) missing.push({ source, name });
    else present.push({ source, name, tensor });
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
function copied(outlined: OutlinedTensor, shape: readonly number[], present: readonly Present[], types: readonly string[], context: MergingContext): PlannedTensor | null {
  const { name } = outlined;
  if (types.length > 1) {
    context.findings.error("type-mismatch", present.at(-1)!.source.at, `${name} is of the types ${types.join(" and ")}; tensors without fractions are copied and must be equal in all models`, { tensor: name });
    return null;
  }
  const dtype = name.endsWith("position_ids") ? "I64" : (context.outDtype ?? types[0]!);
  return new CopiedTensor(context, { outlined, present, base: null, others: present, shape, type: "F32", aligned: false }, NO_PARAMETERS, dtype);
}
