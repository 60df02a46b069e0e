/**
 * The forward pass of `examples/robust`, in f64 and by plain loops, as `examples/robust/forward.json` describes it: what patched
 * weights do to answers, computed independently of the engine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixtures, root } from "../files";

export interface Stored {
  shape: number[];
  data: Float64Array;
}
export type Weights = ReadonlyMap<string, Stored>;

type Layer =
  | { op: "conv2d"; name: string; in: number; out: number; kernel: [number, number]; stride: [number, number]; padding: [number, number]; bias: true }
  | { op: "group_norm"; name: string; channels: number; groups: number; eps: number }
  | { op: "relu" | "global_avg_pool" }
  | { op: "linear"; name: string; in: number; out: number; bias: true };

interface Description {
  input: { shape: [number, number, number]; scale: number; mean: number; std: number };
  layers: Layer[];
}

const description = JSON.parse(readFileSync(join(root, "examples", "robust", "forward.json"), "utf8")) as Description;

/** The tensors of a safetensors file of F32 and U8. */
export function readWeights(file: string): Map<string, Stored> {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensors = new Map<string, Stored>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = offsets;
    const data = bytes.subarray(8 + length + begin, 8 + length + end);
    if (dtype === "U8") tensors.set(name, { shape, data: Float64Array.from(data) });
    else if (dtype === "F32") tensors.set(name, { shape, data: Float64Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i)) });
    else throw new Error(`${name} is ${dtype}`);
  }
  return tensors;
}

/** Images (count × height × width of bytes) and their labels. */
interface EvaluationSets {
  labels: Float64Array;
  images: (set: string) => Float64Array;
}

let sets: EvaluationSets | undefined;

function evaluationSets(): EvaluationSets {
  if (sets === undefined) {
    const stored = readWeights(join(fixtures, "robust", "eval.safetensors"));
    sets = { labels: stored.get("labels")!.data, images: (set) => stored.get(`images.${set}`)!.data };
  }
  return sets;
}

/** How many of the first `count` images (of 600) of a set (`"clean"`, `"fog"` …) the model names right. */
export function correct(weights: Weights, set: string, count = 600): number {
  const { labels, images } = evaluationSets();
  const pixels = images(set);
  const { scale, mean, std, shape } = description.input;
  const size = shape[0] * shape[1] * shape[2];
  let right = 0;
  for (let i = 0; i < count; i++) {
    const image = pixels.slice(i * size, (i + 1) * size);
    for (let at = 0; at < size; at++) image[at] = (image[at]! * scale - mean) / std;
    if (predicted(weights, image) === labels[i]) right++;
  }
  return right;
}

interface Activation {
  channels: number;
  height: number;
  width: number;
  data: Float64Array;
}

function predicted(weights: Weights, image: Float64Array): number {
  const [channels, height, width] = description.input.shape;
  let x: Activation = { channels, height, width, data: image };
  for (const layer of description.layers) x = apply(layer, weights, x);
  // The first of equal ones.
  return x.data.indexOf(Math.max(...x.data));
}

function apply(layer: Layer, weights: Weights, x: Activation): Activation {
  switch (layer.op) {
    case "conv2d":
      return convolved(layer, weights, x);
    case "group_norm":
      return normalised(layer, weights, x);
    case "relu":
      for (let i = 0; i < x.data.length; i++) if (x.data[i]! < 0) x.data[i] = 0;
      return x;
    case "global_avg_pool": {
      const size = x.height * x.width;
      const data = Float64Array.from({ length: x.channels }, (_, c) => x.data.subarray(c * size, (c + 1) * size).reduce((sum, value) => sum + value, 0) / size);
      return { channels: x.channels, height: 1, width: 1, data };
    }
    case "linear": {
      const weight = weights.get(`${layer.name}.weight`)!.data;
      const bias = weights.get(`${layer.name}.bias`)!.data;
      const data = Float64Array.from(bias, (start, o) => x.data.reduce((sum, value, i) => sum + weight[o * layer.in + i]! * value, start));
      return { channels: layer.out, height: 1, width: 1, data };
    }
  }
}

/** Kernels of 3 × 3, as all of the network's are. */
function convolved({ name, out, kernel, stride: [sy, sx], padding: [py, px] }: Extract<Layer, { op: "conv2d" }>, weights: Weights, x: Activation): Activation {
  if (kernel[0] !== 3 || kernel[1] !== 3) throw new Error(`${name} has a kernel of ${kernel.join(" × ")}`);
  const weight = weights.get(`${name}.weight`)!.data;
  const bias = weights.get(`${name}.bias`)!.data;
  const line = x.width + 2 * px;
  const size = (x.height + 2 * py) * line;
  const padded = new Float64Array(x.channels * size);
  for (let c = 0; c < x.channels; c++) {
    for (let y = 0; y < x.height; y++) padded.set(x.data.subarray((c * x.height + y) * x.width, (c * x.height + y + 1) * x.width), c * size + (y + py) * line + px);
  }
  const height = Math.floor((x.height + 2 * py - 3) / sy) + 1;
  const width = Math.floor((x.width + 2 * px - 3) / sx) + 1;
  const data = new Float64Array(out * height * width);
  for (let o = 0; o < out; o++) {
    data.fill(bias[o]!, o * height * width, (o + 1) * height * width);
    for (let c = 0; c < x.channels; c++) addKernel(data, o * height * width, padded, c * size, weight.subarray((o * x.channels + c) * 9), { height, width, line, sy, sx });
  }
  return { channels: out, height, width, data };
}

interface Plane {
  height: number;
  width: number;
  /** Length of a padded row of the input. */
  line: number;
  sy: number;
  sx: number;
}

function addKernel(to: Float64Array, start: number, from: Float64Array, first: number, kernel: Float64Array, { height, width, line, sy, sx }: Plane): void {
  const a = kernel[0]!, b = kernel[1]!, c = kernel[2]!, d = kernel[3]!, e = kernel[4]!, f = kernel[5]!, g = kernel[6]!, h = kernel[7]!, i = kernel[8]!;
  let at = start;
  for (let y = 0; y < height; y++) {
    let p = first + y * sy * line;
    for (let column = 0; column < width; column++, p += sx) {
      const q = p + line;
      const r = q + line;
      to[at++]! += a * from[p]! + b * from[p + 1]! + c * from[p + 2]! + d * from[q]! + e * from[q + 1]! + f * from[q + 2]! + g * from[r]! + h * from[r + 1]! + i * from[r + 2]!;
    }
  }
}

function normalised({ name, channels, groups, eps }: Extract<Layer, { op: "group_norm" }>, weights: Weights, x: Activation): Activation {
  const weight = weights.get(`${name}.weight`)!.data;
  const bias = weights.get(`${name}.bias`)!.data;
  const plane = x.height * x.width;
  const size = (channels / groups) * plane;
  const data = new Float64Array(x.data.length);
  for (let group = 0; group < groups; group++) {
    const start = group * size;
    let sum = 0;
    for (let i = 0; i < size; i++) sum += x.data[start + i]!;
    const mean = sum / size;
    let squares = 0;
    for (let i = 0; i < size; i++) squares += (x.data[start + i]! - mean) ** 2;
    const factor = 1 / Math.sqrt(squares / size + eps);
    for (let c = start / plane; c < (start + size) / plane; c++) {
      for (let i = c * plane; i < (c + 1) * plane; i++) data[i] = (x.data[i]! - mean) * factor * weight[c]! + bias[c]!;
    }
  }
  return { ...x, data };
}
