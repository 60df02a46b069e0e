/**
 * The layers of a model in forward order, counted as Robust Weight Signatures counts them (Cai et al., ICML 2023): a unit is a
 * convolution or linear layer with its biases and its norm; where names show repeated blocks, a block is one unit, and all that
 * stands before the first is one (a ResNet's stem, a transformer's embeddings).
 *
 * The order comes from names, which mostly count upwards; torch's own files keep modules in the order they were made in.
 */
import type { Tensor } from "../../checkpoint/checkpoint";
import { compareNatural } from "../../checkpoint/natural-order";
import { kindOf, layersAround, modulePath } from "../../checkpoint/structure";

export interface LayerUnit {
  /** The block's path, the layer's module, or `"stem"`. */
  name: string;
  /** Names, the weight first where there is one. */
  tensors: string[];
}

type Named = Pick<Tensor, "name" | "shape">;

/** Places of what stands outside of repeated blocks. */
const FIRST = 0, MIDDLE = 1, LATE = 2, LAST = 3;

const STEM = /(?:^|[._])(?:stem\w*|conv_stem|conv_in|input\w*|inp|patch\w*|(?:time|class|pos|token)_(?:embed\w*|token)|cls_token|embeddings?|embed\w*|wte|wpe)(?:[._]|$)/;
const LINEAR_AT_THE_END = /^(?:fc|linear|dense|lin)_?\d*$/;
const HEAD = /(?:^|[._])(?:head\w*|\w*_head|classifier|cls|score|logits?\w*|out|output\w*|conv_out|proj_out|pooler|predictions?|final\w*)(?:[._]|$)/;
const END_NORM = /(?:^|[._])(?:(?:layer_?)?norm|ln_?f|fc_norm|f_norm)$/;

/**
 * The units that hold `tensors`, in forward order; every tensor is in one of them.
 * @param inForwardOrder whether the tensors stand in the order in which the model uses them, as in torch's files.
 */
export function layerUnits(tensors: readonly Named[], inForwardOrder: boolean): LayerUnit[] {
  const blocks = new Map<string, Named[]>();
  const others: Named[] = [];
  for (const tensor of tensors) {
    const path = blockOf(tensor.name);
    if (path === null) others.push(tensor);
    else append(blocks, path, tensor);
  }
  const order = (a: Named, b: Named): number => placeOf(a, blocks.size > 0) - placeOf(b, blocks.size > 0) || compareNatural(a.name, b.name);
  if (!inForwardOrder) others.sort(order);
  if (blocks.size === 0) return layers(others);
  const stem = others.filter((tensor) => placeOf(tensor, true) < LATE);
  const paths = [...blocks.keys()];
  if (!inForwardOrder) paths.sort((a, b) => Number(isDecoder(a)) - Number(isDecoder(b)) || compareNatural(a, b));
  return [
    ...(stem.length === 0 ? [] : [{ name: "stem", tensors: namesOf(stem) }]),
    ...paths.map((path) => ({ name: path, tensors: namesOf(blocks.get(path)!) })),
    ...layers(others.filter((tensor) => placeOf(tensor, true) >= LATE)),
  ];
}

/**
 * The block that counts as one unit: the outermost repeated layer, but inside a stage (of a ResNet, a Swin transformer, a
 * U-Net) the stage's own blocks.
 */
function blockOf(name: string): string | null {
  const [outer, inner] = layersAround(name);
  if (outer === undefined) return null;
  const staged = inner !== undefined && /^(?:stages?|layers|\w+_blocks)$/.test(outer.container) && /^(?:layers|blocks|resnets|attentions)$/.test(inner.container);
  return staged ? inner.path : outer.path;
}

function isDecoder(path: string): boolean {
  return /(?:^|[._])decoder(?:[._]|$)/.test(path);
}

function placeOf({ name, shape }: Named, amongBlocks: boolean): number {
  const module = modulePath(name).slice(0, -1).join(".") || name;
  const kind = kindOf(name, shape);
  if (kind === "embed" || kind === "position" || STEM.test(module.toLowerCase())) return FIRST;
  if (kind === "head" || HEAD.test(module.toLowerCase())) return LAST;
  const own = module.slice(module.lastIndexOf(".") + 1).toLowerCase();
  if (LINEAR_AT_THE_END.test(own)) return LATE;
  return amongBlocks && END_NORM.test(own) ? LATE : MIDDLE;
}

interface Layer {
  module: string;
  tensors: Named[];
  /** Length of what it puts out. */
  out: number;
}

/** One unit for each module with a matrix or kernel; the others join the layer whose output they work on. */
function layers(ordered: readonly Named[]): LayerUnit[] {
  const modules = new Map<string, Named[]>();
  for (const tensor of ordered) append(modules, moduleOf(tensor.name), tensor);
  const found = new Map<string, Layer>();
  const byNumber = new Map<string, Layer[]>();
  for (const [module, tensors] of modules) {
    const weight = tensors.find(isWeight);
    if (weight === undefined) continue;
    const layer = { module, tensors: [weight, ...tensors.filter((tensor) => tensor !== weight)], out: weight.shape[0]! };
    found.set(module, layer);
    const { parent, word, number } = numbered(module);
    if (word !== "" && number !== "") append(byNumber, `${parent} ${number}`, layer);
  }
  const alone: LayerUnit[] = [];
  const [first] = found.values();
  let before = first;
  for (const [module, tensors] of modules) {
    const own = found.get(module);
    if (own !== undefined) before = own;
    else {
      const joined = sameNumber(module, tensors[0]!, byNumber) ?? before;
      if (joined === undefined) alone.push({ name: module, tensors: namesOf(tensors) });
      else joined.tensors.push(...tensors);
    }
  }
  return [...Array.from(found.values(), ({ module, tensors }) => ({ name: module, tensors: namesOf(tensors) })), ...alone];
}

function append<V>(map: Map<string, V[]>, key: string, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

function isWeight({ shape }: Named): boolean {
  return shape.length >= 2 && !shape.slice(1).every((length) => length === 1);
}

function moduleOf(name: string): string {
  const parts = modulePath(name);
  return parts.length === 1 ? parts[0]!.replace(/_(?:weight|bias)$/, "") : parts.slice(0, -1).join(".");
}

/** The layer that a norm is numbered after: `norm1` and `bn1` go with `conv1`, `ln1` with `fc1`. */
function sameNumber(module: string, { shape }: Named, byNumber: ReadonlyMap<string, readonly Layer[]>): Layer | undefined {
  const { parent, word, number } = numbered(module);
  const fitting = (byNumber.get(`${parent} ${number}`) ?? []).filter(({ out }) => out === shape[0]);
  const linear = /^(?:ln|layer_?norm)/.test(word);
  return fitting.find(({ module: name }) => /conv/.test(numbered(name).word) !== linear) ?? fitting[0];
}

function numbered(module: string): { parent: string; word: string; number: string } {
  const cut = module.lastIndexOf(".") + 1;
  const [, word = "", number = ""] = /^(.*?)(\d*)$/.exec(module.slice(cut).toLowerCase()) ?? [];
  return { parent: module.slice(0, cut), word, number };
}

function namesOf(tensors: readonly Named[]): string[] {
  return tensors.map(({ name }) => name);
}
