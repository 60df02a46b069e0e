/** Two models as their headers were read, paired, with all that is known about the pairs. */
import { reshape } from "../../checkpoint/adapters/build";
import { CheckpointError, type CheckpointFile, type Tensor } from "../../checkpoint/checkpoint";
import type { ComparedSide } from "../../checkpoint/pairing/adapted";
import { expressionOf as expressionOfSide, type PairSide, type Pairing, type TensorPair } from "../../checkpoint/pairing/pairing";
import type { DifferenceResult, Expression } from "../../engine/protocol";
import type { AttentionHeads } from "../../protocol/compare";
import { expressionOf } from "../readable";
import type { TensorPair as StructurePair } from "../structure/pairs";
import { changeOf, filesOf } from "./change";
import { KnownPairs, type PairForm } from "./known";
import { quantisedSide } from "./quantised";
import { FileVersions } from "./versions";

/** What the engine reads of a pair. */
export interface PairValues {
  a: Expression;
  b: Expression;
  /** All files that the two read, but for those of decoded values. */
  files: CheckpointFile[];
}

export class OpenedPair {
  readonly known: KnownPairs;
  readonly versions: FileVersions;
  /** Aborted when the structure is replaced or the comparison ends. */
  readonly lifetime = new AbortController();
  /** Sparse: pair → the earlier pair of the same tensors under other names. */
  readonly #tied = new Map<number, number>();

  constructor(
    readonly a: ComparedSide,
    readonly b: ComparedSide,
    readonly pairing: Pairing,
    /** Null when neither model says. */
    readonly heads: AttentionHeads | null,
  ) {
    this.known = new KnownPairs((pair) => this.form(pair));
    this.versions = new FileVersions([...a.checkpoint.files, ...b.checkpoint.files]);
    this.#findTied();
  }

  /** The pair of this index. @throws CheckpointError when there is none. */
  pair(index: number): TensorPair {
    const pair = this.pairing.pairs[index];
    if (pair === undefined) throw new CheckpointError("usage", `there is no pair ${index}`, this.a.checkpoint.path);
    return pair;
  }

  tensors(index: number): { a: Tensor; b: Tensor } {
    const pair = this.pair(index);
    return { a: this.a.checkpoint.tensors[pair.a.tensor]!, b: this.b.checkpoint.tensors[pair.b.tensor]! };
  }

  /** By A's name. */
  name(index: number): string {
    return this.tensors(index).a.name;
  }

  form(index: number): PairForm {
    const { a, b } = this.tensors(index);
    const quantised = quantisedSide(a.dtype, b.dtype);
    return { shape: this.pair(index).shape, ...(quantised === undefined ? {} : { quantised }) };
  }

  /** Stored bytes of both sides, and elements. */
  size(index: number): { bytes: number; elements: number } {
    const { a, b } = this.tensors(index);
    const elements = this.pair(index).shape.reduce((product, length) => product * length, 1);
    const share = ({ bytes, parameters }: Tensor): number => (parameters === 0 ? 0 : (bytes * elements) / parameters);
    return { bytes: share(a) + share(b), elements };
  }

  /** The pair that is compared for this one: itself, or an earlier one of the same tensors. */
  primary(index: number): number {
    return this.#tied.get(index) ?? index;
  }

  get tied(): ReadonlyMap<number, number> {
    return this.#tied;
  }

  /** @throws CheckpointError when the values of one cannot be decoded, or do not fit. */
  async values(index: number, signal?: AbortSignal): Promise<PairValues> {
    const pair = this.pair(index);
    const read = async ({ checkpoint }: ComparedSide, side: PairSide): Promise<{ expression: Expression; file: CheckpointFile }> => {
      const tensor = checkpoint.tensors[side.tensor]!;
      const file = checkpoint.files[tensor.file]!;
      return { expression: expressionOfSide(side, await expressionOf(tensor, file.path, signal)), file };
    };
    const [a, b] = await Promise.all([read(this.a, pair.a), read(this.b, pair.b)]);
    // Decoded values lie elsewhere: they are those of the tensor's own file.
    const files = this.versions.of(new Set([a.file.path, b.file.path, ...filesOf(a.expression, b.expression)]));
    return { a: a.expression, b: reshape(b.expression, [...pair.shape]), files };
  }

  /** The differences that are known; of tensors that an earlier pair compared `again`. */
  *differences(): Generator<{ pair: number; difference: DifferenceResult; again: boolean }> {
    for (const pair of this.pairing.pairs.keys()) {
      const difference = this.known.get(this.primary(pair))?.difference;
      if (difference !== undefined) yield { pair, difference, again: this.#tied.has(pair) };
    }
  }

  /** As the search for structures takes them. */
  structurePairs(): StructurePair[] {
    return this.pairing.pairs.map(({ shape }, i) => {
      const { a, b } = this.tensors(i);
      return { a: a.name, b: b.name, shape, dtypeA: a.dtype, dtypeB: b.dtype, expressions: (signal) => this.#change(i, signal) };
    });
  }

  async #change(index: number, signal?: AbortSignal): Promise<{ a: Expression; b: Expression; delta: Expression }> {
    const { a, b } = await this.values(index, signal);
    return { a, b, delta: changeOf(a, b) };
  }

  /** The files that a pair is read from. */
  filesOf(index: number): CheckpointFile[] {
    const { a, b } = this.tensors(index);
    const own = [this.a.checkpoint.files[a.file]!.path, this.b.checkpoint.files[b.file]!.path];
    return this.versions.of(new Set([...own, ...[a, b].flatMap(({ expression }) => (expression === null ? [] : [...filesOf(expression)]))]));
  }

  /** Takes over what `earlier` knew of pairs of the same values in the same versions of their files. */
  inherit(earlier: OpenedPair): void {
    const before = new Map<string, number>();
    for (const pair of earlier.known.pairs()) {
      const identity = earlier.#identity(pair);
      if (identity !== null) before.set(identity, pair);
    }
    if (before.size === 0) return;
    this.pairing.pairs.forEach((_, i) => {
      const identity = this.#identity(i);
      const same = identity === null ? undefined : before.get(identity);
      const facts = same === undefined ? undefined : earlier.known.get(same);
      if (facts !== undefined) this.known.add(i, facts);
    });
  }

  /** What is compared and in which version; null when a file was seen to have changed. */
  #identity(index: number): string | null {
    const pair = this.pair(index);
    const sides = [[this.a, pair.a], [this.b, pair.b]] as const;
    const parts = sides.map(([{ checkpoint }, side]) => {
      const { name, expression, file } = checkpoint.tensors[side.tensor]!;
      const own = checkpoint.files[file]!;
      const files = this.versions.of(new Set([own.path, ...(expression === null ? [] : filesOf(expression))]));
      return { name, layout: side.layout, expression, files };
    });
    if (parts.some(({ files }) => files.some(({ path }) => this.versions.changed.has(path)))) return null;
    return JSON.stringify(parts);
  }

  #findTied(): void {
    const groups = new Map<string, number>();
    const group = ({ name, sharedWith = [] }: Tensor): string => [name, ...sharedWith].sort()[0]!;
    const [inA, inB] = [this.a.checkpoint.tensors, this.b.checkpoint.tensors];
    this.pairing.pairs.forEach((pair, i) => {
      const [a, b] = [inA[pair.a.tensor]!, inB[pair.b.tensor]!];
      if (a.sharedWith === undefined && b.sharedWith === undefined) return;
      const [ofA, ofB] = [group(a), group(b)];
      const key = JSON.stringify([ofA, pair.a.layout, ofB, pair.b.layout]);
      const first = groups.get(key);
      if (first === undefined) groups.set(key, i);
      else this.#tied.set(i, first);
    });
  }
}
