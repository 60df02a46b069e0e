/**
 * The order in which B holds A's units: by hashes of the lines that training left as they were (as S2FT's exchanged heads and channels
 * are recovered), else by linear assignment of those that resemble each other most.
 */
import { reshape, shapeOf, slice } from "../../checkpoint/adapters/build";
import type { Expression } from "../../engine/protocol";
import { toNumber } from "../../protocol/results";
import type { Engine } from "../engine";
import type { Member, UnitGroup } from "./blocks";
import type { TensorPair } from "./pairs";

export interface Order {
  group: UnitGroup;
  /** permutation[i]: the unit of A that stands at i in B. */
  permutation: number[];
  /** Units that are equal to others, so that their order among themselves is not determined. */
  ambiguous: number;
  /** `"hash"`: some tensors' units are A's bit by bit. `"match"`: they only resemble them. */
  by: "hash" | "match";
  /** Of each member, the units of B that are not A's once in order; null when they were matched, not hashed. */
  changed: (number[] | null)[];
  /** ‖B − A‖² of all members, as stored and in order; of an order by match. */
  fall?: { before: number; after: number };
}

/** More units take a linear assignment too long to be made unasked. */
export const MOST_MATCHED = 4096;
/** The distance that must be left at most. */
const FALL = 0.25;
/** Elements of a unit below which units of two unrelated models resemble each other too much. */
const FEWEST_FEATURES = 16;

/** The two matrices of a member, its units as rows or columns. */
async function sides({ pair, start, stop, axis }: Member, pairs: readonly TensorPair[], signal?: AbortSignal): Promise<{ a: Expression; b: Expression }> {
  const { shape, expressions } = pairs[pair]!;
  const { a, b } = await expressions(signal);
  const [rows = 1, ...rest] = shape;
  const matrix = (of: Expression): Expression => slice(reshape(of, [rows, rest.reduce((product, length) => product * length, 1)]), axis, start, stop);
  return { a: matrix(a), b: matrix(b) };
}

/** B's order of the group's units, by the lines that are A's bit by bit; null when no tensor of the group consists of A's lines. */
export async function byHash(group: UnitGroup, pairs: readonly TensorPair[], engine: Engine, signal?: AbortSignal): Promise<Order | null> {
  const options = signal === undefined ? {} : { signal };
  const hashes = await Promise.all(group.members.map(async (member) => {
    const both = await sides(member, pairs, signal);
    const of = async (tensor: Expression): Promise<string[]> => {
      const { count, hashes: text } = await engine.request("lineHashes", { tensor, axis: member.axis, group: group.size }, options);
      const bytes = Buffer.from(text, "base64");
      return Array.from({ length: count }, (_, i) => bytes.toString("latin1", 8 * i, 8 * i + 8));
    };
    const [a, b] = await Promise.all([of(both.a), of(both.b)]);
    return { a, b };
  }));
  // Tensors that hold the same lines on both sides tell the order; together they tell it where lines of one repeat.
  const telling = hashes.filter(({ a, b }) => sameMultiset(a, b));
  if (telling.length === 0) return null;
  const joint = (side: "a" | "b"): string[] => telling[0]!.a.map((_, i) => telling.map((each) => each[side][i]!).join(""));
  const [a, b] = [joint("a"), joint("b")];
  if (!sameMultiset(a, b)) return null;
  const { permutation, ambiguous } = assigned(a, b);
  // Biases of zeros, say, tell nothing.
  if (2 * ambiguous > a.length) return null;
  return { group, permutation, ambiguous, by: "hash", changed: hashes.map((each) => [...each.b.keys()].filter((i) => each.a[permutation[i]!] !== each.b[i])) };
}

function sameMultiset(a: readonly string[], b: readonly string[]): boolean {
  const counts = new Map<string, number>();
  for (const key of a) counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const key of b) {
    const left = counts.get(key);
    if (left === undefined || left === 0) return false;
    counts.set(key, left - 1);
  }
  return a.length === b.length;
}

/** For each of B the place in A; of equal ones each in its own place where it can be, then in order. */
export function assigned(a: readonly string[], b: readonly string[]): { permutation: number[]; ambiguous: number } {
  const places = new Map<string, number[]>();
  for (const [i, key] of a.entries()) {
    const list = places.get(key);
    if (list === undefined) places.set(key, [i]);
    else list.push(i);
  }
  let ambiguous = 0;
  for (const { length } of places.values()) if (length > 1) ambiguous += length;
  const permutation = b.map((key, i) => (a[i] === key ? i : -1));
  const taken = new Set(permutation);
  const next = new Map<string, number>();
  for (const [i, key] of b.entries()) {
    if (permutation[i] !== -1) continue;
    const list = places.get(key)!;
    let at = next.get(key) ?? 0;
    while (taken.has(list[at]!)) at++;
    permutation[i] = list[at]!;
    next.set(key, at + 1);
  }
  return { permutation, ambiguous };
}

/**
 * B's order of the group's units, by those that resemble each other most; null when no order brings B close to A.
 * @param most units; assignment takes time as their cube.
 */
export async function byMatch(group: UnitGroup, pairs: readonly TensorPair[], engine: Engine, most: number, signal?: AbortSignal): Promise<Order | null> {
  const { start, stop } = group.members[0]!;
  const units = (stop - start) / group.size;
  if (units < 2 || units > most) return null;
  const matrices = group.members.filter(({ pair }) => pairs[pair]!.shape.length > 1);
  const terms = await Promise.all(matrices.map(async (member) => ({ ...(await sides(member, pairs, signal)), axis: member.axis })));
  const features = terms.reduce((sum, { a, axis }) => sum + shapeOf(a)[1 - axis]! * group.size, 0);
  if (features < FEWEST_FEATURES) return null;
  const { permutation, before, after } = await engine.request("match", { terms, group: group.size }, signal === undefined ? {} : { signal });
  const fall = { before: toNumber(before), after: toNumber(after) };
  if (!(fall.after <= mostLeft(units, features) * fall.before)) return null;
  return { group, permutation, ambiguous: 0, by: "match", changed: group.members.map(() => null), fall };
}

/**
 * The share of the squared distance that an order may leave to be believed. The best of n random directions in d dimensions lies at a
 * cosine of about √(1 − n^(−2/(d−1))), which leaves 1 less that of the distance between unrelated units; half of it is no accident.
 */
export function mostLeft(units: number, features: number): number {
  const cosine = Math.sqrt(1 - units ** (-2 / (features - 1)));
  return Math.min(FALL, (1 - cosine) / 2);
}

export function isIdentity(permutation: readonly number[]): boolean {
  return permutation.every((unit, i) => unit === i);
}

/** The order of single lines, from that of units of `size` lines. */
export function ofLines(permutation: readonly number[], size: number): number[] {
  return size === 1 ? [...permutation] : permutation.flatMap((unit) => Array.from({ length: size }, (_, i) => unit * size + i));
}
