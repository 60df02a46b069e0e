/** What is told of what stands under the pointer: methods, parameters layer by layer, what a filter matches, models by their headers. */
import type { Hover, Position } from "vscode-languageserver";
import { MarkupKind } from "vscode-languageserver";
import { grouped, quote } from "../checkpoint/quote";
import { foldedName } from "../checkpoint/structure";
import { methodNamed, parameterOf } from "../merge/methods/registry";
import { gradientAt } from "../merge/methods/resolve";
import type { MergeModel } from "../merge/models/model";
import type { ModelStore } from "../merge/models/store";
import { labelOf } from "../merge/plan/inputs";
import type { MergePlan } from "../merge/plan/plan";
import type { Located, MergeDocument, ModelReference, ParameterValue } from "../merge/recipe/recipe";
import { documentNamed, inputsOf } from "../merge/recipe/references";
import { cursorAt } from "./cursor";
import { documentAt, filterAt, parameterAt, referenceAt, type FoundParameter } from "./found";
import { keyAt } from "./keys";
import { methodMarkdown, parameterMarkdown } from "./method-text";
import { layerCountOf, openModel } from "./models";
import { holds, rangeOf } from "./places";
import type { RecipeState } from "./recipe-state";

export async function hover(state: RecipeState, position: Position, models: ModelStore): Promise<Hover | null> {
  const document = documentAt(state.recipe, position);
  if (document !== undefined) {
    const found = await new Hovering(state, document, models).at(position);
    if (found !== null) return found;
  }
  const cursor = cursorAt(state.lines, position);
  const name = /^[\w-]+/.exec(cursor.word)?.[0];
  const key = cursor.key === null && name !== undefined ? keyAt(cursor.path, name) : undefined;
  return key === undefined ? null : { contents: { kind: MarkupKind.Markdown, value: `**${key.name}**: ${key.meaning}${key.extension === true ? "\n\nAn extension: mergekit ignores it." : ""}` } };
}

class Hovering {
  constructor(private readonly state: RecipeState, private readonly document: MergeDocument, private readonly models: ModelStore) {}

  async at(position: Position): Promise<Hover | null> {
    const { document } = this;
    const method = document.method === null ? undefined : methodNamed(document.method.value);
    if (document.method !== null && holds(document.method.at, position)) return method === undefined ? null : said(methodMarkdown(method), document.method.at);
    const reference = referenceAt(document, position);
    if (reference !== undefined) return said(await this.model(reference), reference.at);
    const found = parameterAt(document, position);
    const parameter = found === undefined || method === undefined ? undefined : parameterOf(method, found.name);
    if (found === undefined || method === undefined || parameter === undefined) return null;
    const filter = filterAt(found.parameter.value, position);
    if (filter !== undefined) return said(await this.filter(filter.filter!.value, found), filter.filter!.at);
    const values = await this.values(found);
    return said([parameterMarkdown(method, parameter), ...values].join("\n\n"), found.onName ? found.parameter.name : found.parameter.at);
  }

  private async plan(): Promise<MergePlan | undefined> {
    const plans = await this.state.plans().catch(() => []);
    return plans.find(({ document }) => document === this.document);
  }

  /** The model, or document, by its header. */
  private async model({ value }: Located<ModelReference>): Promise<string> {
    const named = documentNamed(this.state.recipe.documents, value);
    if (named !== undefined) {
      const plan = (await this.state.plans().catch(() => [])).find(({ document }) => document === named);
      return `**${value.path}**: document on line ${named.at.line}, ${named.method?.value ?? "without a method"}${plan === undefined || plan.tensors.length === 0 ? "" : `, ${grouped(plan.tensors.length)} tensors`}`;
    }
    const model = await openModel(this.state, value, this.models);
    if (model === null) return `**${labelOf(value)}** is not there, or cannot be read.`;
    const tensors = [...model.tensors.values()];
    const sum = (of: (tensor: (typeof tensors)[number]) => number): number => tensors.reduce((total, tensor) => total + of(tensor), 0);
    const dtypes = new Map<string, number>();
    for (const { dtype, parameters } of tensors) dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + parameters);
    const layers = layerCountOf(model);
    return [
      `**${labelOf(value)}**: ${model.architecture ?? "no architecture told"}`,
      [`${grouped(tensors.length)} tensors`, `${grouped(sum(({ parameters }) => parameters))} parameters`, ...(layers > 0 ? [`${layers} layers (0 … ${layers - 1})`] : []), [...dtypes].sort((a, b) => b[1] - a[1]).map(([dtype]) => dtype).join(", ")].join(" · "),
      `\`${model.path}\``,
    ].join("\n\n");
  }

  private async filter({ text, matches }: { text: string; matches(tensor: string): boolean }, { input }: FoundParameter): Promise<string> {
    const names = await this.names(input?.model.value);
    if (names === null) return `**${text}**: which tensors it matches is known once the models can be read.`;
    const matched = names.filter(matches);
    const kinds = [...new Set(matched.map(foldedName))];
    const shown = kinds.slice(0, 12).map((kind) => `- \`${kind}\`${times(matched.filter((name) => foldedName(name) === kind).length)}`);
    return [`**${text}** matches ${grouped(matched.length)} of ${grouped(names.length)} tensors`, ...(shown.length === 0 ? [] : [`${shown.join("\n")}${kinds.length > 12 ? `\n- … ${kinds.length - 12} more` : ""}`])].join("\n\n");
  }

  /** Names that filters are held to: the input's own, or those of the first model that can be opened. */
  private async names(reference: ModelReference | undefined): Promise<string[] | null> {
    const plan = reference === undefined ? await this.plan() : undefined;
    if (plan !== undefined && plan.tensors.length > 0) return plan.tensors.map(({ name }) => name);
    const candidates = reference === undefined ? inputsOf(this.document.body).map(({ model }) => model.value) : [reference];
    for (const candidate of candidates) {
      const model = await openModel(this.state, candidate, this.models);
      if (model !== null) return [...model.tensors.keys()];
    }
    return null;
  }

  /** What it comes to: for each layer where that differs. */
  private async values({ name, parameter, input }: FoundParameter): Promise<string[]> {
    if (parameter.value.kind === "scalar") return [];
    const plan = await this.plan();
    if (plan !== undefined && plan.tensors.length > 0) return resolvedLines(plan, name, input === null ? null : labelOf(input.model.value));
    const layers = await this.layerCount(input);
    return layers > 0 && parameter.value.kind === "gradient" && parameter.value.values.length > 0 ? [layerLine("all", gradientOver(parameter.value.values, layers))] : [];
  }

  private async layerCount(input: Input | null): Promise<number> {
    const of = input ?? inputsOf(this.document.body)[0];
    if (of === undefined) return 0;
    if (of.layerRange !== null) return of.layerRange.value[1] - of.layerRange.value[0];
    const model: MergeModel | null = await openModel(this.state, of.model.value, this.models);
    return model === null ? 0 : layerCountOf(model);
  }
}

type Input = ReturnType<typeof inputsOf>[number];
type Scalars = Extract<ParameterValue, { kind: "gradient" }>["values"];

function gradientOver(values: Scalars, layers: number): Map<number | null, string> {
  return new Map(Array.from({ length: layers }, (_, i): [number | null, string] => [i, show(gradientAt(values, layers === 1 ? 1 : i / (layers - 1)))]));
}

/** A line for each kind of tensor that differs from the others: `self_attn.*: layer 0 0.1 · 1 0.2`. */
function resolvedLines(plan: MergePlan, name: string, label: string | null): string[] {
  const index = label === null ? null : plan.inputs.findIndex((input) => input.label === label);
  const byKind = new Map<string, Map<number | null, string>>();
  for (const { name: tensor, layer, parameters, sources } of plan.tensors) {
    const value = parameters[name];
    const own: string | number | boolean | null | undefined = Array.isArray(value) ? (index === null ? value.filter((each) => each !== null).map(show).join(" | ") : value[sources.findIndex(({ input }) => input === index)]) : value;
    if (own === undefined || own === null || own === "") continue;
    const kind = layer === null ? "outside of layers" : foldedName(tensor).replace(/^.*?\*\./, "");
    const key = layer === null ? `${kind}: ${tensor}` : kind;
    let layers = byKind.get(key);
    if (layers === undefined) byKind.set(key, (layers = new Map<number | null, string>()));
    layers.set(layer, typeof own === "string" ? own : show(own));
  }
  // Kinds with the same values in every layer are told together.
  const groups = new Map<string, { kinds: string[]; layers: Map<number | null, string> }>();
  for (const [kind, layers] of byKind) {
    const key = JSON.stringify([...layers]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { kinds: [kind], layers });
    else group.kinds.push(kind);
  }
  const many = groups.size > 1;
  const lines = [...groups.values()].slice(0, 12).map(({ kinds, layers }) => layerLine(many ? kinds.slice(0, 4).map((kind) => kind.replace("outside of layers: ", "")).join(", ") + (kinds.length > 4 ? ", …" : "") : "all", layers));
  return lines.length === 0 ? [] : [lines.map((line) => `- ${line}`).join("\n")];
}

const MOST_SHOWN = 40;

function layerLine(what: string, layers: ReadonlyMap<number | null, string>): string {
  const values = new Set(layers.values());
  if (values.size === 1) return `${what}: ${[...values][0]}`;
  const shown = [...layers].sort(([a], [b]) => (a ?? -1) - (b ?? -1)).slice(0, MOST_SHOWN).map(([layer, value]) => `${layer === null ? "outside" : `layer ${layer}`} **${value}**`);
  return `${what}: ${shown.join(" · ")}${layers.size > MOST_SHOWN ? " …" : ""}`;
}

function show(value: number | boolean | string | null): string {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : typeof value === "string" ? quote(value) : String(value);
}

function times(count: number): string {
  return count === 1 ? "" : ` × ${count}`;
}

function said(value: string, at: Parameters<typeof rangeOf>[0]): Hover {
  return { contents: { kind: MarkupKind.Markdown, value }, range: rangeOf(at) };
}
