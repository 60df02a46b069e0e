/**
 * One open checkpoint with the engine and the cache: all that the inspector's host side and the command line do, but for
 * dialogs, the clipboard and windows.
 */
import path from "node:path";
import { readAdapter } from "../checkpoint/adapters/read-adapter";
import type { Checkpoint, CheckpointFile, SourceOpener, Tensor } from "../checkpoint/checkpoint";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { BlockScalesResult, Expression, HistogramParams, HistogramResult, NormsResult, PictureResult, Progress, SpectrumResult, ValuesResult, Window } from "../engine/protocol";
import { NORM_POINTS, type AdapterSummary, type AnalysisPart, type CachedResult, type EngineStatus, type InspectView, type MatrixView, type Snapshot, type SpectrumMode, type TableMatches } from "../protocol/inspect";
import type { RankUsage } from "../protocol/rank";
import type { Finding, Statistics } from "../protocol/results";
import { RpcError, toWireError } from "../protocol/rpc";
import type { ResultCache } from "./cache";
import { Compute, type Answer } from "./compute";
import { findDuplicates } from "./duplicates";
import type { Engine } from "./engine";
import { Events } from "./events";
import { healthFindings, notAnalysed, suspicion, worstFirst } from "./health";
import { blockScalesJob, hashJob, histogramJob, normsJob, spectrumJob, statisticsJob } from "./jobs";
import { KnownResults } from "./known";
import { LiveCheckpoint, type LiveOptions } from "./live-checkpoint";
import { viewAsMatrix } from "./matrix-view";
import { overviewOf, tableOf } from "./overview";
import { DEFAULT_ENERGY } from "../protocol/rank-suggestion";
import { rankUsage } from "./rank-usage";
import { expressionOf } from "./readable";
import { Throttle } from "./throttle";
import { analyseWholeModel, type WholeModelResult } from "./whole-model";

export interface InspectionOptions extends Pick<LiveOptions, "path" | "open" | "patienceMs"> {
  engine: Engine;
  /** What the checkpoint was opened with. Default: local files. */
  sources?: SourceOpener;
  engineStatus?(): EngineStatus;
  cache?: ResultCache;
  /** False in Restricted Mode. */
  trusted?(): boolean;
}

/** What an inspection tells its listeners. */
export type InspectionEvents = Pick<InspectView, "changed" | "results" | "findings" | "progress">;

export interface AnalyseRequest {
  parts: readonly AnalysisPart[];
  /** Default: all. */
  tensors?: readonly number[];
  /** Default: `"exact"`. */
  mode?: SpectrumMode;
}

type OnProgress = (progress: Progress) => void;

/** Results reach listeners at most this often. */
const RESULTS_MS = 100;
const FINDINGS_MS = 300;
/** Requests under way while a model is analysed: enough to keep all threads busy with small tensors. */
const CONCURRENCY = 16;

/** A structure as it was read, and all that is known about it. */
interface Opened {
  checkpoint: Checkpoint;
  known: KnownResults;
  duplicates: number[][];
  /** Aborted when the structure is replaced or the inspection ends. */
  lifetime: AbortController;
}

export class Inspection {
  readonly path: string;
  readonly #compute: Compute;
  readonly #events = new Events<InspectionEvents>();
  readonly #live: LiveCheckpoint;
  readonly #sources: SourceOpener;
  #opened: Opened | null = null;
  #stop = new AbortController();
  #analysing: Promise<unknown> = Promise.resolve();
  /** Results that listeners have not been told of. */
  #fresh: CachedResult[] = [];
  readonly #tellResults = new Throttle(RESULTS_MS, () => this.#events.emit("results", { results: this.#fresh.splice(0) }));
  readonly #tellFindings = new Throttle(FINDINGS_MS, () => {
    if (this.#events.heard("findings")) this.#events.emit("findings", { findings: this.findings() });
  });

  /** Starts reading the headers; `checkpoint()` waits for that. */
  constructor(private readonly options: InspectionOptions) {
    this.path = options.path;
    this.#sources = options.sources ?? new LocalFiles();
    this.#compute = new Compute(options.engine, options.cache);
    const { path, open, patienceMs } = options;
    this.#live = new LiveCheckpoint({ path, open, patienceMs, onRead: (checkpoint) => this.#adopt(checkpoint), onReread: () => this.#tellChanged() });
  }

  /** Adds a listener; returns its removal. */
  on(listener: Partial<InspectionEvents>): () => void {
    return this.#events.on(listener);
  }

  /**
   * The structure.
   * @throws CheckpointError when it has never been read whole.
   */
  async checkpoint(): Promise<Checkpoint> {
    return (await this.#open()).checkpoint;
  }

  /** All that a view needs to draw. Waits for the headers, not for the cache: what that holds arrives as results. */
  async snapshot(): Promise<Snapshot> {
    await this.#live.settled;
    const { revision, error } = this.#live;
    const name = path.basename(this.path);
    if (this.#opened === null) return { status: "failed", revision, name, path: this.path, error: toWireError(error) };
    const { checkpoint, known } = this.#opened;
    return {
      status: "ready",
      revision,
      overview: { ...overviewOf(checkpoint, name, this.#trusted), findings: this.findings() },
      table: tableOf(checkpoint),
      results: known.all(),
      engine: this.options.engineStatus?.() ?? { state: "stopped" },
    };
  }

  /** The strings of a long list in the metadata that hold `text`, whatever its case. */
  async searchTable(key: string, text: string, limit: number): Promise<TableMatches> {
    const table = (await this.#open()).checkpoint.tables?.get(key);
    if (table === undefined) throw new RpcError({ code: "usage", message: `There is no list ${JSON.stringify(key)} in the metadata.` });
    return table.search(text, limit);
  }

  /** Structure findings and computed ones, worst first; empty until the structure is there. */
  findings(): Finding[] {
    if (this.#opened === null) return [];
    const { checkpoint, known, duplicates } = this.#opened;
    const equal = duplicates.map((group) => group.map((tensor) => known.facts(tensor)));
    return worstFirst([...this.#stale(), ...checkpoint.findings, ...healthFindings(known.allFacts(), checkpoint.tensors, equal)]);
  }

  /** What could not be analysed, and why. */
  notAnalysed(): Finding[] {
    return this.#opened?.known.allFacts().flatMap(notAnalysed) ?? [];
  }

  /** What is known of a tensor, without computing. */
  known(tensor: number): CachedResult | undefined {
    return this.#opened?.known.get(tensor);
  }

  async statistics(index: number, signal?: AbortSignal, onProgress?: OnProgress): Promise<Answer<Statistics>> {
    const { file, expression, scope, keep } = await this.#subject(index, signal);
    const answer = await this.#compute.run(statisticsJob(expression), file, scope, onProgress);
    keep({ tensor: index, statistics: answer.value, fromCache: answer.fromCache, seconds: answer.seconds });
    return answer;
  }

  /** @param points as `NormsParams.points`. */
  async norms(index: number, points: number, signal?: AbortSignal, onProgress?: OnProgress): Promise<Answer<NormsResult>> {
    const { file, expression, scope, keep } = await this.#subject(index, signal);
    const answer = await this.#compute.run(normsJob(expression, points), file, scope, onProgress);
    keep({ tensor: index, norms: answer.value });
    return answer;
  }

  async spectrum(index: number, mode: SpectrumMode, signal?: AbortSignal, onProgress?: OnProgress): Promise<Answer<SpectrumResult>> {
    const { file, expression, scope, keep } = await this.#subject(index, signal);
    const answer = await this.#compute.run(spectrumJob(expression, mode), file, scope, onProgress);
    keep({ tensor: index, spectrum: answer.value });
    return answer;
  }

  /** Scales of a tensor in quantised blocks, and its codes at the ends of their range. */
  async blockScales(index: number, signal?: AbortSignal): Promise<BlockScalesResult> {
    const { expression, file, scope } = await this.#subject(index, signal);
    return (await this.#compute.run(blockScalesJob(expression), file, scope)).value;
  }

  async histogram(index: number, binning: Omit<HistogramParams, "tensor" | "progressToken">, signal?: AbortSignal): Promise<HistogramResult> {
    const { file, expression, scope } = await this.#subject(index, signal);
    return (await this.#compute.run(histogramJob({ ...binning, tensor: expression }), file, scope)).value;
  }

  /** A pooled picture of a window of the matrix that `view` picks out; at most height × width pixels. */
  async picture(index: number, view: MatrixView, window: Window, height: number, width: number, signal?: AbortSignal): Promise<PictureResult> {
    const { tensor, expression, scope } = await this.#subject(index, signal);
    return this.options.engine.request("picture", { tensor: viewAsMatrix(expression, tensor.shape, view), window, height, width }, { signal: scope });
  }

  /** The exact elements of a window of the matrix that `view` picks out. */
  async values(index: number, view: MatrixView, window: Window, signal?: AbortSignal): Promise<ValuesResult> {
    const { tensor, expression, scope } = await this.#subject(index, signal);
    return this.options.engine.request("values", { tensor: viewAsMatrix(expression, tensor.shape, view), window }, { signal: scope });
  }

  /** Analyses all tensors or those named, after any analysis under way. Results arrive as events while it runs. */
  async analyse(request: AnalyseRequest, signal?: AbortSignal): Promise<WholeModelResult> {
    const opened = await this.#open();
    const scope = AbortSignal.any([this.#stop.signal, opened.lifetime.signal, ...(signal === undefined ? [] : [signal])]);
    const run = this.#analysing.then(() => this.#analyse(opened, request, scope));
    this.#analysing = run.catch(() => undefined);
    return run;
  }

  /** Stops the analysis under way and those that wait for it. */
  stopAnalysis(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  /** Groups of tensors with equal content, by index. */
  async duplicates(signal?: AbortSignal): Promise<number[][]> {
    const opened = await this.#open();
    if (!this.#trusted) throw new RpcError({ code: "untrusted", message: "Searching for duplicates reads every byte of the model and is off in Restricted Mode: trust this workspace first." });
    const hash = async (index: number): Promise<string> => {
      const { file, expression, scope } = await this.#subject(index, signal);
      return (await this.#compute.run(hashJob(expression), file, scope)).value.hash;
    };
    opened.duplicates = await findDuplicates(opened.checkpoint.tensors, hash, CONCURRENCY);
    this.#tellFindings.request();
    return opened.duplicates;
  }

  /** What the checkpoint says of itself as an adapter; null when it is none. */
  async adapter(): Promise<AdapterSummary | null> {
    const { checkpoint } = await this.#open();
    const adapter = await readAdapter(checkpoint, this.#sources);
    if (adapter === null) return null;
    const { type, baseName, modules, notMergeable } = adapter;
    return {
      type,
      base: baseName,
      needsBase: modules.some((module) => module.needsBase === true),
      ...(notMergeable === undefined ? {} : { notMergeable }),
      modules: modules.map(({ tensor, type: kind, rank, scale, factors }) => ({ tensor, type: kind, rank, scale, factors })),
    };
  }

  /** Rank usage of an adapter. @param base path of the model it was trained on. */
  async rankUsage(base: string | null, signal?: AbortSignal): Promise<RankUsage> {
    const { checkpoint, lifetime } = await this.#open();
    const scope = signal === undefined ? lifetime.signal : AbortSignal.any([signal, lifetime.signal]);
    const bases = base === null ? [] : [await openCheckpoint(base, this.#sources)];
    const usage = await rankUsage({ checkpoint, bases, sources: this.#sources, engine: this.options.engine, target: { energy: DEFAULT_ENERGY }, signal: scope });
    return { path: this.path, ...usage };
  }

  /** Reads the headers again. When they cannot be read the structure stays as it was, and a finding says why. */
  reload(): Promise<void> {
    return this.#live.reload();
  }

  /** Follows the files on disk from now on: reloads when they changed, patient with half-written ones. */
  watch(): void {
    this.#live.watch();
  }

  /** Ends everything under way; waits until what is known is on disk. */
  async dispose(): Promise<void> {
    this.#live.dispose();
    this.#opened?.lifetime.abort();
    this.#tellResults.cancel();
    this.#tellFindings.cancel();
    const { cache } = this.options;
    if (cache !== undefined) await Promise.all((this.#opened?.checkpoint.files ?? []).map((file) => cache.release(file)));
  }

  get #trusted(): boolean {
    return this.options.trusted?.() ?? true;
  }

  async #open(): Promise<Opened> {
    await this.#live.settled;
    if (this.#opened === null) throw this.#live.error;
    return this.#opened;
  }

  #adopt(checkpoint: Checkpoint): void {
    const earlier = this.#opened;
    const known = new KnownResults(checkpoint);
    if (earlier !== null) known.inherit(earlier.known);
    earlier?.lifetime.abort();
    this.#fresh = [];
    this.#opened = { checkpoint, known, duplicates: [], lifetime: new AbortController() };
    if (this.options.cache !== undefined) void this.#recall(this.#opened, this.options.cache);
  }

  async #recall(opened: Opened, cache: ResultCache): Promise<void> {
    const recalled = await opened.known.load(cache);
    if (recalled.length > 0 && this.#opened === opened) this.#tell(recalled);
  }

  #tell(results: readonly CachedResult[]): void {
    this.#fresh.push(...results);
    this.#tellResults.request();
    this.#tellFindings.request();
  }

  /** That the structure on screen is not what is on disk. */
  #stale(): Finding[] {
    const { error } = this.#live;
    if (error === null) return [];
    return [{ rule: "stale", severity: "error", message: `The file changed and cannot be read now, so this is what it held before: ${toWireError(error).message}.` }];
  }

  async #tellChanged(): Promise<void> {
    this.#events.emit("changed", await this.snapshot());
  }

  /** The tensor with all that computing about it needs. */
  async #subject(index: number, signal?: AbortSignal): Promise<Subject> {
    const opened = await this.#open();
    const tensor = opened.checkpoint.tensors[index];
    if (tensor === undefined) throw new RpcError({ code: "usage", message: `There is no tensor ${index}.` });
    const file = opened.checkpoint.files[tensor.file]!;
    const scope = signal === undefined ? opened.lifetime.signal : AbortSignal.any([signal, opened.lifetime.signal]);
    return {
      tensor,
      file,
      expression: await expressionOf(tensor, file.path, scope),
      scope,
      keep: (result) => {
        if (this.#opened !== opened) return;
        opened.known.add(result);
        this.#tell([result]);
      },
    };
  }

  async #analyse({ checkpoint, known }: Opened, { parts, tensors, mode = "exact" }: AnalyseRequest, signal: AbortSignal): Promise<WholeModelResult> {
    const result = await analyseWholeModel({
      tensors: checkpoint.tensors,
      selection: tensors ?? checkpoint.tensors.map((_, i) => i),
      parts,
      mode,
      concurrency: CONCURRENCY,
      signal,
      run: ({ part, tensor }, onShare) => {
        const onProgress = onShare && (({ done, total }: Progress) => onShare(total > 0 ? done / total : 0));
        if (part === "statistics") return this.statistics(tensor, signal, onProgress);
        return part === "norms" ? this.norms(tensor, NORM_POINTS, signal, onProgress) : this.spectrum(tensor, mode, signal, onProgress);
      },
      suspicion: (tensor) => suspicion(known.facts(tensor)),
      onFailed: ({ part, tensor }, message) => known.fail(tensor, part, message),
      onProgress: (progress) => this.#events.emit("progress", progress),
    });
    this.#tellResults.flush();
    this.#tellFindings.request();
    this.#tellFindings.flush();
    return result;
  }
}

interface Subject {
  tensor: Tensor;
  file: CheckpointFile;
  expression: Expression;
  /** Aborted with the caller's signal or when the structure is replaced. */
  scope: AbortSignal;
  keep(result: CachedResult): void;
}
