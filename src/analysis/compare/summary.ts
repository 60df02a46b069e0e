/** What the comparison of two models found, in sentences. */
import { kindOf, layerOf, type TensorKind } from "../../checkpoint/structure";
import { grouped } from "../../checkpoint/quote";
import type { DifferenceResult } from "../../engine/protocol";
import { toNumber, type Structure } from "../../protocol/results";
import { relative, sqnr, type PairNumbers, type QuantisedSide } from "./numbers";
import type { OpenedPair } from "./opened";
import { roundingOf } from "./quantised";
import { structureSentences } from "./summary-structures";
import { counted, joined, percent } from "../structure/words";
import { dB, short } from "./words";

/** One pair that was compared. */
export interface Compared {
  /** A's. */
  name: string;
  kind: TensorKind;
  layer: number | null;
  /** Of both, in one order of elements. */
  shape: readonly number[];
  dtypes: { a: string; b: string };
  /** As the numbers were made. */
  quantised?: QuantisedSide;
  difference: DifferenceResult;
  numbers: PairNumbers;
  structure?: Structure;
}

export interface Whole {
  compared: readonly Compared[];
  /** Pairs that are not compared yet, or cannot be. */
  left: number;
  onlyInA: number;
  onlyInB: number;
  reshaped: number;
}

export function summaryOf(opened: OpenedPair): string[] {
  const compared: Compared[] = [];
  for (const { pair, difference, again } of opened.differences()) {
    if (again) continue;
    const { a, b } = opened.tensors(pair);
    const { structure } = opened.known.get(pair) ?? {};
    const { quantised } = opened.form(pair);
    compared.push({
      name: a.name,
      kind: kindOf(a.name, a.shape),
      layer: layerOf(a.name),
      shape: opened.pair(pair).shape,
      dtypes: { a: a.dtype, b: b.dtype },
      ...(quantised === undefined ? {} : { quantised }),
      difference,
      numbers: opened.known.numbers(pair)!,
      ...(structure === undefined ? {} : { structure }),
    });
  }
  const { pairs, onlyInA, onlyInB, reshaped } = opened.pairing;
  return summarise({ compared, left: pairs.length - opened.tied.size - compared.length, onlyInA: onlyInA.length, onlyInB: onlyInB.length, reshaped: reshaped.length });
}

/** The sentences, the most telling first; none before anything was compared, unless nothing can be. */
export function summarise(whole: Whole): string[] {
  const { compared, left } = whole;
  const unmatched = unmatchedSentence(whole);
  if (compared.length === 0) return left === 0 ? [whole.reshaped > 0 ? "No two tensors that belong together have the same shape." : "The two have no tensor in common.", ...unmatched] : [];
  const changed = compared.filter(({ numbers }) => !numbers.equal);
  const [first, ...more] = changed.length === 0 ? [allEqual(compared, unmatched.length > 0)] : (asOneKind(changed, compared) ?? changes(changed, compared));
  const sofar = left === 0 ? "" : `Of ${grouped(compared.length)} of ${grouped(compared.length + left)} pairs compared: `;
  return [`${sofar}${sofar === "" ? first! : first!.replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase())}`, ...more, ...unmatched];
}

function allEqual(compared: readonly Compared[], more: boolean): string {
  return compared.length === 1 && !more ? "The one tensor is equal, bit for bit." : `All ${counted(compared.length, more ? "pair" : "tensor")} are equal, bit for bit.`;
}

/** Changes that have one explanation: another type, or a quantiser. Null when they have not. */
function asOneKind(changed: readonly Compared[], compared: readonly Compared[]): string[] | null {
  const quantised = changed.filter((each) => each.quantised !== undefined);
  if (quantised.length === changed.length) return quantisation(quantised, compared);
  const rounded = changed.every(({ dtypes, numbers }) => dtypes.a !== dtypes.b && roundingOf(dtypes.a, dtypes.b) > 0 && numbers.changedBeyond === 0);
  if (!rounded) return null;
  const types = [...new Set(changed.map(({ dtypes: { a, b } }) => (roundingOf(a, a) > roundingOf(b, b) ? `${a} (A)` : `${b} (B)`)))];
  return [`The same weights but for rounding to ${joined(types)}: ‖Δ‖/‖A‖ = ${percent(overall(compared))}.`];
}

/** Of more noise than this below the signal, the weights are the same. */
const SAME_WEIGHTS_DB = 6;

function quantisation(quantised: readonly Compared[], compared: readonly Compared[]): string[] {
  const sides = quantised.map(({ difference, dtypes, quantised: side = "b" }) => ({
    side: side.toUpperCase(),
    type: dtypes[side],
    signal: toNumber(difference[side === "b" ? "a" : "b"].l2),
    noise: toNumber(difference.norm),
  }));
  const types = [...new Set(sides.map(({ type }) => type))];
  const which = [...new Set(sides.map(({ side }) => side))];
  const whole = sqnr(Math.hypot(...sides.map(({ signal }) => signal)), Math.hypot(...sides.map(({ noise }) => noise)));
  const worst = quantised.reduce((least, each) => (toNumber(each.numbers.sqnrDb!) < toNumber(least.numbers.sqnrDb!) ? each : least));
  const what = whole >= SAME_WEIGHTS_DB ? "The same weights, quantised" : `Other weights: ${joined(which)} is quantised`;
  const rest = compared.length - quantised.length;
  return [
    `${what} to ${joined(types)}${which.length === 1 && whole >= SAME_WEIGHTS_DB ? ` in ${which[0]}` : ""}: SQNR ${dB(whole)}, worst ${dB(toNumber(worst.numbers.sqnrDb!))} in ${short(worst.name)}.`,
    ...(rest > 0 ? [rest === 1 ? "The other tensor is equal." : `The other ${counted(rest, "tensor")} are equal.`] : []),
  ];
}

const GROUPS: Readonly<Record<TensorKind, string>> = {
  q: "attention", k: "attention", v: "attention", kv: "attention", qkv: "attention", o: "attention",
  gate: "feed-forward", up: "feed-forward", down: "feed-forward", gate_up: "feed-forward",
  lora_a: "LoRA factors", lora_b: "LoRA factors",
  embed: "embeddings", position: "embeddings", head: "the output head", router: "routers", norm: "norms", bias: "biases", conv: "convolutions", rnn: "recurrent weights",
  fc: "linear layers", scale: "quantisers' scales", buffer: "buffers", other: "other tensors",
};
/** At most so many changed tensors, or elements, are named one by one. */
const NAMED = 3;
const NAMED_ELEMENTS = 8;
/** Kinds of tensors that "all changes are in". */
const MOST_GROUPS = 3;

function changes(changed: readonly Compared[], compared: readonly Compared[]): string[] {
  const structures = structureSentences(changed);
  return [
    `${where(changed, compared)}${structures.all === undefined ? "" : `; ${structures.all}`}.`,
    ...structures.sentences,
    ...depth(changed, compared),
    ...restored(changed),
    ...frozen(changed, compared),
  ];
}

function where(changed: readonly Compared[], compared: readonly Compared[]): string {
  const elements = changed.reduce((sum, { difference }) => sum + difference.differing, 0);
  if (changed.length < compared.length && changed.every(({ difference }) => difference.differing === 1) && elements <= NAMED_ELEMENTS) {
    return `Equal but for ${counted(elements, "element")}: ${joined(changed.map(({ name, numbers }) => `${short(name)}[${numbers.maxAt.join(", ")}]`))}`;
  }
  if (changed.length < compared.length && changed.length <= NAMED) return `Equal but for ${joined(changed.map(({ name }) => short(name)))}`;
  const groups = new Set(changed.map(({ kind }) => GROUPS[kind]));
  const others = new Set(compared.map(({ kind }) => GROUPS[kind]).filter((group) => !groups.has(group)));
  const size = `‖Δ‖/‖A‖ = ${percent(overall(compared))}`;
  const share = changed.length === compared.length ? `all ${counted(compared.length, "tensor")}` : `${grouped(changed.length)} of ${counted(compared.length, "tensor")}`;
  if (others.size > 0 && groups.size <= MOST_GROUPS) return `All changes are in ${joined([...groups])} (${share}, ${size})`;
  return changed.length === compared.length ? `Every tensor differs (${counted(compared.length, "tensor")}, ${size})` : `${grouped(changed.length)} of ${counted(compared.length, "tensor")} differ (${size})`;
}

function overall(compared: readonly Compared[]): number {
  return relative(Math.hypot(...compared.map(({ difference }) => toNumber(difference.norm))), Math.hypot(...compared.map(({ difference }) => toNumber(difference.a.l2))));
}

/** Share of ‖Δ‖² from which changes are said to concentrate. */
const CONCENTRATED = 0.75;

/** Whether changes are in few layers, or the first or last third of them holds most. */
function depth(changed: readonly Compared[], compared: readonly Compared[]): string[] {
  const layers = [...new Set(compared.flatMap(({ layer }) => layer ?? []))].sort((x, y) => x - y);
  const inLayers = changed.filter(({ layer }) => layer !== null);
  if (layers.length < 2 || inLayers.length === 0) return [];
  const touched = [...new Set(inLayers.map(({ layer }) => layer!))].sort((x, y) => x - y);
  const outside = changed.length > inLayers.length ? `; ${counted(changed.length - inLayers.length, "tensor")} outside of the layers ${changed.length - inLayers.length === 1 ? "differs" : "differ"} too` : "";
  if (touched.length < layers.length) {
    const half = layers[Math.ceil(layers.length / 2)]!;
    const place = touched.at(-1)! < half ? " (shallow)" : touched[0]! >= half ? " (deep)" : "";
    return [`Only ${runs(touched)} of ${grouped(layers.length)} changed${place}${outside}.`];
  }
  const energy = (of: readonly Compared[]): number => of.reduce((sum, { difference }) => sum + toNumber(difference.norm) ** 2, 0);
  const third = Math.round(layers.length / 3);
  const total = energy(inLayers);
  if (third === 0 || total === 0 || layers.length < 3) return [];
  const share = (part: readonly number[]): number => energy(inLayers.filter(({ layer }) => part.includes(layer!))) / total;
  const [shallow, deep] = [share(layers.slice(0, third)), share(layers.slice(-third))];
  if (shallow >= CONCENTRATED) return [`${percent(shallow)} of ‖Δ‖² in the layers is in the first ${grouped(third)} of ${grouped(layers.length)} (shallow).`];
  return deep >= CONCENTRATED ? [`${percent(deep)} of ‖Δ‖² in the layers is in the last ${grouped(third)} of ${grouped(layers.length)} (deep).`] : [];
}

/** `layer 0`, `layers 0–3 and 7`. */
function runs(layers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < layers.length; ) {
    let end = i;
    while (end + 1 < layers.length && layers[end + 1] === layers[end]! + 1) end++;
    parts.push(end === i ? String(layers[i]) : `${layers[i]}–${layers[end]}`);
    i = end + 1;
  }
  return `${layers.length === 1 ? "layer" : "layers"} ${joined(parts)}`;
}

/** A share of unchanged elements that is worth a sentence. */
const RESTORED = 5e-4;
/** Changes that are confined to some rows, heads or blocks leave the rest as it was. */
const CONFINED: ReadonlySet<Structure["kind"]> = new Set(["rows", "columns", "heads", "blocks", "permuted"]);

/** Elements that are the same among others that changed. */
function restored(changed: readonly Compared[]): string[] {
  const free = changed.filter(({ structure, difference }) => difference.differing > NAMED_ELEMENTS && (structure === undefined || !CONFINED.has(structure.kind)));
  const count = free.reduce((sum, { difference }) => sum + difference.count, 0);
  const same = count - free.reduce((sum, { difference }) => sum + difference.differing, 0);
  if (count === 0 || same / count < RESTORED) return [];
  const coarse = free.some(({ dtypes: { a, b } }) => roundingOf(a, b) > 2 ** -23);
  return [`In the tensors that changed ${percent(same / count)} of the elements are exactly as in A (restored, or never changed${coarse ? ", or changed by less than their type can tell" : ""}).`];
}

function frozen(changed: readonly Compared[], compared: readonly Compared[]): string[] {
  const equal = compared.filter(({ numbers }) => numbers.equal);
  if (equal.length === 0 || changed.length <= NAMED) return [];
  const parameters = (of: readonly Compared[]): number => of.reduce((sum, { difference }) => sum + difference.count, 0);
  const share = parameters(equal) / parameters(compared);
  return [`${counted(equal.length, "tensor")} with ${percent(share)} of the parameters ${equal.length === 1 ? "is" : "are"} equal (frozen).`];
}

function unmatchedSentence({ onlyInA, onlyInB, reshaped }: Whole): string[] {
  const parts = [
    ...(onlyInA > 0 ? [`${counted(onlyInA, "tensor")} ${onlyInA === 1 ? "is" : "are"} only in A`] : []),
    ...(onlyInB > 0 ? [`${counted(onlyInB, "tensor")} ${onlyInB === 1 ? "is" : "are"} only in B`] : []),
    ...(reshaped > 0 ? [`${counted(reshaped, "tensor")} ${reshaped === 1 ? "has" : "have"} another shape`] : []),
  ];
  return parts.length === 0 ? [] : [`${joined(parts)}.`];
}
