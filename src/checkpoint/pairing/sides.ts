/** The two sides while they are being paired: what each tensor is called by now, and what is still without a partner. */
import type { Checkpoint, Tensor } from "../checkpoint";
import { laidOutShape, type Layout } from "./layout";
import type { AppliedRule, TensorPair } from "./pairing";

/** One model. */
export class Side {
  readonly tensors: readonly Tensor[];
  /** Of each tensor the name under which its partner is looked for; rules rewrite it. */
  readonly keys: string[];
  /** Tensors that have a partner or are settled otherwise. */
  readonly settled: Uint8Array;
  left: number;

  constructor(readonly checkpoint: Checkpoint) {
    this.tensors = checkpoint.tensors;
    this.keys = this.tensors.map(({ name }) => name);
    this.settled = new Uint8Array(this.tensors.length);
    this.left = this.tensors.length;
  }

  settle(tensor: number): void {
    if (this.settled[tensor] === 1) return;
    this.settled[tensor] = 1;
    this.left--;
  }

  /** Indices of the tensors without a partner, in file order. */
  *open(): Generator<number> {
    for (let i = 0; i < this.settled.length; i++) if (this.settled[i] === 0) yield i;
  }

  /** The open tensors by key; null where two have the same. */
  byKey(): Map<string, number | null> {
    const found = new Map<string, number | null>();
    for (const i of this.open()) {
      const key = this.keys[i]!;
      found.set(key, found.has(key) ? null : i);
    }
    return found;
  }
}

/** Both models, and what has been found. */
export class Sides {
  readonly a: Side;
  readonly b: Side;
  readonly pairs: TensorPair[] = [];
  readonly reshaped: [number, number][] = [];
  /** Tensors of A that the user took out of the pairing. */
  readonly refused: number[] = [];
  readonly rules: AppliedRule[] = [];

  constructor(a: Checkpoint, b: Checkpoint, private readonly off: ReadonlySet<string>) {
    this.a = new Side(a);
    this.b = new Side(b);
  }

  get done(): boolean {
    return this.a.left === 0 || this.b.left === 0;
  }

  isOff(id: string): boolean {
    return this.off.has(id);
  }

  /** The index of a rule, entered with its sentence when it is new. */
  rule(id: string, sentence: string): number {
    const known = this.rules.findIndex((rule) => rule.id === id);
    if (known >= 0) return known;
    return this.rules.push({ id, sentence, on: !this.off.has(id), pairs: 0 }) - 1;
  }

  /** Pairs two tensors, or lists them as reshaped when their shapes do not fit; both are settled. */
  join(a: number, b: number, rule: number, layoutA?: Layout, layoutB?: Layout): void {
    const [x, y] = [this.a.tensors[a]!, this.b.tensors[b]!];
    const shape = laidOutShape(x.shape, layoutA);
    if (comparable(shape, laidOutShape(y.shape, layoutB))) this.pair(a, b, rule, shape, layoutA, layoutB);
    else this.reshaped.push([a, b]);
    this.a.settle(a);
    this.b.settle(b);
  }

  /** A tensor of A that is to have no partner. */
  refuse(a: number): void {
    this.refused.push(a);
    this.a.settle(a);
  }

  /** Adds a pair of equally many elements; settles neither. */
  pair(a: number, b: number, rule: number, shape: readonly number[], layoutA?: Layout, layoutB?: Layout): void {
    const [x, y] = [this.a.tensors[a]!, this.b.tensors[b]!];
    const why = unreadable(x) ?? unreadable(y);
    this.pairs.push({
      a: layoutA === undefined ? { tensor: a } : { tensor: a, layout: layoutA },
      b: layoutB === undefined ? { tensor: b } : { tensor: b, layout: layoutB },
      shape,
      rule,
      retyped: x.dtype !== y.dtype,
      ...(why === undefined ? {} : { unreadable: why }),
    });
    if (rule >= 0) this.rules[rule]!.pairs++;
  }
}

/** Why a tensor's values cannot be compared. */
function unreadable({ expression, load, unreadable: why }: Tensor): string | undefined {
  return expression !== null || load !== undefined ? undefined : (why ?? "its values cannot be decoded");
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Equal but for axes of length 1: the elements follow one another in the same order. */
export function comparable(a: readonly number[], b: readonly number[]): boolean {
  if (sameShape(a, b)) return true;
  const long = (length: number): boolean => length !== 1;
  return sameShape(a.filter(long), b.filter(long));
}
