/** Tensors of one name. */
import type { Side, Sides } from "./sides";

/** Pairs tensors of equal name; the names of tied tensors count, also those that a file leaves out. */
export function pairByName(sides: Sides): void {
  const { a, b } = sides;
  // Two versions of one model: nothing has to be looked up.
  if (sameKeys(a, b)) {
    for (const i of a.open()) if (b.settled[i] === 0) sides.join(i, i, -1);
    if (sides.done) return;
  }
  const names = b.byKey();
  for (const i of a.open()) {
    const j = names.get(a.keys[i]!);
    if (j === undefined || j === null || b.settled[j] === 1) continue;
    sides.join(i, j, -1);
  }
  if (a.left > 0) pairTied(sides, a, b, (own, other, rule) => sides.join(own, other, rule));
  if (b.left > 0) pairTied(sides, b, a, (own, other, rule) => sides.join(other, own, rule));
}

/** Whether both list the same names in the same order. */
function sameKeys(a: Side, b: Side): boolean {
  return a.keys.length === b.keys.length && a.keys.every((key, i) => key === b.keys[i]);
}

/**
 * Open tensors of `own` that are tied to another name, or whose name the other side's file only mentions as tied. Their partner may
 * have one already: the bytes are the same.
 */
function pairTied(sides: Sides, own: Side, other: Side, join: (own: number, other: number, rule: number) => void): void {
  const aliases = new Map<string, number>();
  other.tensors.forEach(({ sharedWith }, i) => {
    for (const name of sharedWith ?? []) if (!aliases.has(name)) aliases.set(name, i);
  });
  let names: Map<string, number> | undefined;
  for (const i of own.open()) {
    const { name, sharedWith = [] } = own.tensors[i]!;
    const mentioned = aliases.get(name);
    if (mentioned !== undefined) join(i, mentioned, -1);
    else if (sharedWith.length > 0) {
      names ??= new Map(other.tensors.map((tensor, j): [string, number] => [tensor.name, j]));
      const tied = sharedWith.find((alias) => names!.has(alias));
      if (tied !== undefined && !sides.isOff("tied")) join(i, names.get(tied)!, sides.rule("tied", "A tensor tied to another stands for it"));
    }
  }
}
