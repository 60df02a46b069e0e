/** What the text and the registry alone tell is wrong with a document: methods, how many models, bases, parameters. */
import { quote } from "../../checkpoint/quote";
import type { MergeMethodEntry } from "../methods/method";
import { methodNamed, METHODS } from "../methods/registry";
import { checkLevel, checkRequired } from "./check-parameters";
import { addKey } from "./fixes";
import { sameReference, showReference } from "./model-reference";
import type { Reader } from "./reader";
import type { Body, Input, Located, MergeDocument, ModelReference, ParameterTable } from "./recipe";

/** Models that are merged with each other, and the parameters that apply to them. */
export interface Group {
  inputs: Input[];
  base: Located<ModelReference> | null;
  /** Whether the base is an input that is not listed: in the models form it joins them. */
  joined: boolean;
  sliced: boolean;
  /** Levels below the inputs' own, the nearest first: slice, module, global. */
  levels: ParameterTable[];
}

/** Problems with which an input is left out. */
const UNREAD: ReadonlySet<string> = new Set(["model-reference", "not-text", "missing-key", "not-a-mapping", "not-a-list", "unknown-alias", "merge-key"]);

export function checkDocument(reader: Reader, document: MergeDocument): void {
  const { method, body } = document;
  if (method === null) return;
  const entry = methodNamed(method.value);
  if (entry === undefined) {
    const names = METHODS.map(({ name }) => name);
    const fixes = reader.replacements(method.at, method.value, names);
    reader.error("unknown-method", method.at, `no merge method is called ${quote(method.value)}${fixes === undefined ? `; there are ${names.join(", ")}` : `; do you mean ${fixes[0]!.text}?`}`, fixes);
    return;
  }
  const groups = groupsOf(document);
  // What could not be read is not counted as missing.
  const unread = reader.problems.some(({ code }) => UNREAD.has(code));
  for (const group of groups) {
    checkDuplicates(reader, group.inputs);
    checkLengths(reader, group.inputs);
    if (hasBase(reader, document, entry, group) && !unread) checkCount(reader, document, entry, group);
    if (entry.statistics !== undefined) checkStatistics(reader, entry, group);
  }
  checkLevel(reader, entry, document.parameters, "global");
  if (body !== null) checkLevels(reader, entry, body, document);
  checkRequired(reader, document, entry, groups);
}

/** The groups of inputs that a document merges: one in the models form, one for each slice. */
export function groupsOf(document: MergeDocument): Group[] {
  const { body, base, parameters } = document;
  return body === null ? [] : groupsIn(body, base, [parameters]);
}

function groupsIn(body: Body, base: Located<ModelReference> | null, levels: ParameterTable[]): Group[] {
  switch (body.form) {
    case "models":
      return [{ inputs: body.inputs, base, joined: base !== null && !body.inputs.some(({ model }) => sameReference(model.value, base.value)), sliced: false, levels }];
    case "slices":
      return body.slices.map((slice) => ({ inputs: slice.sources, base: slice.base ?? base, joined: false, sliced: true, levels: [slice.parameters, ...levels] }));
    case "modules":
      return body.modules.flatMap((module) => groupsIn(module.body, base, [module.parameters, ...levels]));
  }
}

function checkDuplicates(reader: Reader, inputs: readonly Input[]): void {
  const seen = new Map<string, Input>();
  for (const input of inputs) {
    const name = showReference(input.model.value);
    const before = seen.get(name);
    if (before !== undefined) reader.error("duplicate-model", input.model.at, `${quote(name)} is listed twice, here and on line ${before.model.at.line}; give it once, with the sum of the weights`);
    else seen.set(name, input);
  }
}

function checkLengths(reader: Reader, inputs: readonly Input[]): void {
  const ranged = inputs.flatMap(({ layerRange }) => layerRange ?? []);
  const [first] = ranged;
  if (first === undefined) return;
  const length = ({ value: [start, stop] }: Located<[number, number]>): number => stop - start;
  for (const range of ranged) {
    if (length(range) !== length(first)) return void reader.error("slice-lengths", range.at, `the sources of a slice have different numbers of layers: ${length(first)} on line ${first.at.line}, ${length(range)} here`);
  }
}

/** Whether the base is where the method needs it. */
function hasBase(reader: Reader, document: MergeDocument, entry: MergeMethodEntry, { base, inputs, sliced }: Group): boolean {
  const { method } = document;
  if (base === null) {
    if (entry.base !== "required") return true;
    const [one, two, ...more] = inputs;
    const pair = entry.models.max === 1 && one !== undefined && two !== undefined && more.length === 0;
    const fix = pair ? addKey(reader.yaml.text, document, `base_model: ${showReference(one.model.value)}`, `Add base_model: ${showReference(one.model.value)}`) : undefined;
    if (!reader.problems.some(({ code, at }) => code === "missing-base" && at === method!.at)) reader.error("missing-base", method!.at, `${entry.name} needs base_model${pair ? ": which of the two models it starts from" : ", the model that the others are compared with"}`, fix === undefined ? undefined : [fix]);
    return false;
  }
  if (!sliced || entry.base === "unused" || inputs.some(({ model }) => sameReference(model.value, base.value))) return true;
  const at = inputs[0]?.model.at ?? base.at;
  reader.error("slice-without-base", at, `${entry.name} needs the base ${quote(showReference(base.value))} among the sources of each slice, with its layer_range; here it is missing`);
  return false;
}

function checkCount(reader: Reader, document: MergeDocument, entry: MergeMethodEntry, { base, inputs, joined }: Group): void {
  const { name, models, baseAlone } = entry;
  const at = document.method!.at;
  // A base without a part of its own is an input like the others.
  const counted = entry.base === "unused" || base === null ? inputs : inputs.filter(({ model }) => !sameReference(model.value, base.value));
  const count = counted.length + (entry.base === "unused" && joined ? 1 : 0);
  if (count === 0 && base !== null && baseAlone) {
    reader.report("warning", "base-alone", at, `only the base is given: the result of ${name} is the base`);
  } else if (count < models.min) {
    reader.error("too-few-models", at, `${name} takes ${howMany(entry)}; ${count === 0 ? "none is given" : `${count === 1 ? "only one" : count} ${entry.base !== "unused" && base !== null ? "beside the base" : ""} is given`.replace("  ", " ")}`);
  } else if (models.max !== null && count > models.max) {
    const excess = counted[models.max]?.model.at ?? (joined ? base!.at : at);
    const added = entry.base === "unused" && joined ? "; base_model joins the models, so leave it out" : "";
    reader.error("too-many-models", excess, `${name} takes ${howMany(entry)}; ${count}${entry.base !== "unused" && base !== null ? " beside the base" : ""} are given${added}`);
  }
}

function howMany({ base, models: { min, max } }: MergeMethodEntry): string {
  const words = ["no", "one", "two", "three"];
  const most = max === null ? `at least ${words[min] ?? min}` : `${words[max] ?? max}`;
  const model = max === 1 || (max === null && min === 1) ? "model" : "models";
  if (base === "required") return `the base and ${most} other ${model}`;
  return base === "optional" ? `${most} ${model}, and a base if there is one` : `${most} ${model}`;
}

function checkStatistics(reader: Reader, { name, statistics }: MergeMethodEntry, { inputs, base, joined }: Group): void {
  const what = statistics === "fisher" ? "its Fisher information" : "its Gram matrices";
  for (const { model, statistics } of inputs) {
    if (statistics === null) reader.error("missing-statistics", model.at, `${name} needs "statistics" under each model: the file with ${what}, as the model's tensors are called`);
  }
  if (joined) reader.error("missing-statistics", base!.at, `base_model joins the models of ${name}; list it under models with its "statistics", or leave it out`);
}

function checkLevels(reader: Reader, entry: MergeMethodEntry, body: Body, document: MergeDocument): void {
  if (body.form === "modules") {
    for (const module of body.modules) {
      checkLevel(reader, entry, module.parameters, "module");
      checkLevels(reader, entry, module.body, document);
    }
  } else if (body.form === "slices") {
    for (const slice of body.slices) {
      checkLevel(reader, entry, slice.parameters, "slice");
      for (const source of slice.sources) checkInput(reader, entry, source, slice.base ?? document.base);
    }
  } else for (const input of body.inputs) checkInput(reader, entry, input, document.base);
}

function checkInput(reader: Reader, entry: MergeMethodEntry, input: Input, base: Located<ModelReference> | null): void {
  const isBase = base !== null && entry.base !== "unused" && sameReference(input.model.value, base.value);
  checkLevel(reader, entry, input.parameters, isBase ? "base" : "model");
}
