/**
 * Quantisation of signatures by a number of levels, as the authors' code does it: evenly between the smallest and the largest
 * value of a tensor (`linear`), the same for tanh of the values (`tanh`), or for log₂ of their magnitudes with half as many levels
 * for each sign (`log`). Halves are rounded to even. Zeros have no logarithm: they get a code of their own.
 */
import { add, compute, divide, fill, hadamard, map, scale as times, subtract } from "../../checkpoint/adapters/build";
import { CheckpointError } from "../../checkpoint/checkpoint";
import type { Dtype, Expression } from "../../engine/protocol";
import { toNumber } from "../../protocol/results";
import type { Engine } from "../engine";

export const SCHEMES = ["linear", "log", "tanh"] as const;
export interface Scheme {
  name: (typeof SCHEMES)[number];
  levels: number;
}

/** 8 bits. */
export const DEFAULT_LEVELS = 256;
/** Codes, with one for zeros, are 16 bits at most. */
export const MOST_LEVELS = 65_535;
/** tanh rounds to 1 beyond, and 1 is tanh of nothing. */
const LARGEST_FOR_TANH = 18;

/** What the codes of one tensor stand for. */
export interface Scale {
  /** Of the values, their tanh, or log₂ of the magnitudes of those that are not 0. */
  min: number;
  max: number;
  /** Whether a code means 0; of `log` only. */
  zeros: boolean;
}

/** The fewest levels that a scheme can have: two for each sign that it treats apart. */
export function fewestLevels({ name }: Pick<Scheme, "name">): number {
  return name === "log" ? 4 : 2;
}

/**
 * The scale of a tensor's values in several signatures together.
 * @throws CheckpointError without file when the values cannot be quantised; what the engine throws.
 */
export async function measureScale(scheme: Scheme, values: readonly Expression[], engine: Engine, signal?: AbortSignal): Promise<Scale> {
  const options = signal === undefined ? {} : { signal };
  let [min, max, zeros] = [Infinity, -Infinity, false];
  for (const of of values) {
    const { finite, negativeInfinity, nan, positiveInfinity, ...range } = await engine.request("statistics", { tensor: transformed(scheme, of) }, options);
    if (nan + positiveInfinity > 0) throw new CheckpointError("unsupported", "it has values that are not finite, which no level stands for", "");
    zeros ||= negativeInfinity > 0;
    if (finite === 0) continue;
    min = Math.min(min, toNumber(range.min));
    max = Math.max(max, toNumber(range.max));
  }
  if (scheme.name === "tanh" && Math.max(-min, max) >= Math.tanh(LARGEST_FOR_TANH)) throw new CheckpointError("unsupported", `it has values beyond ±${LARGEST_FOR_TANH}, whose tanh is no different from 1; quantise it linearly`, "");
  return min > max ? { min: 0, max: 0, zeros } : { min, max, zeros };
}

/** Values as the scheme spaces its levels. */
function transformed({ name }: Scheme, of: Expression): Expression {
  if (name === "linear") return of;
  return name === "tanh" ? map(of, "tanh") : map(map(of, "absolute"), "logarithm2");
}

/** Levels of one sign. */
function perSign({ name, levels }: Scheme): number {
  return name === "log" ? levels >> 1 : levels;
}

/** The largest code, which is that of zeros where they have one. */
export function largestCode(scheme: Scheme, { zeros }: Pick<Scale, "zeros">): number {
  if (scheme.name !== "log") return scheme.levels - 1;
  return 2 * perSign(scheme) - (zeros ? 0 : 1);
}

/** The narrowest type that holds the codes. */
export function codeType(scheme: Scheme, scale: Pick<Scale, "zeros">): Extract<Dtype, "U8" | "U16"> {
  return largestCode(scheme, scale) <= 255 ? "U8" : "U16";
}

function stepOf(scheme: Scheme, { min, max }: Scale): number {
  return (max - min) / (perSign(scheme) - 1);
}

/** The codes of `values`, which have `shape`. */
export function encoded(scheme: Scheme, scale: Scale, values: Expression, shape: readonly number[]): Expression {
  const all = ofAll(shape);
  const { min, max } = scale;
  const inside = compute({ name: "clamp", low: min, high: max }, transformed(scheme, values));
  const levels = map(divide(subtract(inside, all(min)), all(stepOf(scheme, scale) || 1)), "nearestEven");
  if (scheme.name !== "log") return levels;
  // q for positive values, q + h for negative ones, 2h for zeros: the polynomial in their sign s that passes through the three.
  const h = perSign(scheme);
  const sign = map(values, "sign");
  return add(add(levels, times(hadamard(sign, sign), -1.5 * h)), add(times(sign, -0.5 * h), all(2 * h)));
}

/** The values that `codes` of `shape` stand for. */
export function decoded(scheme: Scheme, scale: Scale, codes: Expression, shape: readonly number[]): Expression {
  const all = ofAll(shape);
  const spaced = (levels: Expression): Expression => add(times(levels, stepOf(scheme, scale)), all(scale.min));
  if (scheme.name === "linear") return spaced(codes);
  if (scheme.name === "tanh") return map(spaced(codes), "inverseTanh");
  const h = perSign(scheme);
  // 1 for codes below, −1 for the others.
  const below = (code: number): Expression => map(subtract(all(code - 0.5), codes), "sign");
  const sign = below(h);
  const levels = add(codes, times(subtract(sign, all(1)), h / 2));
  const signed = hadamard(sign, map(spaced(levels), "exponential2"));
  return scale.zeros ? hadamard(signed, times(add(below(2 * h), all(1)), 0.5)) : signed;
}

/** One value for all elements of `shape`, by broadcasting. */
function ofAll(shape: readonly number[]): (value: number) => Expression {
  return (value) => fill(shape.map(() => 1), value);
}
