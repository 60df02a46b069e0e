/** Tensors that hold several layers of the other model: query, key and value; gate and up. One pair for each part. */
import { expertOf } from "./experts";
import { fusedLayer, partLayers, PARTS, type FusedKind, type Part } from "./fused-names";
import { laidOutShape, type Layout, type RowRun } from "./layout";
import { headsOf, type ModelFacts } from "./model-facts";
import type { Side, Sides } from "./sides";
import { layerOf } from "../structure";

/** Sizes of heads that are tried where neither model says. */
const COMMON_HEAD_SIZES = [128, 64, 96, 80, 256, 192, 112, 72, 48, 40, 32, 24, 16, 8, 4];

/** A fused tensor and those of its parts. */
interface Group {
  fused: number;
  kind: FusedKind;
  name: string;
  parts: Map<Part, number>;
  /** Which expert of the fused stack. */
  index?: number;
}

/** One way in which the parts may lie in the fused tensor. */
interface Arrangement {
  id: string;
  sentence: string;
  rows: RowRun[];
}

/** Pairs each part of a fused tensor with the tensor that holds it alone. */
export function pairFused(sides: Sides, a: ModelFacts, b: ModelFacts): void {
  pairParts(sides, sides.a, sides.b, [a, b], (fused, part, layoutF, layoutP) => [fused, part, layoutF, layoutP]);
  pairParts(sides, sides.b, sides.a, [b, a], (fused, part, layoutF, layoutP) => [part, fused, layoutP, layoutF]);
}

function pairParts(
  sides: Sides,
  whole: Side,
  split: Side,
  models: readonly ModelFacts[],
  inOrder: (fused: number, part: number, layoutFused: Layout, layoutPart: Layout | undefined) => [a: number, b: number, layoutA: Layout | undefined, layoutB: Layout | undefined],
): void {
  for (const group of groups(whole, split)) {
    const parts = PARTS[group.kind].map((part) => group.parts.get(part)!);
    const fit = orientation(whole.shapeOf(group.fused), group.index, parts.map((part) => split.shapeOf(part)));
    if (fit === undefined || parts.some((part) => split.settled[part] === 1)) continue;
    const all = arrangements(group, fit.rows, fit.axis, models, layerOf(split.tensors[parts[0]!]!.name));
    // The second part stands elsewhere in every arrangement; of gate and up, the first.
    const told = group.kind === "qkv" ? 1 : 0;
    const chosen = sides.choose(all, ({ rows }) => sides.described(...inOrder(group.fused, parts[told]!, { ...fit.fused, rows: rows[told]! }, fit.part)));
    if (chosen === undefined) continue;
    const rule = sides.rule(chosen.id, chosen.sentence);
    parts.forEach((part, i) => {
      const [a, b, layoutA, layoutB] = inOrder(group.fused, part, { ...fit.fused, rows: chosen.rows[i]! }, fit.part);
      sides.pair(a, b, rule, layoutA, layoutB);
      split.settle(part);
    });
    whole.settle(group.fused);
  }
}

/** Fused tensors of `whole` of which `split` has every part. */
function groups(whole: Side, split: Side): Group[] {
  const found = new Map<string, { fused: number; kind: FusedKind; name: string } | null>();
  for (const fused of whole.open()) {
    const layer = fusedLayer(whole.keys[fused]!);
    if (layer !== undefined) found.set(layer.group, found.has(layer.group) ? null : { fused, kind: layer.kind, name: layer.name });
  }
  if (found.size === 0) return [];
  const complete = new Map<string, Group>();
  for (const tensor of split.open()) {
    const key = split.keys[tensor]!;
    const expert = expertOf(key);
    const names: [string, number?][] = expert === undefined ? [[key]] : [[key], [expert.stacks[0]!, expert.index]];
    for (const [name, index] of names) {
      for (const { group, part } of partLayers(name)) {
        const fused = found.get(group);
        if (fused === undefined || fused === null) continue;
        const id = `${index ?? ""} ${group}`;
        let entry = complete.get(id);
        if (entry === undefined) complete.set(id, (entry = { ...fused, parts: new Map(), ...(index === undefined ? {} : { index }) }));
        // Two tensors for one part: neither can be meant.
        entry.parts.set(part, entry.parts.has(part) ? -1 : tensor);
      }
    }
  }
  const wholeGroups = [...complete.values()].filter(({ kind, parts }) => PARTS[kind].every((part) => (parts.get(part) ?? -1) >= 0));
  const members = new Map<number, number>();
  for (const { fused } of wholeGroups) members.set(fused, (members.get(fused) ?? 0) + 1);
  // Of a stack, either every expert or none.
  return wholeGroups.filter(({ fused, index }) => index === undefined || members.get(fused) === whole.shapeOf(fused)[0]);
}

interface Fit {
  /** Of each part. */
  rows: number[];
  /** The axis of the fused tensor that rows lie on, as laid out. */
  axis: number;
  fused: Layout;
  part: Layout | undefined;
}

/** How fused tensor and parts are turned so that the parts' rows add up to the fused ones'; undefined when they do not. */
function orientation(shape: readonly number[], index: number | undefined, parts: readonly (readonly number[])[]): Fit | undefined {
  const [first = []] = parts;
  for (const turnFused of [false, true]) {
    for (const turnParts of [false, true]) {
      if ((turnFused && shape.length < 2) || (turnParts && first.length < 2)) continue;
      const fused: Layout = { ...(index === undefined ? {} : { index }), ...(turnFused ? { transpose: true } : {}) };
      const part: Layout | undefined = turnParts ? { transpose: true } : undefined;
      const whole = laidOutShape(shape, fused);
      const shapes = parts.map((each) => laidOutShape(each, part));
      // Stacks of matrices have their rows on the second axis.
      const axis = whole.length === 3 && shapes.every((each) => each.length === 3 && each[0] === whole[0] && each[1] !== undefined) ? 1 : 0;
      const rows = shapes.map((each) => each[axis] ?? 0);
      const fits = shapes.every((each) => each.length === whole.length && each.every((length, i) => i === axis || length === whole[i]));
      if (fits && rows.reduce((sum, count) => sum + count, 0) === whole[axis]) return { rows, axis, fused, part };
    }
  }
  return undefined;
}

/** The ways in which parts of these rows may lie, the likeliest first. */
function arrangements({ kind, name }: Group, rows: readonly number[], axis: number, models: readonly ModelFacts[], layer: number | null): Arrangement[] {
  const total = rows.reduce((sum, count) => sum + count, 0);
  const on = axis === 0 ? {} : { axis };
  let at = 0;
  const consecutive = rows.map((count): RowRun => ({ start: at, stop: (at += count), ...on }));
  if (kind === "gate_up") {
    const concatenated = { id: "gate-up", sentence: "Gate and up follow one another in one tensor", rows: consecutive };
    if (rows[0] !== rows[1]) return [concatenated];
    return [
      concatenated,
      { id: "gate-up-alternating", sentence: "Rows of gate and up alternate in one tensor", rows: [0, 1].map((start) => ({ start, stop: total, run: 1, step: 2, ...on })) },
      { id: "up-gate", sentence: "Up and gate follow one another in one tensor", rows: [consecutive[1]!, consecutive[0]!] },
    ];
  }
  const words = kind === "kv" ? "Key and value" : "Query, key and value";
  const concatenated = { id: `${kind}`, sentence: `${words} follow one another in one tensor`, rows: consecutive };
  const interleaved = headCounts(rows, models, layer).map(({ heads, id }): Arrangement => {
    let start = 0;
    const runs = rows.map((count): RowRun => {
      const run = count / heads;
      start += run;
      return { start: start - run, stop: total, run, step: total / heads, ...on };
    });
    const each = runs[0]!.run === runs.at(-1)!.run ? "each head" : "each group of heads";
    return { id: `${kind}-interleaved${id}`, sentence: `${words} of ${each} follow one another in one tensor`, rows: runs };
  });
  return likelyInterleaved(name, models) ? [...interleaved, concatenated] : [concatenated, ...interleaved];
}

/** Numbers of key heads by which the rows can be interleaved: what the models say, else what common sizes of heads give. */
function headCounts(rows: readonly number[], models: readonly ModelFacts[], layer: number | null): { heads: number; id: string }[] {
  const keys = rows.at(-1)!;
  const valid = (heads: number): boolean => heads > 1 && rows.every((count) => count % heads === 0);
  const said = headsOf(models, layer, true) ?? models.flatMap(({ headDim }) => (headDim === undefined ? [] : [keys / headDim]))[0];
  if (said !== undefined) return valid(said) ? [{ heads: said, id: "" }] : [];
  return COMMON_HEAD_SIZES.filter((size) => keys % size === 0 && valid(keys / size)).map((size) => ({ heads: keys / size, id: `-${size}` }));
}

/** GPT-NeoX, BLOOM, Falcon and Persimmon keep each head's query, key and value together, InternLM 2 each group's. */
function likelyInterleaved(name: string, models: readonly ModelFacts[]): boolean {
  const architecture = models[0]?.architecture ?? "";
  if (name === "query_key_value") return !/^chatglm/.test(architecture) && models.some(({ heads }) => heads !== undefined);
  return name === "wqkv" && architecture === "internlm2";
}
