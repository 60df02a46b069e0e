/** Fills the files of a merge's weights, tensor by tensor, and keeps the journal of what is on disk. */
import { mkdir, open, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { allOrNothing } from "../../analysis/concurrently";
import type { Engine } from "../../analysis/engine";
import { writeTensor } from "../../analysis/write-tensor";
import { isDecodable } from "../../checkpoint/dtypes";
import { EngineError } from "../../engine/error";
import type { Expression } from "../../engine/protocol";
import type { PlannedTensor } from "../plan/plan";
import { FileHash, sha256 } from "./file-hash";
import type { Journal, JournalEntry } from "./journal";
import type { Shard } from "./shards";

/** Requests under way: enough to keep all threads busy with small tensors. */
const CONCURRENCY = 4;
/** What is written reaches the disk, and the journal, at the latest after so many bytes or so long. */
const FLUSH_BYTES = 16 << 20;
const FLUSH_MS = 1000;

export interface FillOptions {
  shards: readonly Shard<PlannedTensor>[];
  /** In which the shards lie. */
  folder: string;
  journal: Journal;
  /** Of tensors that are on disk, by name. */
  done: ReadonlyMap<string, JournalEntry>;
  engine: Engine;
  signal?: AbortSignal;
  /** Looks at a tensor's inputs before it is computed; what it throws ends the merge. */
  check?(tensor: PlannedTensor, signal: AbortSignal): Promise<void>;
  /** Called when tensors have reached the disk; what it throws ends the merge. */
  onFlush?(): Promise<void>;
  onProgress?(progress: MergeProgress): void;
}

export interface MergeProgress {
  /** Bytes of all tensors. */
  done: number;
  total: number;
  tensorsDone: number;
  tensors: number;
  /** The one that got further, and how far, in [0, 1]; those done by an earlier run are told first. */
  tensor: PlannedTensor;
  share: number;
}

export interface FilledShard {
  name: string;
  bytes: number;
  sha256: string;
}

/**
 * Writes all tensors but those done, and waits until all is on disk.
 * @returns the files, and by tensor how many elements are not finite.
 * @throws what the engine and the tensors' readers throw; the signal's reason when it was aborted. What is done by then is in the journal.
 */
export async function fillShards(options: FillOptions): Promise<{ files: FilledShard[]; nonFinite: Map<string, number> }> {
  const { folder, shards, done, engine, journal, signal } = options;
  await mkdir(folder, { recursive: true });
  const opened: OpenShard[] = [];
  try {
    for (const shard of shards) opened.push(await OpenShard.open(path.join(folder, shard.name), shard));
    const nonFinite = new Map([...done.values()].filter((entry) => entry.nonFinite > 0).map((entry) => [entry.tensor, entry.nonFinite]));
    const progress = new Progress(shards, options.onProgress);
    const flush = new Flush(journal, options.onFlush);
    const places = opened.flatMap((shard) => shard.shard.places.map(({ tensor, offset }) => ({ shard, tensor, offset })));
    for (const { shard, tensor } of places) {
      if (!done.has(tensor.name)) continue;
      shard.finished(tensor);
      progress.advance(tensor, 1);
    }
    try {
      await allOrNothing(
        places.filter(({ tensor }) => !done.has(tensor.name)),
        CONCURRENCY,
        async ({ shard, tensor, offset }, scope) => {
          await options.check?.(tensor, scope);
          const entry = await despiteCrash(() => writeOne(tensor, shard.path, offset, engine, scope, (share) => progress.advance(tensor, share)));
          if (entry.nonFinite > 0) nonFinite.set(tensor.name, entry.nonFinite);
          shard.finished(tensor);
          progress.advance(tensor, 1);
          await flush.add(entry, shard.file, tensor.bytes);
        },
        signal,
      );
    } finally {
      await flush.all();
    }
    const files = [];
    for (const shard of opened) {
      await shard.file.sync();
      files.push({ name: shard.shard.name, bytes: shard.shard.bytes, sha256: await shard.hash.digest(shard.shard.bytes) });
    }
    return { files, nonFinite };
  } finally {
    for (const { file } of opened) await file.close().catch(() => undefined);
  }
}

/** A hash of how a tensor is computed. */
export function expressionHash(expression: Expression): string {
  return sha256(JSON.stringify(expression));
}

async function writeOne(tensor: PlannedTensor, file: string, offset: number, engine: Engine, signal: AbortSignal, onShare: (share: number) => void): Promise<JournalEntry> {
  const expression = await tensor.read(signal);
  const written = isDecodable(tensor.dtype) ? tensor.dtype : "U8";
  const nonFinite = tensor.bytes === 0 ? 0 : await writeTensor({ name: tensor.name, bytes: tensor.bytes, written, read: () => Promise.resolve(expression) }, file, offset, engine, signal, onShare);
  return { tensor: tensor.name, expression: expressionHash(expression), nonFinite };
}

/** Once more where the engine's process ended: it is started again, and what ended it may have had nothing to do with this. */
async function despiteCrash<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "crashed") throw error;
    return work();
  }
}

/** A file with its header and its size. */
class OpenShard {
  readonly hash: FileHash;
  private readonly finishedTensors = new Set<string>();
  private next = 0;

  private constructor(readonly path: string, readonly shard: Shard<PlannedTensor>, readonly file: FileHandle) {
    this.hash = new FileHash(file, path);
  }

  static async open(path: string, shard: Shard<PlannedTensor>): Promise<OpenShard> {
    const there = await stat(path).catch(() => undefined);
    const file = await open(path, there === undefined ? "wx+" : "r+");
    try {
      await file.write(shard.header, 0, shard.header.length, 0);
      await file.truncate(shard.bytes);
      return new OpenShard(path, shard, file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The bytes up to the first tensor that is not finished are those of the finished file. */
  finished(tensor: PlannedTensor): void {
    this.finishedTensors.add(tensor.name);
    const { places, bytes } = this.shard;
    while (this.next < places.length && this.finishedTensors.has(places[this.next]!.tensor.name)) this.next++;
    this.hash.advance(places[this.next]?.offset ?? bytes);
  }
}

/** First the bytes go to disk, then what the journal says of them. */
class Flush {
  private entries: JournalEntry[] = [];
  private readonly files = new Set<FileHandle>();
  private bytes = 0;
  private last = performance.now();
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly journal: Journal, private readonly onFlush?: () => Promise<void>) {}

  async add(entry: JournalEntry, file: FileHandle, bytes: number): Promise<void> {
    this.entries.push(entry);
    this.files.add(file);
    this.bytes += bytes;
    if (this.bytes >= FLUSH_BYTES || performance.now() - this.last >= FLUSH_MS) {
      // One at a time; the engine goes on with other tensors meanwhile.
      await this.all();
      await this.onFlush?.();
    }
  }

  all(): Promise<void> {
    return (this.work = this.work.then(() => this.write(), () => this.write()));
  }

  private async write(): Promise<void> {
    const [entries, files] = [this.entries, [...this.files]];
    this.entries = [];
    this.files.clear();
    this.bytes = 0;
    this.last = performance.now();
    await Promise.all(files.map((file) => file.datasync()));
    await this.journal.append(entries);
  }
}

class Progress {
  private readonly shares = new Map<string, number>();
  private readonly total: number;
  private readonly tensors: number;
  private done = 0;
  private tensorsDone = 0;

  constructor(shards: readonly Shard<PlannedTensor>[], private readonly tell: FillOptions["onProgress"]) {
    const all = shards.flatMap(({ places }) => places);
    this.total = all.reduce((sum, { tensor }) => sum + tensor.bytes, 0);
    this.tensors = all.length;
  }

  advance(tensor: PlannedTensor, share: number): void {
    const before = this.shares.get(tensor.name) ?? 0;
    this.shares.set(tensor.name, share);
    this.done += Math.floor(share * tensor.bytes) - Math.floor(before * tensor.bytes);
    if (share === 1 && before < 1) this.tensorsDone++;
    this.tell?.({ done: this.done, total: this.total, tensorsDone: this.tensorsDone, tensors: this.tensors, tensor, share });
  }
}
