/** Which tensors belong to one block, so that its units (hidden neurons, attention heads) lie in all of them in one order. */
import { kindOf, modulePath, type TensorKind } from "../../checkpoint/structure";
import type { AttentionHeads } from "../../protocol/compare";
import type { TensorPair } from "./pairs";

/** A tensor, or a run of its rows, that holds the units of a block as lines. */
export interface Member {
  pair: number;
  /** Of the matrix view: 0 when units are rows. */
  axis: 0 | 1;
  /** The run of lines, when it is not all of them. */
  start: number;
  stop: number;
}

/** Tensors that hold one set of units. */
export interface UnitGroup {
  /** What a unit is, for people. */
  unit: "hidden unit" | "head" | "row" | "column";
  members: Member[];
  /** Neighbouring lines of one unit. */
  size: number;
}

const FEED_FORWARD: readonly TensorKind[] = ["gate", "up", "gate_up", "down"];
const ATTENTION: readonly TensorKind[] = ["q", "k", "v", "o"];
/** Modules between a projection and the block that it belongs to (`attention.self.query` and `attention.output.dense`). */
const MOST_LEVELS = 4;

/** What the pair's tensors do: the name that says more decides, where one side is fused or of no known kind. */
export function kindOfPair({ a, b, shape }: Pick<TensorPair, "a" | "b" | "shape">): TensorKind {
  const [x, y] = [kindOf(a, shape), kindOf(b, shape)];
  const vague = (kind: TensorKind): boolean => kind === "qkv" || kind === "gate_up" || kind === "other" || kind === "fc" || kind === "kv";
  return vague(x) && !vague(y) ? y : x;
}

/** The module that a weight or bias belongs to, and its block's path, outermost first. */
function moduleOf(name: string): string[] {
  const path = modulePath(name);
  return path.length > 1 && /^(?:weight|bias|kernel)$/.test(path.at(-1)!) ? path.slice(0, -1) : path;
}

export class Blocks {
  /** Projections by the path of each module above them. */
  readonly #below = new Map<string, number[]>();
  /** By their module. */
  readonly #biases = new Map<string, number>();
  readonly #weights = new Map<string, number>();
  readonly #kinds: TensorKind[];

  constructor(private readonly pairs: readonly TensorPair[]) {
    this.#kinds = pairs.map(kindOfPair);
    for (const [index, kind] of this.#kinds.entries()) {
      const path = moduleOf(pairs[index]!.a);
      (kind === "bias" ? this.#biases : this.#weights).set(path.join("."), index);
      if (!FEED_FORWARD.includes(kind) && !ATTENTION.includes(kind)) continue;
      for (let level = 1; level <= MOST_LEVELS && level < path.length; level++) {
        const key = path.slice(0, -level).join(".");
        const list = this.#below.get(key);
        if (list === undefined) this.#below.set(key, [index]);
        else list.push(index);
      }
    }
  }

  kind(pair: number): TensorKind {
    return this.#kinds[pair]!;
  }

  /** The projection that the bias belongs to. */
  biasOf(pair: number): number | undefined {
    return this.#biases.get(moduleOf(this.pairs[pair]!.a).join("."));
  }

  /**
   * The sets of units that the pair's tensors hold together with others, the likelier first; none for tensors of no block.
   * @param heads of the model; without them attention is matched line by line.
   */
  groupsOf(pair: number, heads: AttentionHeads | null): UnitGroup[] {
    const kind = this.kind(pair);
    if (kind === "bias") {
      const weight = this.#weights.get(moduleOf(this.pairs[pair]!.a).join("."));
      return weight === undefined ? [] : this.groupsOf(weight, heads).filter(({ members }) => members.some((member) => member.pair === pair));
    }
    if (FEED_FORWARD.includes(kind)) return this.#feedForward(this.#block(pair, FEED_FORWARD, ["down"], ["up", "gate_up", "gate"]));
    if (ATTENTION.includes(kind)) return this.#attention(this.#block(pair, ATTENTION, ["o"], ["q", "v"]), kind, heads);
    return [];
  }

  /** The pair of each kind in the smallest module that holds one of each list; null when a kind is there twice. */
  #block(pair: number, kinds: readonly TensorKind[], one: readonly TensorKind[], other: readonly TensorKind[]): Map<TensorKind, number> | null {
    const path = moduleOf(this.pairs[pair]!.a);
    for (let level = 1; level <= MOST_LEVELS && level < path.length; level++) {
      const below = (this.#below.get(path.slice(0, -level).join(".")) ?? []).filter((index) => kinds.includes(this.kind(index)));
      const block = new Map(below.map((index) => [this.kind(index), index]));
      if (!one.some((kind) => block.has(kind)) || !other.some((kind) => block.has(kind))) continue;
      return block.size === below.length ? block : null;
    }
    return null;
  }

  #feedForward(block: Map<TensorKind, number> | null): UnitGroup[] {
    if (block === null) return [];
    const shape = (kind: TensorKind): readonly number[] | undefined => this.#matrix(block.get(kind));
    const down = shape("down")!;
    const groups: UnitGroup[] = [];
    // Linear layers store (out, in), GPT-2's Conv1D (in, out): which it is no name tells, but a wrong order matches nothing.
    for (const [out, into] of [[0, 1], [1, 0]] as const) {
      const units = down[into]!;
      const members: Member[] = [{ pair: block.get("down")!, axis: into, start: 0, stop: units }];
      let fits = true;
      for (const kind of ["gate", "up", "gate_up"] as const) {
        const lines = shape(kind)?.[out];
        if (lines === undefined) continue;
        const parts = kind === "gate_up" ? 2 : 1;
        if (lines !== parts * units) fits = false;
        for (let part = 0; part < parts; part++) members.push(...this.#withBias(block.get(kind)!, out, part * units, (part + 1) * units));
      }
      if (fits && members.length > 1) groups.push({ unit: "hidden unit", members, size: 1 });
    }
    return groups;
  }

  #attention(block: Map<TensorKind, number> | null, kind: TensorKind, heads: AttentionHeads | null): UnitGroup[] {
    if (block === null) return [];
    const o = this.#matrix(block.get("o"))!;
    const groups: UnitGroup[] = [];
    for (const [out, into] of [[0, 1], [1, 0]] as const) {
      const lines = o[into];
      const size = heads !== null && lines === heads.size * heads.query ? heads.size : 1;
      // Where several query heads share one key-value head, the two have orders of their own.
      const side = (kinds: readonly TensorKind[], count: number): Member[] => kinds.flatMap((each) => {
        const index = block.get(each);
        return index === undefined || this.#matrix(index)![out] !== count ? [] : this.#withBias(index, out, 0, count);
      });
      const own: Member = { pair: block.get("o")!, axis: into, start: 0, stop: lines };
      const shared = this.#matrix(block.get("v") ?? block.get("k"))?.[out];
      if (shared === undefined || shared === lines) groups.push({ unit: "head", size, members: [own, ...side(["q", "k", "v"], lines)] });
      else if (kind === "k" || kind === "v") groups.push({ unit: "head", size, members: side(["k", "v"], shared) });
      else groups.push({ unit: "head", size, members: [own, ...side(["q"], lines)] });
    }
    return groups.filter(({ members, size }) => members.length > 0 && members.every(({ stop }) => stop % size === 0));
  }

  /** Rows and columns of the pair's matrix view. */
  #matrix(pair: number | undefined): readonly [number, number] | undefined {
    if (pair === undefined) return undefined;
    const [rows = 1, ...rest] = this.pairs[pair]!.shape;
    return [rows, rest.reduce((product, length) => product * length, 1)];
  }

  #withBias(pair: number, axis: 0 | 1, start: number, stop: number): Member[] {
    const bias = this.biasOf(pair);
    const fits = bias !== undefined && this.pairs[bias]!.shape.length === 1 && this.pairs[bias]!.shape[0]! >= stop;
    return [{ pair, axis, start, stop }, ...(fits ? [{ pair: bias, axis: 0, start, stop } as const] : [])];
  }
}
