/** Open checkpoints: one per file however many views it has, kept a little longer than its last view. */
import type * as vscode from "vscode";
import type { Inspection, InspectionEvents } from "../analysis/inspection";
import type { Snapshot } from "../protocol/inspect";
import { type Log, sentence } from "./log";

/** Moving a tab closes it and opens it again: what was open is kept this long. Milliseconds. */
const GRACE_MS = 5000;

/** Makes the inspection of a file; asked again when the engine was replaced. */
export type InspectionMaker = (uri: vscode.Uri) => Promise<Inspection>;

/** One checkpoint, shared by its views. The inspection behind it may be replaced; listeners stay. */
export class OpenCheckpoint {
  readonly #listeners = new Set<Partial<InspectionEvents>>();
  #inspection: Promise<Inspection>;
  /** Added to the inspection's revisions, so that they rise also when it is replaced. */
  #earlier = 0;
  #latest = 0;
  #views = 0;
  #end: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(
    readonly uri: vscode.Uri,
    private readonly make: InspectionMaker,
    private readonly log: Log,
    private readonly onEnd: () => void,
  ) {
    this.#inspection = this.#start();
  }

  inspection(): Promise<Inspection> {
    return this.#inspection;
  }

  /** All that a view needs to draw; its revision rises over the life of this object. */
  async snapshot(): Promise<Snapshot> {
    const earlier = this.#earlier;
    return this.#numbered(await (await this.#inspection).snapshot(), earlier);
  }

  /** Adds a listener; returns its removal. */
  on(listener: Partial<InspectionEvents>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Starts afresh, with another engine or in a workspace now trusted; views are told as when the file changed. */
  async renew(): Promise<void> {
    const old = this.#inspection;
    this.#earlier = this.#latest;
    this.#inspection = this.#start();
    await (await old).dispose();
    this.#forward("changed", await this.snapshot());
  }

  retain(): void {
    clearTimeout(this.#end);
    this.#views++;
  }

  release(): void {
    if (--this.#views === 0) this.#end = setTimeout(() => void this.dispose(), GRACE_MS);
  }

  async dispose(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#end);
    this.onEnd();
    this.#listeners.clear();
    try {
      await (await this.#inspection).dispose();
    } catch (error) {
      this.log.warn(`Closing ${this.uri.toString()}: ${sentence(error)}`);
    }
  }

  async #start(): Promise<Inspection> {
    const earlier = this.#earlier;
    const inspection = await this.make(this.uri);
    inspection.on({
      changed: (snapshot) => this.#forward("changed", this.#numbered(snapshot, earlier)),
      results: (results) => this.#forward("results", results),
      findings: (findings) => this.#forward("findings", findings),
      progress: (progress) => this.#forward("progress", progress),
    });
    return inspection;
  }

  #numbered(snapshot: Snapshot, earlier: number): Snapshot {
    const revision = earlier + snapshot.revision;
    this.#latest = Math.max(this.#latest, revision);
    return { ...snapshot, revision };
  }

  #forward<K extends keyof InspectionEvents>(event: K, argument: Parameters<InspectionEvents[K]>[0]): void {
    for (const listener of [...this.#listeners]) (listener[event] as ((argument: Parameters<InspectionEvents[K]>[0]) => void) | undefined)?.(argument);
  }
}

/** A document of the custom editor: a share in an open checkpoint. */
export class InspectDocument implements vscode.CustomDocument {
  constructor(
    readonly uri: vscode.Uri,
    readonly checkpoint: OpenCheckpoint,
  ) {
    checkpoint.retain();
  }

  dispose(): void {
    this.checkpoint.release();
  }
}

export class OpenCheckpoints implements vscode.Disposable {
  readonly #open = new Map<string, OpenCheckpoint>();

  constructor(
    private readonly make: InspectionMaker,
    private readonly log: Log,
  ) {}

  document(uri: vscode.Uri): InspectDocument {
    const key = uri.toString();
    let checkpoint = this.#open.get(key);
    if (checkpoint === undefined) {
      checkpoint = new OpenCheckpoint(uri, this.make, this.log, () => this.#open.delete(key));
      this.#open.set(key, checkpoint);
    }
    return new InspectDocument(uri, checkpoint);
  }

  /** How many are open, those in their grace period included. */
  get size(): number {
    return this.#open.size;
  }

  /** Starts all afresh: the engine, and with it what cached results mean, was replaced. */
  async renewAll(): Promise<void> {
    await Promise.all([...this.#open.values()].map((checkpoint) => checkpoint.renew()));
  }

  dispose(): void {
    for (const checkpoint of [...this.#open.values()]) void checkpoint.dispose();
  }
}
