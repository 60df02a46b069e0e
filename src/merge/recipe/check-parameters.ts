/** What is wrong with parameters: names, levels, types, ranges, and those that are missing. */
import { quote } from "../../checkpoint/quote";
import { convert, typeInWords } from "../methods/convert";
import type { MergeMethodEntry, MethodParameter } from "../methods/method";
import { parameterOf } from "../methods/registry";
import { keepRange } from "../methods/resolve";
import type { Place } from "../problem";
import type { Group } from "./check";
import { addToDocument, addToInput } from "./fixes";
import { showReference } from "./model-reference";
import { nearest } from "./nearest";
import type { Reader } from "./reader";
import type { Input, MergeDocument, ParameterTable, ParameterValue, Scalar } from "./recipe";

/** Where parameters stand: under a model, under the base, or at one of the levels above. */
type Level = "model" | "base" | "slice" | "module" | "global";

/** Checks the parameters of one level. */
export function checkLevel(reader: Reader, method: MergeMethodEntry, table: ParameterTable, level: Level): void {
  for (const [name, { name: at, value, at: valueAt }] of Object.entries(table)) {
    const parameter = parameterOf(method, name);
    if (parameter === undefined) {
      const meant = nearest(name, method.parameters.filter((known) => table[known.name] === undefined).map(({ name }) => name));
      const known = method.parameters.map(({ name }) => name);
      reader.report("warning", "unknown-parameter", at, `${method.name} has no parameter ${quote(name)}; it is ignored. ${meant !== undefined ? `Do you mean ${meant}?` : known.length === 0 ? `${method.name} has none` : `Its parameters are ${known.join(", ")}`}`, meant === undefined ? undefined : [{ title: `Change to ${meant}`, at, text: meant }]);
      continue;
    }
    if (parameter.scope === "global" && (level === "model" || level === "base")) {
      reader.report("warning", "misplaced-parameter", at, `${name} belongs to the merge, a slice or a module, not to a model; it is ignored here`);
      continue;
    }
    if (level === "base" && parameter.base !== true) {
      reader.report("warning", "ignored-parameter", at, `${name} of the base does nothing: ${method.name} takes it of the other models`);
      continue;
    }
    if (parameter.ignored === true && name !== "int8_mask") reader.report("warning", "ignored-parameter", at, `${method.name} accepts ${name} and ignores it`);
    checkValue(reader, method, parameter, value, valueAt);
  }
}

function checkValue(reader: Reader, method: MergeMethodEntry, parameter: MethodParameter, value: ParameterValue, at: Place): void {
  const { name } = parameter;
  switch (value.kind) {
    case "scalar":
      return checkScalar(reader, method, parameter, value.value, at);
    case "gradient": {
      if (value.values.length === 0) reader.report("warning", "empty-list", at, `the list of ${name} is empty and says nothing; the next level's value or the default is taken`);
      // One bad point is enough to say what they should be.
      const bad = value.values.find((point) => convert({ type: parameter.type === "integer" ? "number" : parameter.type }, point) === undefined);
      if (bad !== undefined) return checkScalar(reader, method, parameter, bad, at);
      const outer = value.values.filter((point): point is number => typeof point === "number").sort((a, b) => a - b);
      const odd = [outer[0], outer.at(-1)].find((point) => point !== undefined && outside(parameter, point));
      if (odd !== undefined || outer.some((point) => !Number.isFinite(point))) checkScalar(reader, method, { ...parameter, type: parameter.type === "integer" ? "number" : parameter.type }, odd ?? outer.find((point) => !Number.isFinite(point))!, at);
      return;
    }
    case "filters":
      return checkFilters(reader, method, parameter, value.entries);
    case "file":
      return;
  }
}

function checkFilters(reader: Reader, method: MergeMethodEntry, parameter: MethodParameter, entries: Extract<ParameterValue, { kind: "filters" }>["entries"]): void {
  let all: Place | undefined;
  const seen = new Map<string, Place>();
  for (const { at, filter, value } of entries) {
    const text = filter?.value.text ?? "*";
    const before = all ?? seen.get(text);
    if (before !== undefined) reader.report("warning", "unused-filter", filter?.at ?? at, `this value of ${parameter.name} is never used: the first filter that matches wins, and that on line ${before.line} matches ${all === undefined ? "the same" : "every tensor"}`);
    else if (text === "*") all = filter?.at ?? at;
    else seen.set(text, filter!.at);
    checkValue(reader, method, parameter, value, at);
  }
}

function checkScalar(reader: Reader, method: MergeMethodEntry, parameter: MethodParameter, value: Scalar, at: Place): void {
  const { name, range, strict } = parameter;
  const number = convert(parameter, value);
  if (number === undefined) return void reader.error("parameter-type", at, `${name} is ${typeInWords(parameter)}, not ${typeof value === "string" ? quote(value) : String(value)}`);
  if (typeof number === "boolean") return;
  if (!Number.isFinite(number)) return void reader.error("parameter-range", at, `${name} is ${number}, with which nothing finite comes out`);
  if (range === undefined || !outside(parameter, number)) return;
  if (strict === true && number < range[0]) return void reader.error("parameter-range", at, `${name} ${number} is no probability; ${method.name} takes one from ${range[0]} to ${range[1]}`);
  reader.report("warning", "parameter-range", at, `${name} ${number} is outside of ${range[0]} to ${range[1]}${name === "t" ? ": the result lies beyond the models" : name === "density" ? `; it is taken as ${number > 1 ? 1 : 0}` : ""}`);
}

function outside({ range }: MethodParameter, value: number): boolean {
  return range !== undefined && (value < range[0] || value > range[1]);
}

/** Reports required parameters that no level gives, and ranges that two parameters make together. */
export function checkRequired(reader: Reader, document: MergeDocument, method: MergeMethodEntry, groups: readonly Group[]): void {
  const missing = new Set<string>();
  for (const group of groups) {
    for (const parameter of method.parameters) {
      if (!parameter.required || group.levels.some((level) => level[parameter.name] !== undefined)) continue;
      if (parameter.scope === "model") missingPerModel(reader, method, parameter, group);
      else if (!missing.has(parameter.name)) {
        missing.add(parameter.name);
        missingShared(reader, document, method, parameter, group);
      }
    }
    if (method.parameters.some(({ name }) => name === "epsilon") && method.random) for (const input of group.inputs) checkEpsilon(reader, method, input, group);
    checkSum(reader, method, group);
  }
}

function missingPerModel(reader: Reader, method: MergeMethodEntry, parameter: MethodParameter, { inputs, base, joined }: Group): void {
  const { name } = parameter;
  const isBase = (input: Input): boolean => base !== null && method.base !== "unused" && showReference(base.value) === showReference(input.model.value);
  for (const input of inputs) {
    if (input.parameters[name] !== undefined || (isBase(input) && parameter.base !== true)) continue;
    const fix = addToInput(reader.yaml.text, input, name, "1.0");
    reader.error("missing-parameter", input.model.at, `${method.name} needs a ${name} for every model and ${quote(showReference(input.model.value))} has none`, fix === undefined ? undefined : [fix]);
  }
  if (joined && method.base === "unused" && parameter.base === true) reader.error("missing-parameter", base!.at, `base_model joins the models of ${method.name}, but no ${name} applies to it; list it under models with a ${name}, give one for all, or leave base_model out`);
}

function missingShared(reader: Reader, document: MergeDocument, method: MergeMethodEntry, { name }: MethodParameter, { inputs }: Group): void {
  const stray = inputs.find(({ parameters }) => parameters[name] !== undefined)?.parameters[name];
  const fix = addToDocument(reader.yaml.text, document, name, name === "t" && method.name === "nearswap" ? "0.001" : "0.5");
  const fixes = fix === undefined ? undefined : [fix];
  if (stray === undefined) return void reader.error("missing-parameter", document.method!.at, `${method.name} needs ${name}; give it under parameters`, fixes);
  // One message about it is enough.
  const warned = reader.problems.findIndex(({ code, at }) => code === "misplaced-parameter" && at === stray.name);
  if (warned !== -1) reader.problems.splice(warned, 1);
  reader.error("misplaced-parameter", stray.name, `${name} belongs to the merge, a slice or a module, not to a model; it is ignored here, so ${method.name} has none`, fixes);
}

/** della's two bounds, where both parameters are plain numbers. Others are checked for each tensor. */
function checkEpsilon(reader: Reader, method: MergeMethodEntry, input: Input, { levels, base }: Group): void {
  if (base !== null && showReference(base.value) === showReference(input.model.value)) return;
  const given = (name: string): { value: number | undefined; at: Place | null } => {
    const found = [input.parameters, ...levels].flatMap((level) => level[name] ?? [])[0];
    const parameter = parameterOf(method, name)!;
    if (found === undefined) return { value: parameter.default as number, at: null };
    const value = found.value.kind === "scalar" ? convert(parameter, found.value.value) : undefined;
    return { value: typeof value === "number" ? value : undefined, at: found.at };
  };
  const density = given("density");
  const epsilon = given("epsilon");
  if (density.value === undefined || epsilon.value === undefined) return;
  const wrong = keepRange(density.value, epsilon.value);
  const at = epsilon.at ?? density.at;
  if (wrong !== null && at !== null && !reader.problems.some((problem) => problem.code === "epsilon-range" && problem.at === at)) reader.error("epsilon-range", at, wrong);
}

/** Weights that cancel each other, where they are divided by their sum. */
function checkSum(reader: Reader, method: MergeMethodEntry, { inputs, levels, joined }: Group): void {
  if (method.name !== "linear" || joined || inputs.length === 0) return;
  const scalarOf = (tables: ParameterTable[], name: string): number | boolean | undefined => {
    const value = tables.flatMap((level) => level[name] ?? [])[0]?.value;
    return value?.kind === "scalar" ? convert(parameterOf(method, name)!, value.value) : undefined;
  };
  const normalize = levels.some((level) => level.normalize !== undefined) ? scalarOf(levels, "normalize") : true;
  if (normalize !== true) return;
  const weights = inputs.map(({ parameters }) => scalarOf([parameters, ...levels], "weight"));
  if (weights.every((weight) => typeof weight === "number") && weights.reduce((sum, weight) => sum + weight, 0) === 0) reader.error("weights-sum", inputs[0]!.parameters.weight?.at ?? inputs[0]!.model.at, "the weights sum to 0, by which linear divides; set normalize: false or change one");
}
