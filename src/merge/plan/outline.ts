/** Which output tensors there are, and which tensor of each model they are made of. */
import { isBuffer, isVocabulary, mayBeTied } from "../models/architecture";
import { inLayer, mainStack, type ModelTensor } from "../models/model";
import { kindOf } from "../../checkpoint/structure";
import { tensorsOf, type PlannedModule, type PlannedSlice, type PlannedSource } from "./layout";

export interface OutlinedTensor {
  name: string;
  /** In the output; null outside of layers. */
  layer: number | null;
  /** Where it stands in its slice, for gradients: 0 … 1. */
  position: number;
  slice: PlannedSlice;
  module: PlannedModule;
  /** For each of the slice's sources, the name that it has in that model. */
  members: readonly { source: PlannedSource; name: string }[];
  /** The family has it in every model. */
  listed: boolean;
}

/** The output's tensors, module by module; none twice. */
export function outline(modules: readonly PlannedModule[]): OutlinedTensor[] {
  const found = new Map<string, OutlinedTensor>();
  for (const module of modules) for (const tensor of ofModule(module)) if (!found.has(tensor.name)) found.set(tensor.name, tensor);
  return [...found.values()];
}

function* ofModule(planned: PlannedModule): Generator<OutlinedTensor> {
  const { module, slices } = planned;
  const first = slices[0]!;
  const last = slices.at(-1)!;
  const leading = first.sources[0]!.input.model;
  const stack = mainStack(tensorsOf(leading, module))?.stack ?? "model.layers";
  const defined = leading.family;
  const whole = module.name === "default" && stack === "model.layers";
  const outer = new Set(whole ? defined.outer : []);
  const names = new Set(outer);
  for (const slice of new Set([first, last])) for (const { input } of slice.sources) for (const tensor of tensorsOf(input.model, module)) if (!isIn(tensor, stack)) names.add(tensor.name);
  for (const name of names) {
    const slice = isAfterLayers(name) ? last : first;
    const members = slice.sources.map((source) => ({ source, name }));
    if (outer.has(name) || members.some(({ source }) => has(source, name))) yield { name, layer: null, position: 0, slice, module: planned, members, listed: outer.has(name) };
  }
  let offset = 0;
  for (const slice of slices) {
    for (let i = 0; i < slice.layers; i++) yield* ofLayer(planned, slice, stack, i, offset + i, whole ? defined.layer : []);
    offset += slice.layers;
  }
}

function* ofLayer(planned: PlannedModule, slice: PlannedSlice, stack: string, index: number, layer: number, listed: readonly string[]): Generator<OutlinedTensor> {
  const inside = new Set(listed);
  for (const { input, range } of slice.sources) for (const name of namesInLayers(input.model, planned, stack).get(range[0] + index) ?? []) inside.add(name);
  const position = slice.layers > 1 ? index / (slice.layers - 1) : 1;
  const required = new Set(listed);
  for (const name of inside) {
    const members = slice.sources.map((source) => ({ source, name: inLayer({ stack, layer: 0, inLayer: name }, source.range[0] + index) }));
    yield { name: inLayer({ stack, layer: 0, inLayer: name }, layer), layer, position, slice, module: planned, members, listed: required.has(name) };
  }
}

const layered = new WeakMap<readonly ModelTensor[], Map<string, Map<number, string[]>>>();

/** Names inside each layer of a model's stack. */
function namesInLayers(model: PlannedSource["input"]["model"], { module }: PlannedModule, stack: string): ReadonlyMap<number, readonly string[]> {
  const tensors = tensorsOf(model, module);
  let stacks = layered.get(tensors);
  if (stacks === undefined) layered.set(tensors, (stacks = new Map<string, Map<number, string[]>>()));
  let layers = stacks.get(stack);
  if (layers === undefined) {
    layers = new Map();
    for (const tensor of tensors) {
      if (!isIn(tensor, stack)) continue;
      const names = layers.get(tensor.place!.layer);
      if (names === undefined) layers.set(tensor.place!.layer, [tensor.place!.inLayer]);
      else names.push(tensor.place!.inLayer);
    }
    stacks.set(stack, layers);
  }
  return layers;
}

function isIn({ place }: ModelTensor, stack: string): boolean {
  return place !== null && place.stack === stack;
}

function has({ input }: PlannedSource, name: string): boolean {
  return input.model.tensors.has(name);
}

/** What follows the layers (the last norm, heads) is of the last slice, everything else outside of them of the first. */
export function isAfterLayers(name: string): boolean {
  if (/(?:^|[._])(?:embed|embeddings|embed_tokens|wte|wpe)\./.test(name)) return false;
  return mayBeTied(name) || /(?:^|\.)(?:pooler|pre_classifier|vocab_transform|vocab_layer_norm|cls|classifier|score|qa_outputs|final_layer_norm|final_norm|ln_f|norm_f|norm|lm_head|embed_out)\./.test(name) || kindOf(name, [1]) === "head";
}

/** Whether a model of the family may do without the tensor. */
export function isOptional({ name, listed, module, members }: OutlinedTensor): boolean {
  if (listed) return false;
  const { family } = members[0]!.source.input.model;
  if (!family.defined) return true;
  if ((mayBeTied(name) && !family.ownHead) || (isBuffer(name) && members[0]!.source.input.model.config?.model_type !== "gpt_neox")) return true;
  // Families that are listed in full do without whatever is not in the list.
  if (module.module.name === "default" && family.layer.length > 0 && !isVocabulary(name)) return true;
  return name.endsWith(".bias") && !family.biases;
}
