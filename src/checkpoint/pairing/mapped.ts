/** Pairs tensors as a mapping file says. */
import { bracketed, shapeOf, ShapeMismatch } from "../adapters/build";
import type { CheckpointError } from "../checkpoint";
import { PatternError } from "../pattern";
import { quote } from "../quote";
import { laidOut, type Layout } from "./layout";
import { mappingError, type MappedSide, type Mapping } from "./mapping";
import { filledIn, namePattern } from "./name-pattern";
import { comparable, type Side, type Sides } from "./sides";

/**
 * Pairs what the file pairs, and leaves without a partner what it ignores.
 * @throws CheckpointError when a name does not exist, a tensor is mapped twice, or shapes do not fit.
 */
export function pairMapped(sides: Sides, mapping: Mapping): void {
  new Application(sides, mapping).run();
}

/** Rows of a tensor that are spoken for: all of them, or runs. */
interface Claim extends MappedSide {
  rows: { start: number; stop: number } | null;
}

class Application {
  /** The sides as the file calls them. */
  private readonly a: Side;
  private readonly b: Side;
  private readonly claims = new Map<Side, Map<number, Claim[]>>();
  private readonly names = new Map<Side, Map<string, number>>();

  constructor(private readonly sides: Sides, private readonly mapping: Mapping) {
    [this.a, this.b] = mapping.swapped === true ? [sides.b, sides.a] : [sides.a, sides.b];
    for (const side of [this.a, this.b]) {
      this.claims.set(side, new Map());
      const names = new Map<string, number>();
      side.tensors.forEach(({ name }, i) => {
        if (!names.has(name)) names.set(name, i);
      });
      this.names.set(side, names);
    }
  }

  run(): void {
    const { pairs, ignore } = this.mapping;
    const found = pairs.flatMap(({ a, b }) => this.pairsOf(a, b));
    for (const [side, names] of [[this.a, ignore.a], [this.b, ignore.b]] as const) {
      for (const name of names) for (const { tensor } of this.matching(side, name)) this.claim(side, tensor, { ...name, rows: null });
    }
    const rule = found.length === 0 ? -1 : this.sides.rule("map", "Paired as the mapping file says");
    for (const { a, b, layoutA, layoutB } of found) {
      if (this.mapping.swapped === true) this.sides.pair(b, a, rule, layoutB, layoutA);
      else this.sides.pair(a, b, rule, layoutA, layoutB);
      this.a.settle(a);
      this.b.settle(b);
    }
    for (const [side, names] of [[this.a, ignore.a], [this.b, ignore.b]] as const) for (const name of names) for (const { tensor } of this.matching(side, name)) this.sides.leaveOut(side, tensor);
  }

  private pairsOf(a: MappedSide, b: MappedSide): { a: number; b: number; layoutA: Layout | undefined; layoutB: Layout | undefined }[] {
    const found = [];
    let missing: string | undefined;
    let byHand = 0;
    for (const { tensor, captures } of this.matching(this.a, a)) {
      const name = this.attempt(b, () => filledIn(b.pattern, captures));
      const partner = this.names.get(this.b)!.get(name);
      if (partner === undefined) {
        missing ??= name;
        continue;
      }
      // What was paired by hand stays so.
      if (this.a.settled[tensor] === 1 || this.b.settled[partner] === 1) {
        byHand++;
        continue;
      }
      this.check(a, tensor, b, partner);
      found.push({ a: tensor, b: partner, layoutA: a.layout, layoutB: b.layout });
    }
    if (found.length + byHand === 0) throw this.error(b, `${this.b === this.sides.b ? "B" : "A"} has no tensor ${quote(missing!)}; ${this.hint(this.b, missing!)}`);
    return found;
  }

  /** The tensors of `side` that a pattern names, at least one. */
  private matching(side: Side, named: MappedSide): { tensor: number; captures: string[] }[] {
    const pattern = this.attempt(named, () => namePattern(named.pattern));
    const which = side === this.sides.a ? "A" : "B";
    if (pattern.exact !== undefined) {
      const tensor = this.names.get(side)!.get(pattern.exact);
      if (tensor === undefined) throw this.error(named, `${which} has no tensor ${quote(pattern.exact)}; ${this.hint(side, pattern.exact)}`);
      return [{ tensor, captures: [] }];
    }
    const matches = this.attempt(named, () => pattern.captures(side.tensors.map(({ name }) => name)));
    const found = matches.flatMap((captures, tensor) => (captures === null ? [] : [{ tensor, captures }]));
    if (found.length === 0) throw this.error(named, `no tensor of ${which} is named like ${quote(named.pattern)}; look its names up with "inspect"`);
    return found;
  }

  private check(a: MappedSide, tensorA: number, b: MappedSide, tensorB: number): void {
    const shapes = ([[this.a, tensorA, a], [this.b, tensorB, b]] as const).map(([side, tensor, named]) => {
      this.claim(side, tensor, { ...named, rows: named.layout?.rows === undefined || named.layout.rows.run !== undefined ? (partly(named.layout) ? { start: 0, stop: 0 } : null) : named.layout.rows });
      return this.shape(side, tensor, named);
    });
    const [x, y] = shapes as [readonly number[], readonly number[]];
    if (!comparable(x, y)) {
      const [nameA, nameB] = [this.a.tensors[tensorA]!.name, this.b.tensors[tensorB]!.name];
      throw this.error(a, `${quote(nameA)} has the shape ${bracketed(x)} and ${quote(nameB)} ${bracketed(y)}; give one of them "rows", "transpose", "index" or "shape" so that they agree`);
    }
  }

  /** The shape of what is picked out of a tensor. */
  private shape(side: Side, tensor: number, named: MappedSide): readonly number[] {
    const { shape, name } = side.tensors[tensor]!;
    if (named.layout === undefined) return shape;
    try {
      // What the engine would read, of values that need not be there.
      return shapeOf(laidOut({ kind: "compute", operation: { name: "fill", shape: [...shape], value: 0 }, of: [] }, named.layout));
    } catch (error) {
      if (error instanceof ShapeMismatch) throw this.error(named, `${quote(name)}, of the shape ${bracketed(shape)}, cannot be read so: ${error.message}`);
      throw error;
    }
  }

  /** @throws CheckpointError when the tensor, or some of the same rows, are mapped already. */
  private claim(side: Side, tensor: number, claim: Claim): void {
    const claims = this.claims.get(side)!;
    const before = claims.get(tensor) ?? [];
    const clash = before.find(({ rows }) => rows === null || claim.rows === null || (rows.start < claim.rows.stop && claim.rows.start < rows.stop));
    if (clash !== undefined) throw this.error(claim, `${quote(side.tensors[tensor]!.name)} is mapped twice, first in line ${clash.line}; leave one out, or give both the rows that they are of`);
    claims.set(tensor, [...before, claim]);
  }

  private hint(side: Side, name: string): string {
    const other = side === this.a ? this.b : this.a;
    if (this.names.get(other)!.has(name)) return `${side === this.sides.a ? "B" : "A"} has it: are a and b, or the two models, exchanged?`;
    const end = name.slice(name.lastIndexOf(".", name.lastIndexOf(".") - 1) + 1);
    const like = side.tensors.find((tensor) => tensor.name.endsWith(end) && tensor.name !== name);
    return like === undefined ? 'look its names up with "inspect"' : `it has ${quote(like.name)}`;
  }

  private attempt<T>(named: MappedSide, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof PatternError) throw this.error(named, error.message);
      throw error;
    }
  }

  private error(place: MappedSide, message: string): CheckpointError {
    return mappingError(this.mapping.path, place, message);
  }
}

/** Whether a layout takes an entry of a stack or every so many rows: claims on such parts are not held against each other. */
function partly(layout: Layout | undefined): boolean {
  return layout?.index !== undefined || layout?.rows?.run !== undefined;
}
