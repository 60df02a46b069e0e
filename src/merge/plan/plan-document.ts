/** One document's plan. */
import path from "node:path";
import { readFile } from "node:fs/promises";
import { CheckpointError } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import { coefficientFiles, CoefficientsError, readCoefficients, type Coefficients } from "../methods/coefficients";
import { methodNamed } from "../methods/registry";
import { isEmbedding } from "../models/architecture";
import { locateModel } from "../models/locate";
import { mergedConfig, type ModuleLayers } from "../output/config";
import { planVocabulary } from "../tokenizer/plan-vocabulary";
import type { Problem } from "../problem";
import type { Located, MergeDocument, RecipeDtype } from "../recipe/recipe";
import { checkInputsApart, checkRoom } from "./destination";
import { dtypeNamed } from "./dtypes";
import { estimate } from "./estimate";
import { checkFilters } from "./filters";
import { Findings } from "./findings";
import { filesOf, labelOf, lendersOf, openInputs, referencesOf, type OpenedInput, type Opening } from "./inputs";
import { KernelMaker } from "./kernels";
import { layersOf, layOut, type PlannedModule } from "./layout";
import { planTensor } from "./merging";
import { outline } from "./outline";
import type { MergePlan, PlannedTensor, VocabularyModel, VocabularyPlan } from "./plan";
import { StatisticsOfModels } from "./statistics";
import type { FloatType } from "../../engine/protocol";

/** @param own problems of the document's text. */
export async function planDocument(document: MergeDocument, own: readonly Problem[], opening: Opening): Promise<MergePlan> {
  const planner = new DocumentPlanner(document, opening);
  const planned = await planner.plan(own.some(({ severity }) => severity === "error"));
  const found = planner.findings.list().filter((problem) => !isTold(problem, own));
  // Of a type that cannot be computed in, the error is enough.
  const kept = found.some(({ code }) => code === "dtype-integer") ? own.filter(({ code }) => code !== "dtype") : own;
  const problems = [...kept, ...found].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  return { ...planned, problems };
}

/** Whether reading the text has said it already, or something that it follows from. */
function isTold({ code, at }: Problem, own: readonly Problem[]): boolean {
  const errors = new Set(own.filter(({ severity }) => severity === "error").map((problem) => problem.code));
  if (code === "missing-parameter") return errors.has(code) || errors.has("misplaced-parameter") || errors.has("parameter-type");
  if (code === "document-faulty") return errors.has("cycle");
  if (code === "vocabulary-mismatch") return [...errors].some((each) => /token|force/.test(each));
  return own.some((problem) => problem.code === code && problem.at.line === at.line && problem.at.column === at.column);
}

/** The model as whoever aligns vocabularies sees it. */
function vocabularyModel({ reference, label, at, model }: OpenedInput, base: boolean, merged: boolean): VocabularyModel {
  const embedding = [...model.tensors.values()].find(({ name, shape }) => shape.length === 2 && isEmbedding(name));
  return { reference, label, at, base, merged, config: model.config, rows: embedding?.shape[0] ?? null, beside: (name) => model.beside(name) };
}

class DocumentPlanner {
  readonly findings = new Findings();

  constructor(
    private readonly document: MergeDocument,
    private readonly opening: Opening,
  ) {}

  async plan(faulty: boolean): Promise<Omit<MergePlan, "problems">> {
    const { document, findings, opening } = this;
    const { options } = opening;
    const profile = options.profile ?? document.profile?.value ?? "mergekit";
    const method = document.method === null ? undefined : methodNamed(document.method.value);
    const references = referencesOf(document);
    const merged = new Set(references.map(({ value }) => labelOf(value)));
    const inputs = await openInputs([...references, ...lendersOf(document)], findings, opening);
    const all = [...inputs.values()].filter((input) => input !== null);
    const opened = all.filter(({ label }) => merged.has(label));
    const base = document.base === null ? undefined : (inputs.get(labelOf(document.base.value)) ?? undefined);
    const nothing: Omit<MergePlan, "problems"> = {
      document,
      method: document.method?.value ?? "",
      profile,
      tensors: [],
      inputs: opened.map((input) => ({ label: input.label, path: input.model.path, base: input === base })),
      files: filesOf(all.map(({ model }) => model)),
      config: null,
      tokenizer: { copied: [], written: [] },
      estimate: null,
    };
    if (options.output !== undefined) await checkInputsApart(options.output, opened, findings);
    if (method === undefined || all.length < inputs.size) return nothing;
    if (!this.checkArchitectures(opened, base)) return nothing;
    const dtype = this.floating(document.dtype);
    const outDtype = this.floating(document.outDtype);
    const modules = layOut(document, method, inputs, findings);
    if (modules.length === 0 || dtype === "wrong" || outDtype === "wrong") return nothing;
    const outlined = outline(modules);
    checkFilters(method, document.parameters, outlined, findings);
    const statistics = new StatisticsOfModels();
    if (method.statistics !== undefined) await statistics.open(modules, findings, opening);
    const models = all.map((input) => vocabularyModel(input, input === base, merged.has(input.label)));
    const vocabulary = await planVocabulary(document, models, { copyTokenizer: options.copyTokenizer, sources: opening.sources });
    for (const { severity, code, at, message, tensor, fixes } of vocabulary.problems) findings.add(severity, code, at, message, { ...(tensor === undefined ? {} : { tensor }), ...(fixes === undefined ? {} : { fixes }) });
    const seed = options.seed ?? document.seed?.value ?? 0;
    const { engine } = options;
    const kernels = new KernelMaker({ document, method, profile, seed, files: await this.coefficients(), statistics, ...(engine === undefined ? {} : { engine }) });
    const context = {
      method,
      dtype: dtype === null ? null : { type: dtype, at: document.dtype!.at },
      outDtype,
      kernels,
      statistics,
      vocabulary,
      vocabularyOrder: all,
      vocabularyFails: vocabulary.problems.some(({ severity }) => severity === "error"),
      options,
      findings,
      methodAt: document.method!.at,
    };
    const tensors = outlined.map((each) => planTensor(each, context)).filter((tensor) => tensor !== null);
    const config = await this.config(modules, base ?? opened[0]!, vocabulary);
    const inputBytes = this.bytesRead(tensors, opened);
    const estimated = estimate(tensors, inputBytes, {
      method: method.name,
      inputs: opened.length,
      rate: options.rate?.(method.name),
      matrices: method.statistics === "gram" || opened.some(({ reference }) => reference.adapter !== undefined),
    });
    if (options.output !== undefined) await checkRoom(options.output, estimated.outputBytes, document.method!.at, findings);
    if (faulty || findings.hasErrors) return nothing;
    return { ...nothing, tensors: tensors.sort((a, b) => (a.name < b.name ? -1 : 1)), files: [...nothing.files, ...statistics.models], config, tokenizer: vocabulary.tokenizer, estimate: estimated };
  }

  /** Models of one architecture, unless that is waived. */
  private checkArchitectures(opened: readonly OpenedInput[], base: OpenedInput | undefined): boolean {
    const first = base ?? opened[0];
    if (first === undefined) return false;
    let same = true;
    for (const { model, label, at } of opened) {
      if (model.config === null) this.findings.warn("no-config", at, `${label} has no config.json beside its weights: its architecture is taken from the names of its tensors`);
      if (model.architecture === null || first.model.architecture === null || model.architecture === first.model.architecture) continue;
      const differ = `${label} is a ${model.architecture}, ${first.label} a ${first.model.architecture}`;
      if (this.opening.options.allowCrimes === true) this.findings.warn("mixed-architectures", at, `${differ}; they are merged all the same, as allow-crimes says`);
      else {
        this.findings.error("mixed-architectures", at, `${differ}: models of different architectures are merged only with --allow-crimes`);
        same = false;
      }
    }
    return same;
  }

  private floating(dtype: Located<RecipeDtype> | null): FloatType | null | "wrong" {
    if (dtype === null) return null;
    const type = dtypeNamed(dtype.value);
    if (type !== "I64") return type;
    this.findings.error("dtype-integer", dtype.at, "int64 would cut every weight down to a whole number; take float32, bfloat16 or float16", { fixes: [{ title: "Change to bfloat16", at: dtype.at, text: "bfloat16" }] });
    return "wrong";
  }

  private async coefficients(): Promise<Map<string, Coefficients>> {
    const { document, findings, opening } = this;
    const files = new Map<string, Coefficients>();
    for (const { path: name, at } of coefficientFiles(document)) {
      if (files.has(name)) continue;
      const found = await locateModel(name, opening.options, opening.sources);
      if (!("path" in found)) {
        findings.error("missing-coefficients", at, `there is no file ${quote(name)}, which should hold coefficients by tensor name`);
        continue;
      }
      try {
        files.set(name, await readCoefficients(found.path));
      } catch (error) {
        if (!(error instanceof CoefficientsError)) throw error;
        findings.error("unreadable-coefficients", at, error.message);
      }
    }
    return files;
  }

  /** The configuration of the base, or else of the first model, with what the merge changes. */
  private async config(modules: readonly PlannedModule[], { model, label, at }: OpenedInput, vocabulary: VocabularyPlan): Promise<string | null> {
    const { document, findings } = this;
    const beside = await model.beside("config.json");
    if (beside === null) return null;
    const file = "from" in beside ? beside.from : path.join(model.path, "config.json");
    try {
      const text = "from" in beside ? await readFile(beside.from, "utf8") : beside.text;
      const dtype = (document.outDtype ?? document.dtype)?.value ?? null;
      const layers = modules.filter(({ sliced }) => sliced).map((planned) => layersFrom(planned, modules.length > 1, layersOf(model, planned.module)));
      const merged = mergedConfig({ file, text, dtype, layers, vocabularySize: vocabulary.rows, at: document.body?.at ?? document.at });
      for (const { severity, code, at, message } of merged.problems) findings.add(severity, code, at, message);
      return merged.text;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      findings.error("unreadable-config", at, `${label}: ${quote(file)}: ${error.message}`);
      return null;
    }
  }

  private bytesRead(tensors: readonly PlannedTensor[], opened: readonly OpenedInput[]): number {
    let sum = 0;
    for (const { sources } of tensors) for (const { input, tensor } of sources) sum += opened[input]?.model.tensors.get(tensor)?.bytes ?? 0;
    return sum;
  }
}

function layersFrom({ module, slices }: PlannedModule, several: boolean, before: number): ModuleLayers {
  const from = slices.flatMap(({ sources, layers }) => {
    const { input, range } = sources.find(({ base }) => base) ?? sources[0]!;
    return Array.from({ length: layers }, (_, i) => ({ config: input.model.config, layer: range[0] + i }));
  });
  return { module: several ? module.name : null, before, from };
}

