/** A recipe for chosen models: which methods they can be merged by, sensible parameters to begin with, and the text. */
import type { MergeMethodEntry } from "./methods/method";
import { METHODS } from "./methods/registry";
import type { RecipeDtype } from "./recipe/recipe";

type Value = number | boolean | { filter?: string; value: number | number[] }[];

export interface Preset {
  name: string;
  /** What it does, for who chooses. */
  detail: string;
  shared: Record<string, Value>;
  /** Of every model but the base. */
  perModel: Record<string, Value>;
}

export interface NewRecipe {
  method: MergeMethodEntry;
  preset: Preset;
  /** As they are to be written: paths relative to the recipe. */
  models: readonly string[];
  base: string | null;
  dtype: RecipeDtype | null;
}

/**
 * Methods for so many models beside a base, or without one; methods on the way from one model to another take the first of two as their base.
 * Those that need statistics of training data are not offered: nothing here makes them.
 */
export function fittingMethods(models: number, base: boolean): MergeMethodEntry[] {
  return METHODS.filter((method) => {
    if (method.statistics !== undefined) return false;
    const count = !base && method.base === "required" && method.models.max === 1 ? models - 1 : method.base === "unused" && base ? models + 1 : models;
    if (!base && method.base === "required" && method.models.max !== 1) return false;
    return count >= method.models.min && (method.models.max === null || count <= method.models.max);
  });
}

/** What to begin with; the first is the usual one. @param models beside the base. */
export function presetsFor({ name, parameters }: MergeMethodEntry, models: number): Preset[] {
  const even = rounded(1 / models);
  const own = PRESETS[name]?.(even);
  if (own !== undefined) return own;
  // What has no default has to be written.
  const missing = (scope: "model" | "global"): Record<string, Value> => Object.fromEntries(parameters.filter((parameter) => parameter.required && parameter.scope === scope).map((parameter) => [parameter.name, parameter.name === "t" ? 0.5 : 1]));
  const perModel = missing("model");
  return [{ name: "Usual", detail: Object.keys(perModel).length > 0 ? "all models alike, the method's own defaults" : "the method's own defaults", shared: missing("global"), perModel }];
}

const density = (name: string, value: number, weight: number, detail: string, more: Record<string, Value> = {}): Preset => ({ name, detail: `density ${value}, weight ${weight}: ${detail}`, shared: {}, perModel: { weight, density: value, ...more } });
const thinned = (weight: number): Preset[] => [density("Half", 0.5, weight, "half of each task vector, by chance, rescaled"), density("A tenth", 0.1, weight, "as the paper finds enough for large models")];
const ranked = (weight: number): Preset[] => [density("Half", 0.5, weight, "half of each task vector, the larger elements the likelier", { epsilon: 0.15 }), density("Most", 0.7, weight, "70 % of each task vector", { epsilon: 0.15 })];
const crumbs = (weight: number): Preset[] => [density("As in the paper", 0.9, weight, "without the smallest tenth and the largest hundredth", { gamma: 0.01 })];

const PRESETS: Readonly<Record<string, (even: number) => Preset[]>> = {
  slerp: () => [
    { name: "Half way", detail: "t 0.5 everywhere", shared: { t: 0.5 }, perModel: {} },
    { name: "By depth", detail: "attention from the first model to the second, feed-forward the other way", shared: { t: [{ filter: "self_attn", value: [0, 0.5, 0.3, 0.7, 1] }, { filter: "mlp", value: [1, 0.5, 0.7, 0.3, 0] }, { value: 0.5 }] }, perModel: {} },
  ],
  task_arithmetic: (even) => [
    ...(even === 1 ? [] : [{ name: "Mean", detail: `weight ${even}: the mean of the task vectors`, shared: {}, perModel: { weight: even } }]),
    { name: "Sum", detail: "weight 1: all of each task vector", shared: {}, perModel: { weight: 1 } },
    { name: "Scaled sum", detail: "weight 1, lambda 0.3: as the paper finds best for several tasks", shared: { lambda: 0.3 }, perModel: { weight: 1 } },
  ],
  ties: () => [density("Half", 0.5, 1, "the larger half of each task vector"), density("A fifth", 0.2, 1, "as in the paper")],
  dare_linear: thinned,
  dare_ties: thinned,
  della: ranked,
  della_linear: ranked,
  breadcrumbs: crumbs,
  breadcrumbs_ties: crumbs,
  sce: () => [
    { name: "All", detail: "select_topk 1: every element takes part", shared: { select_topk: 1 }, perModel: {} },
    { name: "A tenth", detail: "select_topk 0.1: the elements that vary most between the models", shared: { select_topk: 0.1 }, perModel: {} },
  ],
  nearswap: () => [{ name: "Close", detail: "t 0.001: elements that differ by less become the second model's", shared: { t: 0.001 }, perModel: {} }],
};

/** The recipe's text. */
export function newRecipe({ method, preset, models, base, dtype }: NewRecipe): string {
  // On the way from the first of two to the second.
  const from = base ?? (method.base === "required" ? (models[0] ?? null) : null);
  const inputs = base !== null && (method.base === "unused" || method.models.max === 1) ? [base, ...models] : models;
  const lines = [`# ${method.summary}`, `merge_method: ${method.name}`];
  if (from !== null && method.base !== "unused") lines.push(`base_model: ${scalar(from)}`);
  lines.push("models:");
  for (const model of inputs) {
    lines.push(`  - model: ${scalar(model)}`);
    if (model !== from || method.base === "unused") lines.push(...table(preset.perModel, "    "));
  }
  lines.push(...table(preset.shared, ""));
  if (dtype !== null) lines.push(`dtype: ${dtype}`);
  return `${lines.join("\n")}\n`;
}

function table(values: Readonly<Record<string, Value>>, indent: string): string[] {
  const entries = Object.entries(values);
  return entries.length === 0 ? [] : [`${indent}parameters:`, ...entries.flatMap(([name, value]) => (typeof value === "object"
    ? [`${indent}  ${name}:`, ...value.flatMap(({ filter, value: own }) => (filter === undefined ? [`${indent}    - value: ${inline(own)}`] : [`${indent}    - filter: ${scalar(filter)}`, `${indent}      value: ${inline(own)}`]))]
    : [`${indent}  ${name}: ${String(value)}`]))];
}

function inline(value: number | number[]): string {
  return Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}

/** Text that YAML reads as that text. */
function scalar(text: string): string {
  const plain = /^[\p{L}\d_./~][\p{L}\d_./~@+ -]*$/u.test(text) && !/ $/.test(text) && !/^(?:[-+.\d][\d._:eE+-]*|~|null|true|false|yes|no|on|off|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

/** Three digits: 0.333. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
