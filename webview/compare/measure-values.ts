/** Measures as flat arrays, filled as results arrive, so that half a million pairs sort and combine in milliseconds. */
import type { PairUpdate } from "../../src/protocol/compare";
import { toNumber } from "../../src/protocol/results";
import { combineNumbers } from "../tree/combine";
import type { Entry } from "./entries";
import { measureById, parametersOf, type Measure } from "./measures";

/** A group's number and of how many of its pairs it is made. */
export interface Combined {
  /** NaN when nothing is known or no pair has such a number. */
  value: number;
  known: number;
  total: number;
}

export class MeasureValues {
  readonly #numbers = new Map<Measure, Float64Array>();
  #weights: Float64Array | undefined;

  /** `results` is read when a measure is first asked for, and again for the pairs that `update` names. */
  constructor(private readonly entries: readonly Entry[], private readonly results: ReadonlyMap<number, PairUpdate>) {}

  /** One number per entry; NaN where there is none (yet). */
  numbers(measure: Measure): Float64Array {
    let numbers = this.#numbers.get(measure);
    if (numbers === undefined) {
      numbers = new Float64Array(this.entries.length).fill(NaN);
      this.#numbers.set(measure, numbers);
      if (measure.part === "shape") for (let i = 0; i < numbers.length; i++) this.#read(measure, numbers, i);
      else for (const pair of this.results.keys()) this.#read(measure, numbers, pair);
    }
    return numbers;
  }

  /** Takes up what `results` now says about `pairs`. */
  update(pairs: Iterable<number>): void {
    for (const pair of pairs) for (const [measure, numbers] of this.#numbers) if (measure.part !== "shape") this.#read(measure, numbers, pair);
  }

  /** The number of a group of entries, as `measure.combine` says. */
  combine(measure: Measure, entries: readonly number[]): Combined {
    const total = entries.length;
    if (entries.length === 1) {
      const value = this.numbers(measure)[entries[0]!]!;
      return { value, known: Number.isNaN(value) ? 0 : 1, total };
    }
    switch (measure.combine) {
      case "relative":
      case "cosine":
      case "sqnr": return { ...this.#fromNorms(measure.combine, measure, entries), total };
      default: return { ...combineNumbers(measure.combine, entries, this.numbers(measure), this.#parameters()), total };
    }
  }

  /** Of all pairs as if they were one: from Σ‖Δ‖², Σ‖A‖², Σ‖B‖² and Σ⟨A, B⟩. */
  #fromNorms(what: "relative" | "cosine" | "sqnr", measure: Measure, entries: readonly number[]): { value: number; known: number } {
    const [delta, a, b, cosine] = (["norm", "normA", "normB", "cosine"] as const).map((id) => this.numbers(measureById(id)!)) as [Float64Array, Float64Array, Float64Array, Float64Array];
    const own = this.numbers(measure);
    let known = 0;
    let [squaresOfDelta, squaresOfA, squaresOfB, dot, signal] = [0, 0, 0, 0, 0];
    for (const entry of entries) {
      if (what === "sqnr" ? Number.isNaN(own[entry]!) : Number.isNaN(delta[entry]!)) continue;
      known++;
      squaresOfDelta += delta[entry]! ** 2;
      squaresOfA += a[entry]! ** 2;
      squaresOfB += b[entry]! ** 2;
      // Either side may be the quantised one: the ratio tells the signal, unless there is no noise at all.
      if (what === "sqnr") signal += delta[entry] === 0 ? a[entry]! ** 2 : delta[entry]! ** 2 * 10 ** (own[entry]! / 10);
      // A cosine with nothing but zeros has no value, and its product is 0.
      dot += (Number.isNaN(cosine[entry]!) ? 0 : cosine[entry]!) * a[entry]! * b[entry]!;
    }
    if (known === 0) return { value: NaN, known };
    switch (what) {
      case "relative": return { value: squaresOfDelta === 0 ? 0 : Math.sqrt(squaresOfDelta / squaresOfA), known };
      case "cosine": return { value: squaresOfDelta === 0 ? 1 : squaresOfA > 0 && squaresOfB > 0 ? Math.min(1, dot / Math.sqrt(squaresOfA * squaresOfB)) : NaN, known };
      case "sqnr": return { value: 10 * Math.log10(signal / squaresOfDelta), known };
    }
  }

  #parameters(): Float64Array {
    return (this.#weights ??= Float64Array.from(this.entries, ({ shape }) => parametersOf(shape)));
  }

  #read(measure: Measure, numbers: Float64Array, entry: number): void {
    const of = this.entries[entry];
    if (of === undefined) return;
    const value = measure.value(of, this.results.get(entry));
    numbers[entry] = value === null ? NaN : toNumber(value);
  }
}
