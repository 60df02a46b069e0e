/**
 * Vocabulary tensors (tokens along the first axis) with their rows in the order of the output's tokens: a model's own row where it has the token,
 * else the row that the others' give. As mergekit 0.1.5: the token table, the only model that has it, zeros where none has, the base, the mean of
 * those that have it.
 */
import { compute, fill, scale, shapeOf, sum } from "../../checkpoint/adapters/build";
import type { Expression, FloatType } from "../../engine/protocol";

/** 32 MB of f64. */
const SUMMED_AT_ONCE = 1 << 22;

/** Beside models, by their index, what is in a pool. */
const ZERO = -1;

/** Where the row of a token comes from that the table names. */
export type RowSource = { kind: "row"; model: number; row: number } | { kind: "zero" };

export interface Rows {
  /** Tokens of the output. */
  count: number;
  /** Rows of its tensors: `count` and what fills them up to a multiple. */
  padded: number;
  models: readonly {
    /** Row of each token; −1 where the model lacks it. */
    own: Int32Array;
    /** Whether rows may come from it that the table does not name. */
    merged: boolean;
    base: boolean;
  }[];
  /** By token: for models that lack it, or with `force` for all. */
  table: ReadonlyMap<number, { source: RowSource; force: boolean }>;
}

/** Rows of the models' tensors, one after the other, then of what is computed. */
class Pool {
  private readonly parts: Expression[] = [];
  private length = 0;

  /** The place of the part's first row. */
  add(part: Expression): number {
    const first = this.length;
    this.parts.push(part);
    this.length += shapeOf(part)[0]!;
    return first;
  }

  select(rows: Uint32Array): Expression {
    return select(this.parts.length === 1 ? this.parts[0]! : { kind: "concatenate", of: [...this.parts] }, rows);
  }
}

/**
 * One tensor of each model with `padded` rows, of `dtype`. Rows that fill up are the mean of a model's others.
 * @param tensors of one shape but for their first axis; null where a model has none: then it has no say in this tensor's rows.
 * @param takesPart which models are merged into this tensor; the others lend rows that the table names.
 * @param summedAtOnce most values that the mean over rows is computed of at once.
 */
export function aligned(rows: Rows, tensors: readonly (Expression | null)[], dtype: FloatType, takesPart: readonly boolean[], summedAtOnce = SUMMED_AT_ONCE): (Expression | null)[] {
  const cast = tensors.map((tensor): Expression | null => (tensor === null ? null : { kind: "cast", of: tensor, dtype }));
  const first = cast.find((tensor) => tensor !== null);
  if (first === undefined) return [...cast];
  const [, ...width] = shapeOf(first);
  const zero: Expression = { kind: "cast", of: fill([1, ...width], 0), dtype };
  const fallbacks = new Fallbacks(rows, cast, takesPart, zero, dtype);
  return cast.map((tensor, model) => {
    if (tensor === null) return null;
    const own = rows.models[model]!.own;
    const foreign: number[] = [];
    for (let token = 0; token < rows.count; token++) if (own[token]! < 0 || rows.table.get(token)?.force === true) foreign.push(token);
    let result: Expression;
    if (foreign.length === 0) result = select(tensor, Uint32Array.from(own));
    else {
      const pool = new Pool();
      const from = pool.add(tensor);
      const wanted = Uint32Array.from(own, (row) => from + Math.max(row, 0));
      fallbacks.fill(pool, new Map([[model, from]]), foreign, wanted);
      result = pool.select(wanted);
    }
    if (rows.padded === rows.count) return result;
    const filler = select({ kind: "cast", of: meanRow(result, rows.count, width, summedAtOnce), dtype }, new Uint32Array(rows.padded - rows.count));
    return { kind: "concatenate", of: [result, filler] };
  });
}

/** Tokens that some merged model has, and none of those that take part, nor the table. */
export function lostTokens({ models, table, count }: Rows, takesPart: readonly boolean[]): number {
  let lost = 0;
  for (let token = 0; token < count; token++) {
    const has = ({ own, merged }: Rows["models"][number]): boolean => merged && own[token]! >= 0;
    if (!table.has(token) && models.some(has) && !models.some((model, i) => takesPart[i] === true && has(model))) lost++;
  }
  return lost;
}

/** What stands in for the row of a token that a model lacks. */
class Fallbacks {
  constructor(
    private readonly rows: Rows,
    private readonly tensors: readonly (Expression | null)[],
    private readonly takesPart: readonly boolean[],
    private readonly zero: Expression,
    private readonly dtype: FloatType,
  ) {}

  /** Adds to `pool` what the rows of `tokens` need and says in `wanted` where they are. `places`: of the first rows of models that are in it. */
  fill(pool: Pool, places: Map<number, number>, tokens: readonly number[], wanted: Uint32Array): void {
    const means = new Map<string, { owners: number[]; tokens: number[] }>();
    const place = (key: number, part: Expression): number => {
      const known = places.get(key);
      if (known !== undefined) return known;
      const first = pool.add(part);
      places.set(key, first);
      return first;
    };
    for (const token of tokens) {
      const source = this.of(token);
      if (Array.isArray(source)) {
        const key = source.join();
        const group = means.get(key) ?? { owners: source, tokens: [] };
        means.set(key, group);
        group.tokens.push(token);
      } else wanted[token] = source.kind === "zero" ? place(ZERO, this.zero) : place(source.model, this.tensors[source.model]!) + source.row;
    }
    for (const group of means.values()) {
      const first = pool.add(this.mean(group.owners, group.tokens));
      for (const [i, token] of group.tokens.entries()) wanted[token] = first + i;
    }
  }

  /** The one row, or the models whose rows are averaged. */
  private of(token: number): RowSource | number[] {
    const { models, table } = this.rows;
    const named = table.get(token)?.source;
    if (named !== undefined && (named.kind === "zero" || this.tensors[named.model] !== null)) return named;
    const owners: number[] = [];
    let base = -1;
    for (const [model, { own, merged, base: isBase }] of models.entries()) {
      if (!merged || !this.takesPart[model] || own[token]! < 0 || this.tensors[model] === null) continue;
      owners.push(model);
      if (isBase) base = model;
    }
    if (owners.length === 0) return { kind: "zero" };
    const model = owners.length === 1 ? owners[0]! : base;
    return model < 0 ? owners : { kind: "row", model, row: models[model]!.own[token]! };
  }

  /** The owners' rows of `tokens`, added in the order of the models and divided by their number, each time rounded. */
  private mean(owners: readonly number[], tokens: readonly number[]): Expression {
    const parts = owners.map((model) => select(this.tensors[model]!, Uint32Array.from(tokens, (token) => this.rows.models[model]!.own[token]!)));
    const linear = (of: Expression[], weights: number[], normalize: boolean): Expression => ({
      kind: "merge",
      method: { name: "linear", weights, normalize },
      profile: "mergekit",
      dtype: this.dtype,
      of,
    });
    const total = parts.reduce((left, right) => linear([left, right], [1, 1], false));
    // Zeros that take the rest of the weight: a division, where a product with 1/n would round twice.
    return linear([total, select(this.zero, new Uint32Array(tokens.length))], [1, owners.length - 1], true);
  }
}

/** The mean over the first axis, of length 1; computed in f64, piece by piece. */
function meanRow(of: Expression, count: number, width: readonly number[], summedAtOnce: number): Expression {
  const atOnce = Math.max(1, Math.floor(summedAtOnce / width.reduce((product, length) => product * length, 1)));
  const sums: Expression[] = [];
  for (let start = 0; start < count; start += atOnce) {
    const stop = Math.min(start + atOnce, count);
    sums.push(sum(stop - start === count ? of : { kind: "slice", of, axis: 0, start, stop }, [0]));
  }
  return scale(sums.length === 1 ? sums[0]! : sum(compute({ name: "concatenate", axis: 0 }, ...sums), [0]), 1 / count);
}

/** Rows by their numbers; the tensor itself, or its first rows, where they are in its order. */
function select(of: Expression, rows: Uint32Array): Expression {
  if (rows.every((row, i) => row === i)) {
    return rows.length === shapeOf(of)[0] ? of : { kind: "slice", of, axis: 0, start: 0, stop: rows.length };
  }
  return { kind: "select", of, rows: Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).toString("base64") };
}
