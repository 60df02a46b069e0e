/** A pairing as it crosses to the view. */
import { partText } from "../../checkpoint/pairing/layout";
import { partOfSide, type Pairing } from "../../checkpoint/pairing/pairing";
import type { Checkpoint } from "../../checkpoint/checkpoint";
import type { PairTable } from "../../protocol/compare";

export function pairTableOf({ pairs, onlyInA, onlyInB, reshaped, rules }: Pairing, a: Checkpoint): PairTable {
  const table: PairTable = {
    length: pairs.length,
    a: new Int32Array(pairs.length),
    b: new Int32Array(pairs.length),
    rule: new Int32Array(pairs.length),
    rules: rules.map(({ id, sentence, on }) => ({ id, sentence, on })),
    parts: [],
    shapes: [],
    unreadable: [],
    onlyInA,
    onlyInB,
    reshaped,
  };
  pairs.forEach((pair, i) => {
    table.a[i] = pair.a.tensor;
    table.b[i] = pair.b.tensor;
    table.rule[i] = pair.rule;
    if (pair.a.layout !== undefined || pair.b.layout !== undefined) {
      const [ofA, ofB] = [partText(partOfSide(pair.a)), partText(partOfSide(pair.b))];
      if (ofA !== "" || ofB !== "") table.parts.push([i, { a: ofA, b: ofB }]);
    }
    const { shape } = a.tensors[pair.a.tensor]!;
    if (pair.shape !== shape && !(pair.shape.length === shape.length && pair.shape.every((length, axis) => length === shape[axis]))) table.shapes.push([i, [...pair.shape]]);
    if (pair.unreadable !== undefined) table.unreadable.push([i, pair.unreadable]);
  });
  return table;
}
