/** The two sides while they are being paired: what each tensor is called by now, and what is still without a partner. */
import type { Checkpoint, Tensor } from "../checkpoint";
import { laidOutShape, type Layout } from "./layout";
import type { Alternative, AppliedRule, PairSide, TensorPair } from "./pairing";

/** One model. */
export class Side {
  readonly tensors: readonly Tensor[];
  /** Of each tensor the name under which its partner is looked for; rules rewrite it. */
  readonly keys: string[];
  /** Tensors that have a partner or are settled otherwise. */
  readonly settled: Uint8Array;
  left: number;
  #byKey: { left: number; found: Map<string, number | null> } | undefined;
  /** How tensors are stored here that the other side stores otherwise; added to the layout of every pair. */
  readonly conventions = new Map<number, Layout>();
  /** Why a tensor cannot be compared with one of the other side. */
  readonly refusals = new Map<number, string>();

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
  open(): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.settled.length; i++) if (this.settled[i] === 0) found.push(i);
    return found;
  }

  rename(tensor: number, key: string): void {
    this.keys[tensor] = key;
    this.#byKey = undefined;
  }

  /** `layout` with what is the convention for the tensor. */
  laidOut(tensor: number, layout?: Layout): Layout | undefined {
    const convention = this.conventions.get(tensor);
    return convention === undefined ? layout : { ...convention, ...layout };
  }

  /** The tensor's shape by its convention. */
  shapeOf(tensor: number): readonly number[] {
    return laidOutShape(this.tensors[tensor]!.shape, this.conventions.get(tensor));
  }

  /** The open tensors by key; null where two have the same. */
  byKey(): ReadonlyMap<string, number | null> {
    if (this.#byKey?.left === this.left) return this.#byKey.found;
    const found = new Map<string, number | null>();
    let before = 0;
    for (const i of this.open()) {
      found.set(this.keys[i]!, i);
      // The size stays when the key was there.
      if (found.size === before) found.set(this.keys[i]!, null);
      else before++;
    }
    this.#byKey = { left: this.left, found };
    return found;
  }
}

/** Both models, and what has been found. */
export class Sides {
  readonly a: Side;
  readonly b: Side;
  readonly pairs: TensorPair[] = [];
  readonly reshaped: [number, number][] = [];
  /** Tensors that the user took out of the pairing. */
  readonly leftOut: { a: number[]; b: number[] } = { a: [], b: [] };
  readonly rules: AppliedRule[] = [];
  /** Groups of rules of which the first was taken though headers allow the others. */
  readonly alternatives: Alternative[][] = [];

  constructor(a: Checkpoint, b: Checkpoint, private readonly off: ReadonlySet<string> = new Set(), readonly preferred: ReadonlySet<string> = new Set()) {
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

  /**
   * The one of several ways that is taken: that which is preferred, else the first that is not off. Those that are off are listed.
   * @param sample of a way, a pair as it would make it; asked for when there is a choice.
   */
  choose<T extends { id: string; sentence: string }>(ways: readonly T[], sample: (way: T) => Alternative["sample"]): T | undefined {
    const allowed = ways.filter(({ id, sentence }) => {
      if (this.off.has(id)) this.rule(id, sentence);
      return !this.off.has(id);
    });
    const chosen = allowed.find(({ id }) => this.preferred.has(id)) ?? allowed[0];
    if (chosen === undefined || allowed.length === 1 || this.alternatives.some((known) => known[0]!.id === chosen.id && known.length === allowed.length)) return chosen;
    const ordered = [chosen, ...allowed.filter((way) => way !== chosen)];
    this.alternatives.push(ordered.map((way) => ({ id: way.id, sentence: way.sentence, sample: sample(way) })));
    return chosen;
  }

  /** Pairs open tensors of equal keys. `rule` is asked for once there are some. */
  joinEqualKeys(rule: () => number): void {
    const names = this.b.byKey();
    let index: number | undefined;
    const taken = new Set<number>();
    const own = this.a.open();
    const doubled = new Set<number>();
    for (const i of own) {
      const j = names.get(this.a.keys[i]!);
      if (typeof j === "number") (taken.has(j) ? doubled : taken).add(j);
    }
    for (const i of own) {
      const j = names.get(this.a.keys[i]!);
      if (typeof j !== "number" || doubled.has(j)) continue;
      index ??= rule();
      this.join(i, j, index);
    }
  }

  /** Pairs two tensors, or lists them as reshaped when their shapes do not fit; both are settled. */
  join(a: number, b: number, rule: number, layoutA?: Layout, layoutB?: Layout): void {
    const [x, y] = [this.a.tensors[a]!.shape, this.b.tensors[b]!.shape];
    if (comparable(laidOutShape(x, this.a.laidOut(a, layoutA)), laidOutShape(y, this.b.laidOut(b, layoutB)))) this.pair(a, b, rule, layoutA, layoutB);
    else this.reshaped.push([a, b]);
    this.a.settle(a);
    this.b.settle(b);
  }

  /** A tensor that is to have no partner. */
  leaveOut(side: Side, tensor: number): void {
    if (side.settled[tensor] === 1) return;
    (side === this.a ? this.leftOut.a : this.leftOut.b).push(tensor);
    side.settle(tensor);
  }

  /** Both sides of a pair with their conventions. */
  described(a: number, b: number, layoutA?: Layout, layoutB?: Layout): Alternative["sample"] {
    const [ownA, ownB] = [this.a.laidOut(a, layoutA), this.b.laidOut(b, layoutB)];
    return {
      a: ownA === undefined ? { tensor: a } : { tensor: a, layout: ownA },
      b: ownB === undefined ? { tensor: b } : { tensor: b, layout: ownB },
      shape: laidOutShape(this.a.tensors[a]!.shape, ownA),
    };
  }

  /** Adds a pair of equally many elements; settles neither. */
  pair(a: number, b: number, rule: number, layoutA?: Layout, layoutB?: Layout): void {
    const [x, y] = [this.a.tensors[a]!, this.b.tensors[b]!];
    const retyped = x.dtype !== y.dtype;
    const why = unreadable(x) ?? unreadable(y) ?? this.a.refusals.get(a) ?? this.b.refusals.get(b);
    const plain = layoutA === undefined && layoutB === undefined && this.a.conventions.size + this.b.conventions.size === 0;
    // Half a million pairs are made here: no object more than it takes.
    const own: PairSide = { tensor: a };
    const { a: sideA, b: sideB, shape } = plain ? { a: own, b: a === b ? own : { tensor: b }, shape: x.shape } : this.described(a, b, layoutA, layoutB);
    const pair: TensorPair = { a: sideA, b: sideB, shape, rule, retyped };
    if (why !== undefined) pair.unreadable = why;
    else if (sameBytes(x, y) && (plain || sameLayout(sideA.layout, sideB.layout))) pair.same = true;
    this.pairs.push(pair);
    if (rule >= 0) this.rules[rule]!.pairs++;
  }
}

/** Why a tensor's values cannot be compared. */
function unreadable({ expression, load, unreadable: why }: Tensor): string | undefined {
  return expression !== null || load !== undefined ? undefined : (why ?? "its values cannot be decoded");
}

/** Whether two tensors are the same stored elements: one object, or one range of one file. */
function sameBytes(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  const [x, y] = [a.expression, b.expression];
  if (x === null || y === null) return false;
  if (x.kind === "range") return y.kind === "range" && sameRange(x, y) && x.dtype === y.dtype && x.order === y.order;
  return x.kind === "blocks" && y.kind === "blocks" && sameRange(x, y) && x.type === y.type;
}

interface Range {
  file: string;
  offset: number;
  bytes: number;
  shape: number[];
}
function sameRange(a: Range, b: Range): boolean {
  return a.offset === b.offset && a.bytes === b.bytes && a.file === b.file && sameShape(a.shape, b.shape);
}

function sameLayout(a: Layout | undefined, b: Layout | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
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
