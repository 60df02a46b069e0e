/** What is known of the pairs of two models. */
import type { DifferenceResult, SpectrumResult } from "../../engine/protocol";
import type { ComparePart, PairUpdate } from "../../protocol/compare";
import { toNumber, type Structure } from "../../protocol/results";
import { pairNumbers, type PairNumbers, type QuantisedSide } from "./numbers";

export interface PairFacts {
  difference?: DifferenceResult;
  structure?: Structure;
  /** Of B − A. */
  spectrum?: SpectrumResult;
}

/** What numbers of a pair depend on besides its difference. */
export interface PairForm {
  shape: readonly number[];
  quantised?: QuantisedSide;
}

export class KnownPairs {
  readonly #facts = new Map<number, PairFacts>();
  readonly #numbers = new Map<number, PairNumbers>();
  readonly #failures = new Map<number, Map<ComparePart, string>>();

  /** @param form of a pair, by index. */
  constructor(private readonly form: (pair: number) => PairForm) {}

  get(pair: number): PairFacts | undefined {
    return this.#facts.get(pair);
  }

  numbers(pair: number): PairNumbers | undefined {
    const { difference } = this.#facts.get(pair) ?? {};
    if (difference === undefined) return undefined;
    let numbers = this.#numbers.get(pair);
    if (numbers === undefined) {
      const { shape, quantised } = this.form(pair);
      this.#numbers.set(pair, (numbers = pairNumbers(difference, shape, quantised)));
    }
    return numbers;
  }

  add(pair: number, facts: PairFacts): void {
    this.#facts.set(pair, { ...this.#facts.get(pair), ...facts });
    if (facts.difference !== undefined) this.#numbers.delete(pair);
    const failures = this.#failures.get(pair);
    if (failures !== undefined) for (const part of Object.keys(facts) as ComparePart[]) failures.delete(part);
  }

  /** Notes why a part could not be had. */
  fail(pair: number, part: ComparePart, message: string): void {
    let failures = this.#failures.get(pair);
    if (failures === undefined) this.#failures.set(pair, (failures = new Map<ComparePart, string>()));
    failures.set(part, message);
  }

  failures(): { pair: number; part: ComparePart; message: string }[] {
    return [...this.#failures].sort(([x], [y]) => x - y).flatMap(([pair, parts]) => [...parts].map(([part, message]) => ({ pair, part, message })));
  }

  forget(pair: number): void {
    this.#facts.delete(pair);
    this.#numbers.delete(pair);
  }

  /** Pairs about which anything is known, ascending. */
  pairs(): number[] {
    return [...new Set([...this.#facts.keys(), ...this.#failures.keys()])].sort((x, y) => x - y);
  }

  update(pair: number): PairUpdate {
    const { structure, spectrum } = this.#facts.get(pair) ?? {};
    const numbers = this.numbers(pair);
    const failures = [...(this.#failures.get(pair)?.values() ?? [])];
    return {
      pair,
      ...(numbers === undefined ? {} : { numbers }),
      ...(structure === undefined ? {} : { structure }),
      ...(spectrum === undefined
        ? {}
        : { spectrum: { rank: spectrum.matrixRank, stableRank: toNumber(spectrum.stableRank), effectiveRank: toNumber(spectrum.effectiveRank), energyRank99: spectrum.energyRank["0.99"] } }),
      ...(failures.length === 0 ? {} : { failed: failures[0]! }),
    };
  }
}
