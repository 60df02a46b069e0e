/**
 * S2FT: a whole Llama-like checkpoint in which attention heads and feed-forward channels were exchanged so that the trained
 * ones come first (as github.com/Infini-AI-Lab/S2FT saves it). The order is recovered from projections that are never trained,
 * `gate_proj` for channels and `q_proj` for heads; the update is given in the base's own order.
 *
 * Trained are rows of `up_proj` and `v_proj`, columns of `down_proj` and `o_proj`: added to the weights, or beside them as
 * `s2` tensors, which then start at the first row or column. Only when both projections of a pair were trained is the start of
 * the second in no file.
 */
import type { Expression } from "../../engine/protocol";
import type { Checkpoint, Tensor } from "../checkpoint";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import type { BaseModel } from "./base-model";
import { concatenate, fill, gather, literal, shapeOf, ShapeMismatch, subtract } from "./build";
import { firstRows, inverseOrder, isIdentity, rowOrder, rowStarts } from "./row-order";

/** The untrained projection that shows the order, the projections with exchanged rows, and the one with exchanged columns. */
interface Pair {
  shows: string;
  rows: string;
  columns: string;
}
const PAIRS: readonly Pair[] = [
  { shows: "self_attn.q_proj", rows: "self_attn.v_proj", columns: "self_attn.o_proj" },
  { shows: "mlp.gate_proj", rows: "mlp.up_proj", columns: "mlp.down_proj" },
];

/** Rows of a projection that are compared in whole to see whether any of its columns was trained. */
const COMPARED_ROWS = 4;

/** Whether the file holds `s2` tensors of its own. */
export function isS2ft({ tensors }: Checkpoint): boolean {
  return tensors.some(({ name }) => /\.(?:v_proj|o_proj|up_proj|down_proj)\.s2$/.test(name));
}

/** Whether the checkpoint is the base with rows exchanged, its `s2` tensors added in: some layer's order is not the base's. */
export async function isFusedS2ft(source: AdapterSource): Promise<boolean> {
  if (source.base === undefined) return false;
  for (const layer of layersOf(source.checkpoint)) {
    for (const pair of PAIRS) {
      const order = await orderOf(source, source.base, `${layer}.${pair.shows}.weight`);
      if (order === null) return false;
      if (order !== "repeated" && !isIdentity(order)) return true;
    }
  }
  return false;
}

export async function s2ft(source: AdapterSource): Promise<FamilyAnswer> {
  const modules: AdapterModule[] = [];
  for (const layer of layersOf(source.checkpoint)) {
    for (const pair of PAIRS) modules.push(...(await changes(source, layer, pair)));
  }
  return modules;
}

/** The modules that hold both `self_attn` and `mlp`, in the file's order. */
function layersOf({ tensors }: Checkpoint): string[] {
  const layers = new Set<string>();
  for (const { name } of tensors) {
    const layer = /^(.+)\.(?:self_attn\.q_proj|mlp\.gate_proj)\.weight$/.exec(name)?.[1];
    if (layer !== undefined) layers.add(layer);
  }
  return [...layers];
}

async function orderOf(source: AdapterSource, base: BaseModel, name: string): Promise<number[] | "repeated" | null> {
  const own = tensorOf(source.checkpoint, name);
  const original = base.find(name);
  if (own === undefined || original === undefined || own.shape.length !== 2 || own.shape.some((length, i) => length !== original.shape[i])) return null;
  const [permuted, expression] = [own.expression, await base.expression(original)];
  return permuted === null || expression === null ? null : rowOrder(permuted, expression, own.shape as [number, number], source.sources);
}

const byName = new WeakMap<Checkpoint, Map<string, number>>();

function indexOf(checkpoint: Checkpoint, name: string): number | undefined {
  let names = byName.get(checkpoint);
  if (names === undefined) byName.set(checkpoint, (names = new Map(checkpoint.tensors.map((tensor, index) => [tensor.name, index]))));
  return names.get(name);
}

function tensorOf(checkpoint: Checkpoint, name: string): Tensor | undefined {
  const index = indexOf(checkpoint, name);
  return index === undefined ? undefined : checkpoint.tensors[index];
}

async function changes(source: AdapterSource, layer: string, pair: Pair): Promise<AdapterModule[]> {
  const { checkpoint, base } = source;
  const sparse = [pair.rows, pair.columns].map((name) => indexOf(checkpoint, `${layer}.${name}.s2`));
  const answer: AdapterModule[] = [];
  const order = base === undefined ? null : await orderOf(source, base, `${layer}.${pair.shows}.weight`);
  for (const [axis, name] of [pair.rows, pair.columns].entries()) {
    const module = `${layer}.${name}`;
    const tensor = `${module}.weight`;
    const weight = indexOf(checkpoint, tensor);
    const s2 = sparse[axis];
    if (weight === undefined || (isS2ft(checkpoint) && s2 === undefined)) continue;
    const shape = checkpoint.tensors[weight]!.shape;
    const common = { module, tensor, type: "S2FT", rank: null, scale: 1, shape, factors: s2 === undefined ? [weight] : [s2] };
    const rest = { ...common, needsBase: true as const, delta: null };
    if (base === undefined) answer.push(rest);
    else if (order === null) answer.push({ ...rest, refused: `the rows of ${layer}.${pair.shows} are not those of the base model, so that their order cannot be recovered` });
    else if (order === "repeated") answer.push({ ...rest, refused: `rows of ${layer}.${pair.shows} repeat, so that their order cannot be recovered` });
    else if (s2 === undefined) {
      const delta = await fused(source, base, tensor, order, axis);
      if (delta !== null) answer.push({ ...common, needsBase: true, delta, order: { axis, of: order } });
    } else if (axis === 1 && sparse[0] !== undefined) {
      answer.push({ ...rest, refused: `the first column that its s2 tensor applies to is in no file, since ${pair.rows} was trained as well` });
    } else {
      answer.push({ ...common, needsBase: true, delta: unfused(checkpoint.tensors[s2]!.expression, shape, order, axis), order: { axis, of: order } });
    }
  }
  return answer;
}

/** W with its rows or columns back in the base's order, minus the base; null where nothing was trained. */
async function fused(source: AdapterSource, base: BaseModel, tensor: string, order: number[], axis: number): Promise<Expression | null> {
  const own = tensorOf(source.checkpoint, tensor)?.expression;
  const found = base.find(tensor);
  const original = found === undefined ? null : await base.expression(found);
  if (own === null || own === undefined || original === null) throw new ShapeMismatch(`the base model has no ${tensor} that can be read`);
  const [rows = 0, columns = 0] = shapeOf(own);
  if ((axis === 0 ? rows : columns) !== order.length) throw new ShapeMismatch(`${tensor} has no ${order.length} ${axis === 0 ? "rows" : "columns"}`);
  if (await untrained(own, original, [rows, columns], order, axis, source)) return null;
  return subtract(gather(own, axis, literal([order.length], inverseOrder(order))), original);
}

/** Whether the tensors agree but for the order. Training changes whole rows, or whole columns, so that a part of them tells. */
async function untrained(own: Expression, original: Expression, [rows, columns]: [number, number], order: number[], axis: number, { sources }: AdapterSource): Promise<boolean> {
  if (axis === 0) {
    const [mine, theirs] = [await rowStarts(own, rows, columns, sources), await rowStarts(original, rows, columns, sources)];
    return mine !== null && theirs !== null && mine.every((start, i) => start === theirs[order[i]!]);
  }
  const compared = Math.min(rows, COMPARED_ROWS);
  const [mine, theirs] = [await firstRows(own, compared, columns, sources), await firstRows(original, compared, columns, sources)];
  return mine !== null && theirs !== null && mine.every((value, at) => value === theirs[at - (at % columns) + order[at % columns]!]);
}

/** The s2 tensor's rows or columns, the first of the stored order, where the base has them. */
function unfused(s2: Expression | null, shape: readonly number[], order: number[], axis: number): Expression {
  if (s2 === null) throw new ShapeMismatch("the s2 tensor cannot be read");
  const trained = shapeOf(s2)[axis] ?? 0;
  const rest = shape.map((length, i) => (i === axis ? length - trained : length));
  if (rest[axis]! < 0 || shape[axis] !== order.length) throw new ShapeMismatch(`an s2 tensor of shape [${shapeOf(s2).join(", ")}] does not fit [${shape.join(", ")}]`);
  const padded = rest[axis] === 0 ? s2 : concatenate(axis, s2, fill(rest, 0));
  return gather(padded, axis, literal([order.length], inverseOrder(order)));
}
