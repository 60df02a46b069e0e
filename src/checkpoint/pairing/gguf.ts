/** A GGUF model against one of another format: names by the published map, and what llama.cpp's converters do to values. */
import type { Checkpoint, Tensor } from "../checkpoint";
import { ggufNames, type Translation } from "./gguf-names";
import type { Layout } from "./layout";
import { headsOf, type ModelFacts } from "./model-facts";
import { pairQkvOrders } from "./qkv-order";
import { comparable, type Side, type Sides } from "./sides";

/** Architectures whose converters bring the rows of q and k from Hugging Face's order of rotary pairs into that of Meta's models. */
const ROTARY = new Set(["llama", "mistral3", "granite", "granitemoe", "arcee", "smollm3", "minicpm", "deci", "baichuan", "xverse", "olmo", "internlm2", "nanbeige", "bailingmoe", "deepseek"]);
/** Whose norms are stored as what is added to 1, and in GGUF as the sum. */
const NORM_PLUS_ONE = new Set(["gemma", "gemma2", "gemma3", "gemma-embedding", "nemotron", "qwen3next"]);
/** Whose linear layers are Conv1D, (in, out), and in GGUF (out, in). */
const CONV1D = new Set(["gpt2", "jais"]);

/** Gives the tensors of the side that is not GGUF the names that GGUF has for them, pairs, and leaves the rest under these names. */
export function pairWithGguf(sides: Sides, a: ModelFacts, b: ModelFacts): void {
  const [x, y] = [isGguf(sides.a.checkpoint), isGguf(sides.b.checkpoint)];
  if (x === y || sides.done) return;
  if (sides.isOff("gguf")) {
    sides.rule("gguf", SENTENCE);
    return;
  }
  const [gguf, other, models] = x ? [sides.a, sides.b, [a, b]] : [sides.b, sides.a, [b, a]];
  nameFused(gguf);
  translate(other, gguf);
  applyConventions(sides, gguf, other, models);
  pairQkvOrders(sides, gguf, other, models);
  sides.joinEqualKeys(() => sides.rule("gguf", SENTENCE));
}

const SENTENCE = "Names of the other library stand for GGUF's, by the map published with the format";

function isGguf({ format }: Checkpoint): boolean {
  return format === "gguf";
}

/** Where a block's `ffn_up` holds gate and up (Phi-3, GLM-4), it is named so. */
function nameFused(gguf: Side): void {
  const names = gguf.byKey();
  for (const i of gguf.open()) {
    const key = gguf.keys[i]!;
    if (!key.endsWith(".ffn_up.weight") || names.has(key.replace(".ffn_up.", ".ffn_gate."))) continue;
    const down = names.get(key.replace(".ffn_up.", ".ffn_down."));
    const [rows = 0] = gguf.tensors[i]!.shape;
    if (down !== undefined && down !== null && gguf.tensors[down]!.shape[1]! * 2 === rows) gguf.rename(i, key.replace(".ffn_up.", ".ffn_gate_up."));
  }
}

/** Renames the open tensors of `other` as GGUF does; of several stacks of layers (a vision tower beside the text model) the one that fits. */
function translate(other: Side, gguf: Side): void {
  const names = gguf.byKey();
  const found: { tensor: number; translation: Translation; key: string }[] = [];
  const fits = new Map<string, number>();
  for (const tensor of other.open()) {
    const translation = ggufNames(other.keys[tensor]!);
    if (translation === undefined) continue;
    const { stack, layer, expert } = translation;
    const key = translation.names.find((name) => names.has(name)) ?? translation.names.at(-1)!;
    found.push({ tensor, translation, key: expert === undefined ? key : key.replace(/_exps(?=\.)/, `_exps.${expert}`) });
    const partner = names.get(key);
    if (layer === null || partner === undefined || partner === null || expert !== undefined) continue;
    if (sameElements(other.tensors[tensor]!.shape, gguf.tensors[partner]!.shape)) fits.set(stack, (fits.get(stack) ?? 0) + 1);
  }
  const [best, second] = [...fits].sort(([, x], [, y]) => y - x);
  const stack = best === undefined || best[1] === second?.[1] ? undefined : best[0];
  const taken = new Map<string, number>();
  for (const { tensor, translation, key } of found) {
    if (translation.layer !== null && translation.stack !== (stack ?? translation.stack)) continue;
    // Outside of layers a name may end alike in several parts of a model: the shape tells, then the shorter name.
    const before = taken.get(key);
    const partner = names.get(key);
    if (before !== undefined) {
      const fitting = (i: number): boolean => partner !== undefined && partner !== null && comparable(other.tensors[i]!.shape, gguf.tensors[partner]!.shape);
      if (translation.layer !== null || Number(fitting(before)) >= Number(fitting(tensor))) continue;
      other.rename(before, other.tensors[before]!.name);
    }
    taken.set(key, tensor);
    other.rename(tensor, key);
  }
}

function sameElements(a: readonly number[], b: readonly number[]): boolean {
  const count = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
  return count(a) === count(b);
}

function applyConventions(sides: Sides, gguf: Side, other: Side, models: readonly ModelFacts[]): void {
  const architecture = models[0]?.architecture ?? "";
  const separate = other.tensors.some(({ name }) => /\.(?:[qk]_proj|wqkv|W_pack)\./.test(name));
  if (separate) {
    convention(sides, gguf, other, ROTARY.has(architecture), (tensor) => rotary(tensor, models), [
      { id: "rotary", sentence: "llama.cpp's order of the rows of q and k, by rotary pairs, is undone" },
      { id: "rotary-as-stored", sentence: "Rows of q and k are taken in the order in which both sides store them" },
    ]);
  }
  convention(sides, other, gguf, NORM_PLUS_ONE.has(architecture), ({ name }) => (/(?<!linear_attn\.)norm\.weight$/.test(name) ? { plus: 1 } : undefined), [
    { id: "norm-plus-one", sentence: "Norms, stored as what is added to 1, are compared with GGUF's sums" },
    { id: "norm-as-stored", sentence: "Norms are taken as both sides store them" },
  ]);
  if (CONV1D.has(architecture)) {
    convention(sides, other, gguf, true, ({ name, shape }) => (shape.length === 2 && /\.c_(?:attn|proj|fc2?)\.weight$/.test(name) ? { transpose: true } : undefined), [
      { id: "conv1d", sentence: "Conv1D's weights, (in, out), are transposed" },
    ]);
  }
}

interface Way {
  id: string;
  sentence: string;
}

/**
 * Sets how tensors of `side` are read where the convention holds.
 * @param likely whether it holds by the architecture; values may say otherwise.
 * @param layout of a tensor under the convention; a text is why none would be right, undefined of tensors that it does not concern.
 * @param ways the convention, and its absence where that is possible.
 */
function convention(sides: Sides, side: Side, partners: Side, likely: boolean, layout: (tensor: Tensor) => Layout | string | undefined, ways: [Way, Way?]): void {
  const found = new Map<number, Layout | string>();
  for (const i of side.open()) {
    const each = layout(side.tensors[i]!);
    if (each !== undefined && (likely || typeof each !== "string")) found.set(i, each);
  }
  if (found.size === 0) return;
  const [here, absent] = ways;
  const partnerOf = partners.byKey();
  const example = [...found].find(([i, each]) => typeof each !== "string" && typeof partnerOf.get(side.keys[i]!) === "number");
  if (example === undefined && !likely) return;
  const order = absent === undefined ? [here] : example === undefined ? [likely ? here : absent] : likely ? [here, absent] : [absent, here];
  const chosen = sides.choose(order, ({ id }) => {
    const [tensor, each] = example!;
    const layouts: [Layout?] = id === here.id ? [each as Layout] : [];
    const partner = partnerOf.get(side.keys[tensor]!)!;
    return side === sides.a ? sides.described(tensor, partner, ...layouts) : sides.described(partner, tensor, undefined, ...layouts);
  });
  if (chosen === undefined || (chosen === absent && !likely)) return;
  const rule = sides.rules[sides.rule(chosen.id, chosen.sentence)]!;
  rule.pairs = found.size;
  if (chosen !== here) return;
  for (const [i, each] of found) {
    if (typeof each === "string") side.refusals.set(i, each);
    else side.conventions.set(i, each);
  }
}

const NO_HEADS = "llama.cpp stores its rows in another order, by attention heads, and neither side says how many there are";

function rotary({ name, shape }: Tensor, models: readonly ModelFacts[]): Layout | string | undefined {
  const match = /^blk\.(\d{1,9})\.attn_([qk])\.(?:weight|bias)$/.exec(name);
  if (match === null) return undefined;
  const heads = headsOf(models, Number(match[1]), match[2] === "k");
  return heads === undefined || (shape[0] ?? 0) % (2 * heads) !== 0 ? NO_HEADS : { rotary: heads };
}
