/** A model that takes part in a merge: its tensors by the names of its family, read when they are asked for. */
import type { CheckpointFile } from "../../checkpoint/checkpoint";
import type { Expression } from "../../engine/protocol";
import { layersAround } from "../../checkpoint/structure";
import type { Family } from "./architecture";

export interface ModelTensor {
  /** As the family has it today; experts are packed. */
  name: string;
  /** In safetensors' spelling; of what is computed, the type that it is rounded to. */
  dtype: string;
  shape: readonly number[];
  parameters: number;
  bytes: number;
  /** Values of type `dtype`. @throws CheckpointError when they cannot be had. */
  read(signal?: AbortSignal): Promise<Expression>;
  /** Why the values cannot be had. */
  unreadable?: string;
  place: LayerPlace | null;
}

/** The layer that a tensor belongs to. */
export interface LayerPlace {
  /** `model.layers` of `model.layers.3.mlp.up_proj.weight`. */
  stack: string;
  layer: number;
  /** `mlp.up_proj.weight`. */
  inLayer: string;
}

/** A file beside the weights: where it lies, or its text while it is not written yet. */
export type BesideFile = { from: string } | { text: string };

export interface MergeModel {
  /** A folder, a file, or an earlier document's name. */
  path: string;
  /** By name, in file order. */
  tensors: ReadonlyMap<string, ModelTensor>;
  config: Readonly<Record<string, unknown>> | null;
  /** Class, or model type, or null. */
  architecture: string | null;
  family: Family;
  /** All files with tensor data and what says how they are read; empty for an earlier document, whose inputs have them. */
  files: readonly CheckpointFile[];
  /** What was left out or looks wrong, for warnings. */
  notes: readonly string[];
  beside(name: string): Promise<BesideFile | null>;
}

/** The outermost repeated layer of a name; by the first number in it where its containers are of no known name. */
export function layerPlace(name: string): LayerPlace | null {
  const [outermost] = layersAround(name);
  if (outermost !== undefined) {
    const { path } = outermost;
    const dot = path.lastIndexOf(".");
    const layer = Number(path.slice(dot + 1));
    if (dot > 0 && Number.isSafeInteger(layer)) return { stack: path.slice(0, dot), layer, inLayer: name.slice(path.length + 1) };
  }
  const match = /^(.{1,900}?)\.(\d{1,9})\.(.+)$/s.exec(name);
  return match === null ? null : { stack: match[1]!, layer: Number(match[2]), inLayer: match[3]! };
}

/** The name of the same tensor in another layer. */
export function inLayer({ stack, inLayer: rest }: LayerPlace, layer: number): string {
  return `${stack}.${layer}.${rest}`;
}

/** The stack of layers that slices are of: the largest of the tensors given. Null when there is none. */
export function mainStack(tensors: Iterable<ModelTensor>): { stack: string; layers: number } | null {
  const found = new Map<string, Set<number>>();
  for (const { place } of tensors) {
    if (place === null) continue;
    let layers = found.get(place.stack);
    if (layers === undefined) found.set(place.stack, (layers = new Set()));
    layers.add(place.layer);
  }
  let best: { stack: string; layers: number; held: number } | null = null;
  for (const [stack, layers] of found) if (best === null || layers.size > best.held) best = { stack, layers: Math.max(...layers) + 1, held: layers.size };
  return best;
}
