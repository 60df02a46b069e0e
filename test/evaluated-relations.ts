/** Differences, relations, orders of lines: the engine's answers on small tensors, element by element, from the independent evaluator. */
import { createHash } from "node:crypto";
import type { DifferenceParams, DifferenceResult, LineHashesParams, LineHashesResult, MatchParams, MatchResult, RelationsParams, RelationsResult, ResidualParams, ResidualResult } from "../src/engine/protocol";
import { evaluate, type Values } from "./expressions";

const how = { method: "element by element", precision: "f64", exact: true, backend: "cpu", threads: 1 };

function base64(values: Float64Array | Uint32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, x, i) => sum + (Number.isFinite(x) && Number.isFinite(b[i]) ? x * b[i]! : 0), 0);
}

export function difference({ a: first, b: second, tolerance = 0, detail }: DifferenceParams): DifferenceResult {
  const [a, b] = [evaluate(first).data, evaluate(second).data];
  const side = (of: Float64Array): DifferenceResult["a"] => ({
    l2: Math.sqrt(of.reduce((sum, x, i) => sum + (Number.isFinite(a[i]) && Number.isFinite(b[i]) ? x * x : 0), 0)),
    nan: of.filter(Number.isNaN).length, positiveInfinity: of.filter((x) => x === Infinity).length, negativeInfinity: of.filter((x) => x === -Infinity).length,
  });
  const finite = [...a.keys()].filter((i) => Number.isFinite(a[i]) && Number.isFinite(b[i]));
  const change = (i: number): number => b[i]! - a[i]!;
  const largest = finite.reduce((most, i) => Math.max(most, Math.abs(change(i))), 0);
  const differs = (i: number): boolean => !Object.is(a[i], b[i]);
  const result: DifferenceResult = {
    count: a.length, compared: finite.length, a: side(a), b: side(b),
    norm: Math.sqrt(finite.reduce((sum, i) => sum + change(i) ** 2, 0)), dot: dot(a, b), sumAbs: finite.reduce((sum, i) => sum + Math.abs(change(i)), 0),
    maxAbs: largest, maxAt: finite.find((i) => Math.abs(change(i)) === largest) ?? null,
    differing: [...a.keys()].filter(differs).length,
    beyond: finite.filter((i) => Math.abs(change(i)) > tolerance * Math.max(Math.abs(a[i]!), Math.abs(b[i]!))).length,
    signFlips: finite.filter((i) => a[i]! * b[i]! < 0).length, how,
  };
  if (detail === undefined) return result;
  const columns = a.length / detail.rows;
  const lines = (count: number, at: (i: number) => number): NonNullable<DifferenceResult["rows"]> => {
    const [squares, reference, differing] = [new Float64Array(count), new Float64Array(count), new Uint32Array(count)];
    for (const i of finite) {
      squares[at(i)]! += change(i) ** 2;
      reference[at(i)]! += a[i]! ** 2;
    }
    for (const i of a.keys()) if (differs(i)) differing[at(i)]!++;
    return { count, squares: base64(squares), reference: base64(reference), differing: base64(differing) };
  };
  return { ...result, rows: lines(detail.rows, (i) => Math.floor(i / columns)), columns: lines(columns, (i) => i % columns) };
}

export function relations({ tensors, base }: RelationsParams): RelationsResult {
  const origin = base === undefined ? undefined : evaluate(base).data;
  const tau = tensors.map((tensor) => evaluate(tensor).data.map((x, i) => x - (origin?.[i] ?? 0)));
  const pairs = <T>(of: (a: Float64Array, b: Float64Array) => T): T[][] => tau.map((a) => tau.map((b) => of(a, b)));
  const signs: [number, number] = [0, 0];
  for (const i of tau[0]!.keys()) {
    const changed = tau.map((each) => Math.sign(each[i]!)).filter((sign) => sign !== 0);
    if (changed.length > 1) signs[changed.some((sign) => sign !== changed[0]) ? 1 : 0]++;
  }
  return {
    count: tau[0]!.length, compared: tau[0]!.length, gram: pairs(dot), changed: tau.map((each) => each.filter((x) => x !== 0).length),
    bothChanged: pairs((a, b) => a.filter((x, i) => x !== 0 && b[i] !== 0).length), conflicts: pairs((a, b) => a.filter((x, i) => x * b[i]! < 0).length), signs, how,
  };
}

export function residual({ target, terms, coefficients }: ResidualParams): ResidualResult {
  const wanted = evaluate(target).data;
  const of = terms.map((term) => evaluate(term).data);
  const rest = wanted.map((x, i) => of.reduce((sum, term, t) => sum - coefficients[t]! * term[i]!, x));
  return { count: rest.length, compared: rest.length, norm: Math.sqrt(dot(rest, rest)), targetNorm: Math.sqrt(dot(wanted, wanted)), dots: of.map((term) => dot(rest, term)), how };
}

/** The elements of each group of lines. */
function groups(of: Values, axis: 0 | 1, size: number): Float64Array[] {
  const [rows = 1, ...rest] = of.shape;
  const columns = rest.reduce((product, length) => product * length, 1);
  const count = (axis === 0 ? rows : columns) / size;
  return Array.from({ length: count }, (_, unit) => of.data.filter((_, i) => Math.floor((axis === 0 ? Math.floor(i / columns) : i % columns) / size) === unit));
}

export function lineHashes({ tensor, axis, group }: LineHashesParams): LineHashesResult {
  const units = groups(evaluate(tensor), axis, group);
  return { count: units.length, hashes: Buffer.concat(units.map((unit) => createHash("sha256").update(new Uint8Array(unit.buffer, unit.byteOffset, unit.byteLength)).digest().subarray(0, 8))).toString("base64") };
}

export function match({ terms, group }: MatchParams): MatchResult {
  const of = terms.map(({ a, b, axis }) => ({ a: groups(evaluate(a), axis, group), b: groups(evaluate(b), axis, group) }));
  const { length } = of[0]!.a;
  const gain = Array.from({ length }, (_, i) => Array.from({ length }, (_, j) => of.reduce((sum, { a, b }) => sum + dot(b[i]!, a[j]!), 0)));
  const permutation = assignment(gain);
  const distance = (order: (i: number) => number): number => of.reduce((sum, { a, b }) => sum + b.reduce((inner, unit, i) => inner + unit.reduce((s, x, k) => s + (x - a[order(i)]![k]!) ** 2, 0), 0), 0);
  return { permutation, before: distance((i) => i), after: distance((i) => permutation[i]!), how };
}

/** The column of each row by which the sum is largest: the Hungarian method with potentials. */
export function assignment(gain: number[][]): number[] {
  const n = gain.length;
  const [u, v] = [new Array<number>(n + 1).fill(0), new Array<number>(n + 1).fill(0)];
  const rowOf = new Array<number>(n + 1).fill(0);
  for (let row = 1; row <= n; row++) {
    rowOf[0] = row;
    let column = 0;
    const least = new Array<number>(n + 1).fill(Infinity);
    const from = new Array<number>(n + 1).fill(0);
    const done = new Array<boolean>(n + 1).fill(false);
    do {
      done[column] = true;
      let [delta, next] = [Infinity, 0];
      for (let j = 1; j <= n; j++) {
        if (done[j]) continue;
        const reduced = -gain[rowOf[column]! - 1]![j - 1]! - u[rowOf[column]!]! - v[j]!;
        if (reduced < least[j]!) [least[j], from[j]] = [reduced, column];
        if (least[j]! < delta) [delta, next] = [least[j]!, j];
      }
      for (let j = 0; j <= n; j++) {
        if (done[j]) {
          u[rowOf[j]!]! += delta;
          v[j]! -= delta;
        } else least[j]! -= delta;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      rowOf[column] = rowOf[from[column]!]!;
      column = from[column]!;
    }
  }
  const answer = new Array<number>(n);
  for (let j = 1; j <= n; j++) answer[rowOf[j]! - 1] = j - 1;
  return answer;
}
