/** Two checkpoints as they are on disk, and how their tensors belong together. */
import type { Checkpoint, SourceOpener } from "../../checkpoint/checkpoint";
import { dequantised } from "../../checkpoint/dequantised";
import { comparedSides } from "../../checkpoint/pairing/adapted";
import { readMapping } from "../../checkpoint/pairing/mapping";
import { headsOf, type ModelFacts } from "../../checkpoint/pairing/model-facts";
import { pairTensors } from "../../checkpoint/pairing/pairing";
import type { AttentionHeads } from "../../protocol/compare";
import { RpcError } from "../../protocol/rpc";
import { LiveCheckpoint, type LiveOptions } from "../live-checkpoint";
import { OpenedPair } from "./opened";

export interface LivePairOptions extends Pick<LiveOptions, "open" | "patienceMs"> {
  /** Absolute paths of files, indices or folders. */
  a: string;
  b: string;
  /** The model that adapters were trained on. */
  base?: string | undefined;
  /** A mapping file. */
  map?: string | undefined;
  sources: SourceOpener;
  /** The two are paired; before that they were not, or otherwise. @param reread after a file was read again. */
  onPaired(opened: OpenedPair, reread: boolean): void;
  /** After `onPaired`, but for the first time; also when there is nothing new to pair. */
  onChanged(): Promise<void>;
}

/** One side's file as it is followed on disk. */
interface Followed {
  path: string;
  live: LiveCheckpoint;
  checkpoint: Checkpoint | null;
}

export class LivePair {
  #a: Followed;
  #b: Followed;
  #building: Promise<void>;
  /** Why the two that were read could not be put together. */
  #failure: unknown = null;
  #opened: OpenedPair | null = null;
  #revision = 0;
  readonly #off = new Set<string>();
  #preferred: ReadonlySet<string> = new Set();
  /** Pairs made by hand, by name; null: A's has no partner. */
  #chosen = new Map<string, string | null>();
  /** The mapping file, and whether the models were exchanged since it was named. */
  #map: { path: string; swapped: boolean } | null;

  /** Starts reading the headers; `opened()` waits for that. */
  constructor(private readonly options: LivePairOptions) {
    this.#map = options.map === undefined ? null : { path: options.map, swapped: false };
    this.#a = this.#follow(options.a);
    this.#b = this.#follow(options.b);
    this.#building = Promise.all([this.#a.live.settled, this.#b.live.settled]).then(() => this.#build(false));
  }

  /** As they were given, in their present order. */
  get paths(): { a: string; b: string } {
    return { a: this.#a.path, b: this.#b.path };
  }

  /** Waits until the headers were read and the two put together, well or not. */
  get settled(): Promise<void> {
    return this.#building;
  }

  /** Rises with each pairing. */
  get revision(): number {
    return this.#revision;
  }

  /** The last that could be put together. */
  get current(): OpenedPair | null {
    return this.#opened;
  }

  /** Why `current` is not what is on disk now; null when it is. */
  get error(): unknown {
    return this.#a.live.error ?? this.#b.live.error ?? this.#failure;
  }

  /** @throws CheckpointError when one has never been read whole, or they do not belong together. */
  async opened(): Promise<OpenedPair> {
    await this.#building;
    if (this.#opened === null) throw this.error;
    return this.#opened;
  }

  /** Switches a pairing rule on or off, by its id. */
  async switchRule(rule: string, on: boolean): Promise<void> {
    if (on) this.#off.delete(rule);
    else this.#off.add(rule);
    await this.#rebuild(false);
  }

  /** Takes these rules where headers allow several; what was found out by values. */
  async prefer(rules: ReadonlySet<string>): Promise<void> {
    this.#preferred = rules;
    await this.#rebuild(false);
  }

  /** Pairs two tensors by hand (indices), or leaves A's without a partner. */
  async pairUp(a: number, b: number | null): Promise<void> {
    const opened = await this.opened();
    const x = opened.a.checkpoint.tensors[a];
    const y = b === null ? null : opened.b.checkpoint.tensors[b];
    if (x === undefined || y === undefined) throw new RpcError({ code: "usage", message: `There is no tensor ${x === undefined ? a : b}.` });
    this.#chosen.set(x.name, y?.name ?? null);
    await this.#rebuild(false);
  }

  /** Path of the mapping file that the pairing follows. */
  get map(): string | null {
    return this.#map?.path ?? null;
  }

  /**
   * Pairs as a mapping file says; null: without one.
   * @throws CheckpointError when it cannot be read or does not fit the models; then nothing has changed.
   */
  async useMap(path: string | null): Promise<void> {
    await this.#building;
    const before = this.#map;
    this.#map = path === null ? null : { path, swapped: false };
    await this.#rebuild(false);
    const failure = this.#failure;
    if (path === null || failure === null) return;
    this.#map = before;
    await this.#rebuild(false);
    throw failure as Error;
  }

  /** Exchanges A and B. */
  async swap(): Promise<void> {
    await this.#building;
    [this.#a, this.#b] = [this.#b, this.#a];
    this.#chosen = new Map([...this.#chosen].flatMap(([a, b]): [string, string][] => (b === null ? [] : [[b, a]])));
    if (this.#map !== null) this.#map = { ...this.#map, swapped: !this.#map.swapped };
    await this.#rebuild(false);
  }

  /** Reads both headers again. */
  async reload(): Promise<void> {
    await Promise.all([this.#a.live.reload(), this.#b.live.reload()]);
  }

  /** Follows the files on disk from now on: reads again when they changed, patient with half-written ones. */
  watch(): void {
    this.#a.live.watch();
    this.#b.live.watch();
  }

  dispose(): void {
    this.#a.live.dispose();
    this.#b.live.dispose();
    this.#opened?.lifetime.abort();
  }

  #follow(path: string): Followed {
    const { open, patienceMs } = this.options;
    const followed: Followed = {
      path,
      checkpoint: null,
      live: new LiveCheckpoint({ path, open, patienceMs, onRead: (checkpoint) => (followed.checkpoint = checkpoint), onReread: () => this.#rebuild(true) }),
    };
    return followed;
  }

  async #rebuild(reread: boolean): Promise<void> {
    this.#building = this.#building.then(() => this.#build(reread));
    await this.#building;
    await this.options.onChanged();
  }

  async #build(reread: boolean): Promise<void> {
    const { sources, open, base, onPaired } = this.options;
    const [storedA, storedB] = [this.#a.checkpoint, this.#b.checkpoint];
    this.#revision++;
    if (storedA === null || storedB === null) return;
    try {
      const [a, b] = [await dequantised(storedA, sources), await dequantised(storedB, sources)];
      const sides = await comparedSides(a, b, sources, base === undefined ? undefined : await open(base));
      const facts = { a: sides.a.facts, b: sides.b.facts };
      const map = this.#map === null ? {} : { map: { ...(await readMapping(this.#map.path, sources)), swapped: this.#map.swapped } };
      const chosen = this.#chosenIndices(sides.a.checkpoint, sides.b.checkpoint);
      const pairing = pairTensors(sides.a.checkpoint, sides.b.checkpoint, { off: this.#off, preferred: this.#preferred, facts, chosen, ...map });
      const opened = new OpenedPair(sides.a, sides.b, pairing, attentionHeads([facts.a, facts.b]));
      const earlier = this.#opened;
      if (earlier !== null) opened.inherit(earlier);
      this.#opened = opened;
      this.#failure = null;
      onPaired(opened, reread);
      earlier?.lifetime.abort();
    } catch (error) {
      this.#failure = error;
    }
  }

  #chosenIndices(a: Checkpoint, b: Checkpoint): [number, number | null][] {
    if (this.#chosen.size === 0) return [];
    const indexOf = ({ tensors }: Checkpoint): Map<string, number> => new Map(tensors.map(({ name }, i) => [name, i]));
    const [ofA, ofB] = [indexOf(a), indexOf(b)];
    return [...this.#chosen].flatMap(([x, y]): [number, number | null][] => {
      const [i, j] = [ofA.get(x), y === null ? null : ofB.get(y)];
      return i === undefined || j === undefined ? [] : [[i, j]];
    });
  }
}

/** As the first of the models that says; null when none does. */
function attentionHeads(models: readonly ModelFacts[]): AttentionHeads | null {
  const size = models.find(({ headDim }) => headDim !== undefined)?.headDim;
  const query = headsOf(models, null, false);
  return size === undefined || query === undefined ? null : { size, query, keyValue: headsOf(models, null, true) ?? query };
}
