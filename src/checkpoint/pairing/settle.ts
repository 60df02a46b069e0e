/** Which of several arrangements that headers allow is meant: the one under which values agree. */
import type { Expression } from "../../engine/protocol";
import type { Checkpoint, Tensor } from "../checkpoint";
import { expressionOf, type Alternative, type Pairing } from "./pairing";

/** ‖b − a‖/‖a‖ of two expressions of equally many elements. */
export type Probe = (a: Expression, b: Expression) => Promise<number>;

/** Another arrangement takes the place of the likeliest when its difference is at most this share of that one's. */
const CLEARLY_BETTER = 0.7;

/**
 * Ids of rules to prefer when the two are paired again; empty when all were right. Looks at one pair for each arrangement.
 * @param read how the engine reads a whole tensor; null when it cannot.
 */
export async function settledAlternatives(
  { alternatives }: Pairing,
  a: Checkpoint,
  b: Checkpoint,
  probe: Probe,
  read: (tensor: Tensor) => Promise<Expression | null> = ({ expression }) => Promise.resolve(expression),
): Promise<ReadonlySet<string>> {
  const preferred = new Set<string>();
  for (const ways of alternatives) {
    const [taken, ...others] = await Promise.all(ways.map(async (way) => ({ id: way.id, distance: await distanceOf(way, a, b, probe, read) })));
    const best = others.reduce((least, way) => (way.distance < least.distance ? way : least), taken!);
    if (best.distance <= CLEARLY_BETTER * taken!.distance && best !== taken) preferred.add(best.id);
  }
  return preferred;
}

async function distanceOf({ sample }: Alternative, a: Checkpoint, b: Checkpoint, probe: Probe, read: (tensor: Tensor) => Promise<Expression | null>): Promise<number> {
  const [x, y] = [await read(a.tensors[sample.a.tensor]!), await read(b.tensors[sample.b.tensor]!)];
  if (x === null || y === null) return Infinity;
  const distance = await probe(expressionOf(sample.a, x), expressionOf(sample.b, y));
  return Number.isNaN(distance) ? Infinity : distance;
}
