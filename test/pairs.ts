/** Pairings as tests say them, and their values by the evaluator of expressions. */
import assert from "node:assert/strict";
import type { Checkpoint } from "../src/checkpoint/checkpoint";
import { LocalFiles } from "../src/checkpoint/file-source";
import { readModelFacts } from "../src/checkpoint/pairing/model-facts";
import { partText } from "../src/checkpoint/pairing/layout";
import { expressionOf, pairTensors, partOfSide, type Pairing, type PairingOptions, type PairSide } from "../src/checkpoint/pairing/pairing";
import { openCheckpoint } from "../src/checkpoint/registry";
import { checkpointOf, tensorOf, type Tensors } from "./adapters";
import { evaluate } from "./expressions";

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
