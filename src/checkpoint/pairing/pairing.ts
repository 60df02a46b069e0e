/**
 * Which tensor of one model belongs to which of another, from headers alone: by equal name, else by rules that are stated and can
 * be switched off one by one. Nothing is hidden: what has no partner, or one of another shape, is listed.
 */
import type { Expression } from "../../engine/protocol";
import type { PairingRule } from "../../protocol/compare";
import type { TensorPart } from "../../protocol/results";
import type { Checkpoint } from "../checkpoint";
import { laidOut, partOf, type Layout } from "./layout";
import { pairByName } from "./equal-names";
import { pairExperts } from "./experts";
import { pairFused } from "./fused";
import { pairWithGguf } from "./gguf";
import { pairMapped } from "./mapped";
import type { Mapping } from "./mapping";
import type { ModelFacts } from "./model-facts";
import { pairByPrefix } from "./prefixes";
import { Sides, type Side } from "./sides";
import { leaveOutWrappers } from "./wrappers";

/** One side of a pair. */
export interface PairSide {
  /** Index into the checkpoint's tensors. */
  tensor: number;
  /** What of it, in which order; absent for all of it as it is stored. */
  layout?: Layout;
}

export interface TensorPair {
  a: PairSide;
  b: PairSide;
  /** A's shape, or that of the part which is paired. B's has equally many elements in the same order. Not to be modified. */
  shape: readonly number[];
  /** Index into `Pairing.rules`; −1 for equal names. */
  rule: number;
  /** The two have different dtypes. */
  retyped: boolean;
  /** Why it cannot be compared. */
  unreadable?: string;
  /** Both sides are the same bytes of one file in the same order: equal without being read. */
  same?: true;
}

export interface AppliedRule extends PairingRule {
  /** How many pairs it made. */
  pairs: number;
}

export interface Pairing {
  /** In A's order; parts of one tensor of A follow one another. */
  pairs: TensorPair[];
  /** Tensors without a partner, in file order. */
  onlyInA: number[];
  onlyInB: number[];
  /** Of one name, or paired by rule, but of shapes that cannot be compared. */
  reshaped: [number, number][];
  /** Those that paired something, and those that would but are off. */
  rules: AppliedRule[];
  /**
   * Rules of which headers allow more than one (how a fused tensor holds its parts): the first was taken. Switching that off, or
   * preferring another, takes the other; `settle.ts` finds out by values.
   */
  alternatives: Alternative[][];
}

export interface Alternative {
  /** Of the rule. */
  id: string;
  sentence: string;
  /** One pair as this rule would make it. */
  sample: Pick<TensorPair, "a" | "b" | "shape">;
}

export interface PairingOptions {
  /** Ids of rules that are not to be applied. */
  off?: ReadonlySet<string>;
  /** Ids of rules that are taken where there are alternatives. */
  preferred?: ReadonlySet<string>;
  /** What the user's mapping file says; it comes first, after what was paired by hand. */
  map?: Mapping;
  /** What the models say of their attention heads, where they do. */
  facts?: { a?: ModelFacts; b?: ModelFacts };
  /** Pairs made by hand, indices of A's and B's tensors; null: the tensor of A has no partner. */
  chosen?: readonly (readonly [number, number | null])[];
}

/**
 * Pairs the tensors of two models. Takes time proportional to their number.
 * @throws CheckpointError when the mapping file does not fit the models.
 */
export function pairTensors(a: Checkpoint, b: Checkpoint, { off = new Set(), preferred = new Set(), map, facts = {}, chosen = [] }: PairingOptions = {}): Pairing {
  const sides = new Sides(a, b, new Set([...off, ...(map?.off ?? [])]), new Set([...preferred, ...(map?.prefer ?? [])]));
  pairChosen(sides, chosen);
  if (map !== undefined) pairMapped(sides, map);
  pairByName(sides);
  leaveOutWrappers(sides);
  pairByPrefix(sides);
  pairWithGguf(sides, facts.a ?? {}, facts.b ?? {});
  if (!sides.done) pairExperts(sides);
  if (!sides.done) pairFused(sides, facts.a ?? {}, facts.b ?? {});
  sides.pairs.sort((x, y) => x.a.tensor - y.a.tensor || x.b.tensor - y.b.tensor);
  const { pairs, leftOut, reshaped, rules, alternatives } = sides;
  const without = (side: Side, others: number[]): number[] => [...side.open(), ...others].sort((x, y) => x - y);
  return { pairs, onlyInA: without(sides.a, leftOut.a), onlyInB: without(sides.b, leftOut.b), reshaped, rules, alternatives };
}

function pairChosen(sides: Sides, chosen: readonly (readonly [number, number | null])[]): void {
  for (const [a, b] of chosen) {
    if (b === null) sides.leaveOut(sides.a, a);
    else sides.join(a, b, sides.rule("chosen", "Paired by hand"));
  }
}

/** How the engine reads a side, given how it reads the whole tensor. */
export function expressionOf({ layout }: PairSide, tensor: Expression): Expression {
  return laidOut(tensor, layout);
}

/** What of the tensor a side is; undefined for all of it. */
export function partOfSide({ layout }: PairSide): TensorPart | undefined {
  return partOf(layout);
}

/** Every pairing that was not by equal name, as the command line prints it. */
export function mappingOf({ pairs, rules }: Pairing, a: Checkpoint, b: Checkpoint): { rule: string; from: string; to: string }[] {
  return pairs
    .filter(({ rule }) => rule >= 0)
    .map(({ rule, ...pair }) => ({ rule: rules[rule]!.id, from: a.tensors[pair.a.tensor]!.name, to: b.tensors[pair.b.tensor]!.name }));
}
