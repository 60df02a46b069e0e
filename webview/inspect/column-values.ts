/** Columns as flat arrays, filled as results arrive, so that half a million tensors sort and combine in milliseconds. */
import type { CachedResult } from "../../src/protocol/inspect";
import { toNumber } from "../../src/protocol/results";
import type { TableRow } from "../../src/protocol/tensor-table";
import { combineNumbers } from "../tree/combine";
import { parametersOf, type Column } from "./columns";

/** A group's number and of how many of its tensors it is made; `known` < `total` while results are still arriving. */
export interface Combined {
  /** NaN when nothing is known or the tensors have no such number. */
  value: number;
  known: number;
  total: number;
}

export class ColumnValues {
  readonly #rows: readonly TableRow[];
  readonly #results: ReadonlyMap<number, CachedResult>;
  readonly #numbers = new Map<string, Float64Array>();
  readonly #columns = new Map<string, Column>();
  #weights: Float64Array | undefined;

  /** `results` is read when a column is first asked for, and again for the tensors that `update` names. */
  constructor(rows: readonly TableRow[], results: ReadonlyMap<number, CachedResult>) {
    this.#rows = rows;
    this.#results = results;
  }

  /** One number per tensor; NaN where there is none (yet). */
  numbers(column: Column): Float64Array {
    let numbers = this.#numbers.get(column.id);
    if (numbers === undefined) {
      numbers = new Float64Array(this.#rows.length).fill(NaN);
      this.#numbers.set(column.id, numbers);
      this.#columns.set(column.id, column);
      if (column.part === "structure") for (let i = 0; i < numbers.length; i++) this.#read(column, numbers, i);
      else for (const tensor of this.#results.keys()) this.#read(column, numbers, tensor);
    }
    return numbers;
  }

  /** Takes up what `results` now says about `tensors`. */
  update(tensors: Iterable<number>): void {
    for (const tensor of tensors) {
      for (const [id, numbers] of this.#numbers) {
        const column = this.#columns.get(id)!;
        if (column.part !== "structure") this.#read(column, numbers, tensor);
      }
    }
  }

  /** True when the part of `column` has been computed for the tensor, whether or not it gave a number. */
  isKnown(column: Column, tensor: number): boolean {
    return column.part === "structure" || this.#results.get(tensor)?.[column.part] !== undefined;
  }

  /** The number of a group of tensors, as `column.combine` says. */
  combine(column: Column, tensors: readonly number[]): Combined {
    const numbers = this.numbers(column);
    return { ...combineNumbers(column.combine, tensors, numbers, this.#parameters()), total: tensors.length };
  }

  #parameters(): Float64Array {
    return (this.#weights ??= Float64Array.from(this.#rows, (row) => parametersOf(row.shape)));
  }

  #read(column: Column, numbers: Float64Array, tensor: number): void {
    const row = this.#rows[tensor];
    if (row === undefined) return;
    const value = column.value(row, this.#results.get(tensor));
    numbers[tensor] = value === null ? NaN : toNumber(value);
  }
}
