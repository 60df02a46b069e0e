/** Pairings as tests say them, and their values by the evaluator of expressions. */
import assert from "node:assert/strict";
import type { Checkpoint } from "../src/checkpoint/checkpoint";
import { LocalFiles } from "../src/checkpoint/file-source";
import { readModelFacts } from "../src/checkpoint/pairing/model-facts";
import { partText } from "../src/checkpoint/pairing/layout";
import { expressionOf, pairTensors, partOfSide, type Pairing, type PairingOptions, type PairSide } from "../src/checkpoint/pairing/pairing";
import type { Probe } from "../src/checkpoint/pairing/settle";
import { openCheckpoint } from "../src/checkpoint/registry";
import { checkpointOf, tensorOf, type Tensors } from "./adapters";
import { evaluate, type Values } from "./expressions";

export interface Paired {
  a: Checkpoint;
  b: Checkpoint;
  pairing: Pairing;
}

/** Two models in files, with what they say of themselves. */
export async function pairFiles(a: string, b: string, options: PairingOptions = {}): Promise<Paired> {
  const sources = new LocalFiles();
  const [x, y] = [await openCheckpoint(a), await openCheckpoint(b)];
  return { a: x, b: y, pairing: pairTensors(x, y, { facts: { a: await readModelFacts(x, sources), b: await readModelFacts(y, sources) }, ...options }) };
}

/** A model of tensors of these shapes, zeros. */
export function model(shapes: Record<string, number[]>): Checkpoint {
  return checkpointOf(Object.fromEntries(Object.entries(shapes).map(([name, shape]): [string, Tensors[string]] => [name, tensorOf(shape, () => 0)])));
}

/** Names of both sides with the part that is paired, and the rule. */
export function described({ a, b, pairing }: Paired): [a: string, b: string, rule: string][] {
  const name = (of: Checkpoint, side: PairSide): string => of.tensors[side.tensor]!.name + partText(partOfSide(side));
  return pairing.pairs.map((pair) => [name(a, pair.a), name(b, pair.b), pair.rule < 0 ? "" : pairing.rules[pair.rule]!.id]);
}

/** ‖b − a‖/‖a‖ by the evaluator. */
export const probe: Probe = (a, b) => {
  const [x, y] = [evaluate(a).data, evaluate(b).data];
  assert.equal(x.length, y.length);
  return Promise.resolve(Math.hypot(...x.map((value, i) => y[i]! - value)) / Math.hypot(...x));
};

/** Rows of a matrix or elements of a vector, by index. */
export function rowsAt({ shape, data }: Values, rows: readonly number[]): Values {
  const width = data.length / shape[0]!;
  return { shape: [rows.length, ...shape.slice(1)], data: Float64Array.from(rows.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)])) };
}

/** One after the other, by rows. */
export function stacked(...of: Values[]): Values {
  return { shape: [of.reduce((sum, { shape }) => sum + shape[0]!, 0), ...of[0]!.shape.slice(1)], data: Float64Array.from(of.flatMap(({ data }) => [...data])) };
}

export function transposed({ shape, data }: Values): Values {
  const [rows, columns] = shape as [number, number];
  return { shape: [columns, rows], data: Float64Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!) };
}

/** Every pair's values are bit-equal, in the pair's shape on A's side. */
export function assertEqualValues({ a, b, pairing }: Paired): void {
  for (const pair of pairing.pairs) {
    const name = a.tensors[pair.a.tensor]!.name;
    const x = evaluate(expressionOf(pair.a, a.tensors[pair.a.tensor]!.expression!));
    const y = evaluate(expressionOf(pair.b, b.tensors[pair.b.tensor]!.expression!));
    assert.deepEqual(x.shape, pair.shape, name);
    assert.ok(x.data.length > 0);
    assert.deepEqual(y.data, x.data, name);
  }
}
