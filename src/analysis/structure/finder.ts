/** What the changes between two models look like, pair by pair. */
import { combination, flatten, gather, literal, reshape, shapeOf } from "../../checkpoint/adapters/build";
import { EngineError } from "../../engine/error";
import type { DifferenceResult, Expression } from "../../engine/protocol";
import type { AttentionHeads } from "../../protocol/compare";
import { toNumber, type Structure } from "../../protocol/results";
import { Coalescer } from "../coalesce";
import type { Engine } from "../engine";
import { Blocks, type UnitGroup } from "./blocks";
import { linesOf, type Lines } from "./lines";
import { byHash, byMatch, isIdentity, MOST_MATCHED, ofLines, type Order } from "./permutation";
import type { TensorPair } from "./pairs";
import { relativeStep, roundingEdge, roundingNorm } from "./rounding";
import { ofTiles, sparse, tiles, type Shape } from "./sparse";
import { updateRank, type UpdateRank } from "./update-rank";
import { counted, figure, indexList, percent } from "./words";

export interface FinderOptions {
  engine: Engine;
  /** All pairs of the two models; what is said of one takes in those of the same block. */
  pairs: readonly TensorPair[];
  /** Null when neither model says; then the change itself may show them. */
  heads: AttentionHeads | null;
}

export interface Asked {
  /** The pair's difference, when it is known with its rows and columns (`detail.rows` the first axis). */
  difference?: DifferenceResult;
  /** Also what takes long for large tensors: orders of more than 4096 units that no hash shows. */
  thorough?: boolean;
  signal?: AbortSignal;
}

/** What is known of a pair while its structure is searched. */
interface Change {
  pair: number;
  a: Expression;
  b: Expression;
  delta: Expression;
  difference: DifferenceResult;
  rows: Lines;
  columns: Lines;
  /** Of the elements that differ. */
  share: number;
}

/** Squared change of the changed lines over their own squares from which on they may be other lines of A. */
const MOVED = 0.1;
/** … and from which on they may only resemble them. */
const MOVED_FAR = 0.5;
/** 1 − cos² up to which the second pass that decides whether B is a multiple of A is made. */
const COLLINEAR = 1e-3;
/** Fewer elements are multiples of others by chance. */
const FEWEST_SCALED = 8;
/** Units of a tensor of no block up to which an order is searched by assignment. */
const MOST_ALONE = 1024;
/** Elements of a tensor that is put in order to see what remains: it takes memory as a whole. */
const MOST_REORDERED = 1 << 24;
/** Rows or columns of which more than this share changed are looked at for a low rank first. */
const SPARSE = 0.5;
/** Unchanged elements are worth a word when there are more than by chance, and at least so many. */
const FEWEST_RESTORED = 3;
const BEYOND_CHANCE = 4;
const PICTURE_SIDE = 1024;

export class StructureFinder {
  readonly #blocks: Blocks;
  readonly #orders = new Map<string, Order | null>();
  readonly #flights = new Coalescer();

  constructor(private readonly options: FinderOptions) {
    this.#blocks = new Blocks(options.pairs);
  }

  /**
   * @param pair index into the pairs.
   * @throws EngineError, CheckpointError when the values cannot be read.
   */
  async of(pair: number, { difference: known, thorough = false, signal }: Asked = {}): Promise<Structure> {
    const { shape, expressions } = this.options.pairs[pair]!;
    const { a, b, delta = combination([reshape(b, shapeOf(a)), a], [1, -1]) } = await expressions(signal);
    const difference = known?.rows === undefined ? await this.#difference(a, b, shape, signal) : known;
    const lines = linesOf(difference);
    if (difference.differing === 0 || lines === null) return { kind: "none", share: 0, sentence: "equal" };
    const change: Change = { pair, a, b, delta, difference, ...lines, share: difference.differing / difference.count };
    const moved = movedShare(change);
    const scaled = await this.#scaled(change, signal);
    if (scaled !== null) return scaled;
    const groups = moved >= MOVED ? this.#groups(change) : null;
    const reordered = groups === null ? null : await this.#firstOrder(groups, ["hash", "hash"], signal);
    if (reordered !== null && !isIdentity(reordered.permutation)) return this.#inOrder(change, reordered, signal);
    const some = await this.#some(change, signal);
    const mostly = (some?.kind === "rows" || some?.kind === "columns") && leastShare(change) > SPARSE;
    if (some !== null && !mostly) return some;
    if (groups !== null && reordered === null && some === null && moved >= MOVED_FAR) {
      const matched = await this.#firstOrder(groups, thorough ? [Infinity, Infinity] : [MOST_MATCHED, MOST_ALONE], signal);
      if (matched !== null && !isIdentity(matched.permutation)) return this.#inOrder(change, matched, signal);
    }
    const rank = await this.#rank(change, signal);
    if (typeof rank !== "string" && rank.low) return lowRank(rank, change);
    return some ?? this.#dense(change, rank, moved, thorough);
  }

  #difference(a: Expression, b: Expression, [rows = 1]: readonly number[], signal?: AbortSignal): Promise<DifferenceResult> {
    return this.options.engine.request("difference", { a, b, detail: { rows: Math.max(rows, 1), binsPerDecade: 1, block: 65_536 } }, options(signal));
  }

  /** B = factor·A but for rounding. */
  async #scaled({ pair, a, b, difference, share }: Change, signal?: AbortSignal): Promise<Structure | null> {
    const [normA, normB, dot] = [toNumber(difference.a.l2), toNumber(difference.b.l2), toNumber(difference.dot)];
    if (difference.count < FEWEST_SCALED || difference.compared < difference.count || normA === 0) return null;
    const { dtypeA, dtypeB } = this.options.pairs[pair]!;
    if (normB === 0) return { kind: "scaled", factor: 0, share, sentence: "all zeros: 0 · A" };
    if (1 - (dot / normA / normB) ** 2 > COLLINEAR) return null;
    const factor = dot / normA ** 2;
    const allowed = roundingNorm(normA, factor, normB, dtypeA, dtypeB);
    // A change that is no larger than rounding is not worth the name of a factor.
    if (allowed === null || Math.abs(factor - 1) * normA <= BEYOND_CHANCE * allowed) return null;
    const { norm } = await this.options.engine.request("residual", { target: b, terms: [reshape(a, shapeOf(b))], coefficients: [factor] }, options(signal));
    return toNumber(norm) <= allowed ? { kind: "scaled", factor, share, sentence: `${figure(factor)} · A, within the rounding of ${coarser(dtypeA, dtypeB)}` } : null;
  }

  /** The sets of units whose order may be another: those of the pair's block, and its own rows and columns. */
  #groups({ pair, rows, columns }: Change): [UnitGroup[], UnitGroup[]] {
    const alone = ([[0, rows.count], [1, columns.count]] as const)
      .filter(([, units]) => units > 1)
      .map(([axis, units]): UnitGroup => ({ unit: axis === 0 ? "row" : "column", size: 1, members: [{ pair, axis, start: 0, stop: units }] }));
    return [this.#blocks.groupsOf(pair, this.options.heads), alone];
  }

  /** The order of the first set that has one, of the block's sets and of the pair's own by either way. */
  async #firstOrder(groups: [UnitGroup[], UnitGroup[]], by: ["hash" | number, "hash" | number], signal?: AbortSignal): Promise<Order | null> {
    for (const [i, sets] of groups.entries()) {
      for (const group of sets) {
        const order = await this.#order(by[i]!, group, signal);
        if (order !== null) return order;
      }
    }
    return null;
  }

  /** The order of a group's units, by hash or by a match of at most so many; found once. */
  async #order(by: "hash" | number, group: UnitGroup, signal?: AbortSignal): Promise<Order | null> {
    const key = `${by} ${JSON.stringify(group)}`;
    const known = this.#orders.get(key);
    if (known !== undefined) return known;
    return this.#flights.share(key, signal, async (shared) => {
      const { pairs, engine } = this.options;
      const order = await (by === "hash" ? byHash(group, pairs, engine, shared) : byMatch(group, pairs, engine, by, shared));
      this.#orders.set(key, order);
      return order;
    });
  }

  /** What B is once A's units are in its order. */
  async #inOrder(change: Change, order: Order, signal?: AbortSignal): Promise<Structure> {
    const { group, permutation: units, ambiguous, by, fall } = order;
    const { size } = group;
    const own = group.members.flatMap((member, i) => (member.pair === change.pair ? [{ ...member, changed: order.changed[i]! }] : []));
    const { axis } = own[0]!;
    const permutation = own.flatMap(({ start }) => ofLines(units, size).map((line) => start + line));
    const movedLines = permutation.filter((line, i) => line !== i).length;
    const noun = group.unit === "head" && size === 1 ? (axis === 0 ? "row" : "column") : group.unit;
    const base = { permutation, axis, ...(size > 1 ? { size } : {}) };
    const doubt = ambiguous > 0 ? `; ${counted(ambiguous, noun)} are equal to others, so that their order among themselves is not known` : "";
    const share = movedLines / permutation.length;
    const moved = `${counted(movedLines / size, noun)} of ${permutation.length / size} in another place`;
    if (by === "match") {
      const left = Math.sqrt(fall!.after / fall!.before);
      return { kind: "permuted", ...base, share, sentence: `${moved}, found by the closest match: in A's order ‖B − A‖ falls to ${percent(left)} of what it is as stored${group.members.length > 1 ? ", over all tensors of the block" : ""}` };
    }
    const told = "once the order is recovered from the tensors whose values are A's";
    const changed = own.flatMap((member) => member.changed.map((unit) => member.start / size + unit));
    if (changed.length === 0) return { kind: "permuted", ...base, share, sentence: `${moved}, values as in A${doubt}` };
    if (changed.length === permutation.length / size) {
      const rest = await this.#remaining(change, permutation, axis, signal);
      return { kind: "permuted", ...base, share, sentence: `${moved}; ${told}, all of them differ${rest === null ? "" : `, by ${figure(rest)} of ‖A‖`}${doubt}` };
    }
    const indicesOfA = changed.map((unit) => Math.floor(permutation[unit * size]! / size)).sort((x, y) => x - y);
    const kind = group.unit === "head" && size > 1 ? "heads" : axis === 0 ? "rows" : "columns";
    const word = kind.slice(0, changed.length === 1 ? -1 : undefined);
    return {
      kind, indices: changed, indicesOfA, ...base, share: (changed.length * size) / permutation.length,
      sentence: `${word} ${indexList(indicesOfA)} of A changed, ${told}: ${moved}, so that these are ${indexList(changed)} in B${doubt}`,
    };
  }

  /** ‖B − A‖/‖A‖ with A in B's order; null where that would take too much memory. */
  async #remaining({ a, b, difference }: Change, permutation: number[], axis: 0 | 1, signal?: AbortSignal): Promise<number | null> {
    if (difference.count > MOST_REORDERED) return null;
    const matrix = shapeOf(a).length < 2 ? reshape(a, [difference.count, 1]) : flatten(a);
    const ordered = gather(matrix, axis, literal([permutation.length], permutation));
    const { norm, a: side } = await this.options.engine.request("difference", { a: ordered, b: reshape(b, shapeOf(matrix)) }, options(signal));
    return toNumber(norm) / toNumber(side.l2);
  }

  /** Rows, columns, heads or blocks. */
  async #some(change: Change, signal?: AbortSignal): Promise<Structure | null> {
    const { pair, rows, columns, difference, share, delta } = change;
    const shape: Shape = { kind: this.#blocks.kind(pair), axes: this.options.pairs[pair]!.shape, heads: this.options.heads };
    const found = sparse(rows, columns, difference.differing, share, shape);
    if (found !== null || share === 1) return found;
    const side = tiles(rows, columns);
    if (side === null || Math.max(rows.count, columns.count) / side > PICTURE_SIDE) return null;
    const [height, width] = [rows.count / side, columns.count / side];
    const window = { rowStart: 0, rowStop: rows.count, columnStart: 0, columnStop: columns.count };
    const picture = await this.options.engine.request("picture", { tensor: flatten(delta), window, height, width }, options(signal));
    const values = (text: string): number[] => {
      const buffer = Buffer.from(text, "base64");
      return Array.from({ length: buffer.length / 4 }, (_, i) => buffer.readFloatLE(4 * i));
    };
    const [low, high] = [values(picture.min), values(picture.max)];
    const indices = [...low.keys()].filter((i) => low[i] !== 0 || high[i] !== 0);
    return indices.length * side * side === difference.differing ? ofTiles(indices, side, height * width, share) : null;
  }

  /** The rank of the update, or why it was not looked for. */
  async #rank({ pair, delta, difference, rows, columns }: Change, signal?: AbortSignal): Promise<UpdateRank | string> {
    const { dtypeA, dtypeB, shape } = this.options.pairs[pair]!;
    if (shape.length < 2 || Math.min(rows.count, columns.count) < 2) return "";
    if (difference.compared < difference.count) return "its rank is not defined, since some values are not finite";
    const edge = roundingEdge({ rows, columns }, dtypeA, dtypeB);
    if (edge === null) return `its rank is not told, since ${relativeStep(dtypeA) === null ? dtypeA : dtypeB} is no floating-point type`;
    try {
      return await updateRank(delta, Math.min(rows.changed.length, columns.changed.length), edge, this.options.engine, signal);
    } catch (error) {
      if (error instanceof EngineError && (error.code === "undefined" || error.code === "tooLarge")) return `its rank is not told: ${error.message.replace(/\.$/, "")}`;
      throw error;
    }
  }

  #dense(change: Change, rank: UpdateRank | string, moved: number, thorough: boolean): Structure {
    const { pair, rows, columns, difference, share } = change;
    const { dtypeA, dtypeB } = this.options.pairs[pair]!;
    const notes: string[] = [];
    const restored = this.#restored(change);
    if (restored !== null) notes.push(`${percent(restored)} of the elements are exactly A's though their neighbours changed (restored or frozen)`);
    if (typeof rank === "string" && rank !== "") notes.push(rank);
    if (!thorough && moved >= MOVED_FAR && Math.max(rows.count, columns.count) > MOST_MATCHED) notes.push(`another order of its ${counted(Math.max(rows.count, columns.count), "row")} was searched by hashes only`);
    return { kind: "none", share, ...(restored === null ? {} : { unchangedShare: restored }), sentence: [plain(difference, share, rank, coarser(dtypeA, dtypeB)), ...notes].join("; ") };
  }

  /** Share of the elements that are A's in lines that changed, when there are more of them than rounding leaves by chance. */
  #restored({ pair, difference, rows }: Change): number | null {
    const { dtypeA, dtypeB } = this.options.pairs[pair]!;
    const [a, b] = [relativeStep(dtypeA), relativeStep(dtypeB)];
    const within = rows.changed.length * rows.length;
    const unchanged = within - difference.differing;
    // Scattered changes leave most as it was: that is not restoring.
    if (a === null || b === null || unchanged < FEWEST_RESTORED || difference.differing < within / 2) return null;
    const step = Math.max(a, b) * (toNumber(difference.b.l2) / Math.sqrt(difference.compared));
    const spread = toNumber(difference.norm) / Math.sqrt(difference.differing);
    const chance = within * Math.min(1, (step / spread) * 0.4);
    return unchanged > BEYOND_CHANCE * chance + FEWEST_RESTORED * Math.sqrt(chance) ? unchanged / difference.count : null;
  }
}

function options(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function coarser(a: string, b: string): string {
  return (relativeStep(a) ?? 0) > (relativeStep(b) ?? 0) ? a : b;
}

/** The larger of rows and columns, of Σ(b − a)² over Σa² of the changed lines; 0 for a single one. */
function movedShare({ rows, columns }: Pick<Change, "rows" | "columns">): number {
  return [rows, columns].reduce((most, { changed, squares, reference }) => {
    if (changed.length < 2) return most;
    const own = changed.reduce((sum, i) => sum + reference[i]!, 0);
    return own === 0 ? most : Math.max(most, changed.reduce((sum, i) => sum + squares[i]!, 0) / own);
  }, 0);
}

function leastShare({ rows, columns }: Pick<Change, "rows" | "columns">): number {
  return Math.min(rows.changed.length / rows.count, columns.changed.length / columns.count);
}

function lowRank({ rank }: { rank: number }, { share }: Change): Structure {
  return { kind: "low-rank", rank, share, sentence: `a rank-${rank} update` };
}

/** A change that has none of the structures. */
function plain({ differing, count }: DifferenceResult, share: number, rank: UpdateRank | string, dtype: string): string {
  if (share < SPARSE) return `${counted(differing, "element")} of ${count.toLocaleString("en-US")} changed, in no pattern`;
  if (typeof rank !== "string" && rank.rank === 0) return `no more than rounding to ${dtype} makes`;
  if (typeof rank !== "string") return "a dense change of full rank";
  return "a dense change";
}
