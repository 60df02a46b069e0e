/** What a recipe's panel shows of a plan before a number is computed. */
import { kindOf } from "../../checkpoint/structure";
import type { MergeOverview, MergeTensors } from "../../protocol/merge";
import { METHODS, methodNamed } from "../methods/registry";
import type { MergePlan } from "../plan/plan";
import type { Recipe } from "../recipe/recipe";
import type { Problem } from "../problem";
import { parameterLines } from "./parameter-lines";
import { provenance } from "./provenance";

export interface OverviewOptions {
  recipe: Recipe;
  /** The document's index. */
  document: number;
  /** Null where the document cannot be planned. */
  plan: MergePlan | null;
  /** Of the whole recipe. */
  problems: readonly Problem[];
  /** Names in the output folder. */
  files: readonly string[];
  /** Room on the disk of the output. */
  freeBytes: number | null;
}

export function mergeOverview({ recipe, document, plan, problems, files, freeBytes }: OverviewOptions): MergeOverview {
  const written = recipe.documents[document];
  const method = methodNamed(plan?.method ?? written?.method?.value ?? "");
  const usable = plan !== null && plan.tensors.length > 0 && !problems.some(({ severity }) => severity === "error");
  return {
    name: recipe.path.split(/[\\/]/).at(-1)!,
    documents: recipe.documents.map(({ name, method: own, at }) => ({ name: name?.value ?? null, method: own?.value ?? null, line: at.line })),
    document,
    method: method === undefined ? null : { name: method.name, summary: method.summary, formula: method.formula, link: [method.source, method.link].filter(Boolean).join(", ") },
    profile: plan?.profile ?? null,
    inputs: plan?.inputs.map(({ label, path, base }) => ({ label, path, base })) ?? [],
    problems: problems.map(({ severity, code, message, at, tensor, fixes }) => ({ severity, code, message, line: at.line, column: at.column, fixes: fixes?.length ?? 0, ...(tensor === undefined ? {} : { tensor }) })),
    plan: !usable || plan.estimate === null ? null : { method: plan.method, tensors: plan.tensors.length, ...plan.estimate, files: [...files], freeBytes },
    provenance: provenance(plan ?? { tensors: [], inputs: [] }),
    parameters: parameterLines(plan ?? { tensors: [] }),
    tensors: columns(plan?.tensors ?? []),
    methods: plan === null ? [] : [plan.method, ...comparable(plan)],
    space: method?.space ?? "weight",
  };
}

function columns(tensors: MergePlan["tensors"]): MergeTensors {
  return {
    name: tensors.map(({ name }) => name),
    kind: tensors.map(({ name, shape }) => kindOf(name, shape)),
    layer: tensors.map(({ layer }) => layer),
    dtype: tensors.map(({ dtype }) => dtype),
    shape: tensors.map(({ shape }) => [...shape]),
    bytes: tensors.map(({ bytes }) => bytes),
    policy: tensors.map(({ policy }) => policy),
    sources: tensors.map(({ sources }) => [...new Set(sources.map(({ input }) => input))]),
  };
}

/** Other methods that merge the same inputs, of the arity that most of the tensors have. */
function comparable({ inputs, tensors, method }: MergePlan): string[] {
  if (!tensors.some(({ readBy }) => readBy !== undefined)) return [];
  const base = inputs.some((input) => input.base);
  const others = inputs.filter((input) => !input.base).length;
  return METHODS.filter((entry) => {
    if (entry.name === method || entry.statistics !== undefined || entry.name === "passthrough") return false;
    const count = entry.base === "unused" && base ? others + 1 : others;
    return (base || entry.base !== "required") && count >= entry.models.min && (entry.models.max === null || count <= entry.models.max);
  }).map(({ name }) => name);
}
