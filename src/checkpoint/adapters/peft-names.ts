/** PEFT's names and settings: keys of the state dict, and what `adapter_config.json` says for a module. */
import type { Expression } from "../../engine/protocol";
import { CheckpointError, type Tensor } from "../checkpoint";
import { quote } from "../quote";
import type { AdapterSource } from "./adapter";
import { ShapeMismatch, transpose } from "./build";
import { fullMatch, UnusablePattern } from "./python-pattern";

/** One of the adapter's tensors. */
export interface Factor {
  /** Index in `checkpoint.tensors`. */
  index: number;
  tensor: Tensor;
  /** How the engine reads it. */
  expression: Expression;
  shape: number[];
}

/** The factors of one adapted module. */
export interface PeftModule {
  /** The base's module. */
  module: string;
  /** The module as the adapter's key spells it, with `.base_layer` where wrappers are nested. */
  path: string;
  /** By parameter: `lora_A.weight`, `lora_magnitude_vector` … */
  factors: Map<string, Factor>;
}

/** The name without what PEFT puts in front of the base's names. */
export function baseName(key: string): string {
  let name = key;
  while (name.startsWith("base_model.model.")) name = name.slice("base_model.model.".length);
  return name;
}

/**
 * Groups the adapter's tensors by module, in the file's order.
 * @param parameters the family's names after the module: `["lora_A.weight", "lora_B.weight"]`. Also found when the adapter's
 *   name stands behind the first part (`lora_A.default.weight`), as in a state dict that was not saved by PEFT.
 * @throws CheckpointError when a factor's values cannot be read.
 */
export function modulesWith(source: AdapterSource, parameters: readonly string[]): PeftModule[] {
  const wanted = new Set(parameters);
  const modules = new Map<string, PeftModule>();
  source.checkpoint.tensors.forEach((tensor, index) => {
    const split = splitKey(baseName(tensor.name), wanted);
    if (split === undefined) return;
    let entry = modules.get(split.path);
    if (entry === undefined) modules.set(split.path, (entry = { module: split.path.replace(/\.base_layer(?=\.|$)/g, ""), path: split.path, factors: new Map() }));
    entry.factors.set(split.parameter, factorOf(source, tensor, index));
  });
  return [...modules.values()];
}

/** Most parts that a parameter has after its module, the adapter's name included. */
const MOST_PARTS = 5;

function splitKey(name: string, wanted: ReadonlySet<string>): { path: string; parameter: string } | undefined {
  let at = name.length;
  for (let parts = 1; parts <= MOST_PARTS; parts++) {
    at = name.lastIndexOf(".", at - 1);
    if (at < 0) return undefined;
    const parameter = name.slice(at + 1);
    if (wanted.has(parameter)) return { path: name.slice(0, at), parameter };
    const pieces = parameter.split(".");
    if (pieces.length < 2) continue;
    const unnamed = [pieces[0], ...pieces.slice(2)].join(".");
    if (pieces.length > 1 && wanted.has(unnamed) && !["weight", "bias"].includes(pieces[1]!)) return { path: name.slice(0, at), parameter: unnamed };
  }
  return undefined;
}

/** The adapter's tensor `name` (with or without `base_model.model.`, or ending with it when it stands under a module). */
export function sharedFactor(source: AdapterSource, name: string): Factor | undefined {
  let under: Factor | undefined;
  for (const [index, tensor] of source.checkpoint.tensors.entries()) {
    const own = baseName(tensor.name).replace(/^base_model\./, "");
    if (own === name) return factorOf(source, tensor, index);
    if (under === undefined && own.endsWith(`.${name}`)) under = factorOf(source, tensor, index);
  }
  return under;
}

export function factorOf(source: AdapterSource, tensor: Tensor, index: number): Factor {
  if (tensor.expression === null) {
    throw new CheckpointError("unsupported", `the values of ${quote(tensor.name)} cannot be read: ${tensor.unreadable ?? "their storage is not supported"}`, fileOf(source, tensor), { tensor: tensor.name });
  }
  return { index, tensor, expression: tensor.expression, shape: tensor.shape };
}

function fileOf({ checkpoint }: AdapterSource, tensor: Tensor): string {
  return checkpoint.files[tensor.file]?.path ?? checkpoint.path;
}

/**
 * The factor of this name.
 * @throws CheckpointError when the module lacks it.
 */
export function needed(source: AdapterSource, { path, factors }: PeftModule, parameter: string): Factor {
  const factor = factors.get(parameter);
  if (factor === undefined) throw new CheckpointError("malformed", `the adapter has no ${quote(parameter)} for the module ${quote(path)}`, source.checkpoint.path, { tensor: `${path}.${parameter}` });
  return factor;
}

/** Runs `build`; a `ShapeMismatch` in it becomes a `CheckpointError` that names the module. */
export async function inModule<T>(source: AdapterSource, module: string, build: () => T | Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (error) {
    if (error instanceof ShapeMismatch) throw new CheckpointError("malformed", `the factors of the module ${quote(module)} do not fit each other: ${error.message}`, source.checkpoint.path, { tensor: module });
    throw error;
  }
}

/**
 * How the base stores a linear layer's weight, given the shape of the update: `in_out` when the base's tensor has its axes
 * the other way round, or when the configuration says `fan_in_fan_out` and no base says otherwise.
 */
export function storedAxes(source: AdapterSource, tensor: string, [out, inputs]: readonly [number, number]): "in_out" | undefined {
  const shape = source.base?.find(tensor)?.shape;
  if (shape?.length === 2 && out !== inputs) {
    if (shape[0] === out && shape[1] === inputs) return undefined;
    if (shape[0] === inputs && shape[1] === out) return "in_out";
  }
  return source.config.fan_in_fan_out === true ? "in_out" : undefined;
}

/** `update`, (out, in), as the base stores it. */
export function asStored(update: Expression, stored: "in_out" | undefined): Expression {
  return stored === "in_out" ? transpose(update) : update;
}

/** A number of the configuration, or `fallback` where it says nothing. @throws CheckpointError when it is no finite number. */
export function numberSetting(source: AdapterSource, key: string, fallback: number): number {
  const value = source.config[key] ?? fallback;
  if (typeof value !== "number" || !Number.isFinite(value)) throw settingError(source, key, value, "a number");
  return value;
}

export function settingError(source: AdapterSource, key: string, value: unknown, wanted: string): CheckpointError {
  return new CheckpointError("malformed", `the adapter's configuration has ${JSON.stringify(value)?.slice(0, 60) ?? "nothing"} for ${quote(key)}, where ${wanted} should be`, source.checkpoint.path, { key });
}

/**
 * What a pattern of the configuration (`rank_pattern`, `alpha_pattern` …) says for a module: the value of the first key, in
 * the file's order, that matches the whole name or the part after one of its dots, as Python's `re.match(r"(.*\.)?(KEY)$")`.
 */
export function patternNumber(source: AdapterSource, pattern: string, module: string, fallback: number): number {
  const entries = source.config[pattern];
  if (entries === undefined || entries === null) return fallback;
  if (typeof entries !== "object" || Array.isArray(entries)) throw settingError(source, pattern, entries, "an object");
  for (const [key, value] of Object.entries(entries)) {
    if (!matches(source, key, module)) continue;
    if (typeof value !== "number" || !Number.isFinite(value)) throw settingError(source, pattern, value, "a number");
    return value;
  }
  return fallback;
}

function matches(source: AdapterSource, key: string, module: string): boolean {
  return matchesName(source, key, `(.*\\.)?(${key})`, module);
}

/**
 * Whether a pattern of the configuration matches a whole name, as Python's `re.fullmatch`.
 * @param setting where it stands, for messages.
 * @throws CheckpointError when it is no regular expression, or one that takes too long.
 */
export function matchesName(source: AdapterSource, setting: string, pattern: string, name: string): boolean {
  try {
    return fullMatch(pattern, name, source.config);
  } catch (error) {
    if (error instanceof UnusablePattern) throw settingError(source, setting, pattern, error.message);
    throw error;
  }
}
