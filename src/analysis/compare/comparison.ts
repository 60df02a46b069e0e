/**
 * Two open models with the engine and the cache: all that the view's host side and the command line do, but for dialogs, the
 * clipboard and windows.
 */
import { setMaxListeners } from "node:events";
import { basename } from "node:path";
import type { Checkpoint, CheckpointFile, SourceOpener } from "../../checkpoint/checkpoint";
import { reshape } from "../../checkpoint/adapters/build";
import { LocalFiles } from "../../checkpoint/file-source";
import type { ComparedSide } from "../../checkpoint/pairing/adapted";
import { mappingText } from "../../checkpoint/pairing/mapping-text";
import { settledAlternatives } from "../../checkpoint/pairing/settle";
import { openCheckpoint } from "../../checkpoint/registry";
import type { DifferenceResult, Expression, HistogramParams, HistogramResult, PictureResult, Progress, SpectrumResult, SubspacesResult, ValuesResult, Window } from "../../engine/protocol";
import type { ComparePart, CompareSide, CompareSnapshot, CompareView, Of, PairUpdate } from "../../protocol/compare";
import type { EngineStatus, MatrixView, SpectrumMode } from "../../protocol/inspect";
import { toNumber, type CompareTotals, type Finding, type PairSpectrum, type Structure } from "../../protocol/results";
import { RpcError, toWireError } from "../../protocol/rpc";
import type { ResultCache } from "../cache";
import { Compute } from "../compute";
import type { Engine } from "../engine";
import { Events } from "../events";
import { worstFirst } from "../health";
import { histogramJob, jobKey, spectrumJob, type Job, type JobMethod, type JobResult } from "../jobs";
import type { LiveOptions } from "../live-checkpoint";
import { viewAsMatrix } from "../matrix-view";
import { overviewOf, tableOf } from "../overview";
import { expressionOf, isReadable } from "../readable";
import { StructureFinder } from "../structure/finder";
import { Throttle } from "../throttle";
import { changeOf, unfolded } from "./change";
import { comparisonFindings, type Dropped } from "./findings";
import { LivePair } from "./live-pair";
import type { PairFacts } from "./known";
import { numeric, relative, totalsOf } from "./numbers";
import { type OpenedPair, type PairValues } from "./opened";
import { changeSpectrumJob, detailedDifference, differenceJob, glance, rankAboveRounding } from "./pair-jobs";
import { pairTableOf } from "./pair-table";
import { comparePairs, expectedChange, type CompareTask } from "./run";
import { summaryOf } from "./summary";

export interface ComparisonOptions extends Pick<LiveOptions, "patienceMs"> {
  /** Absolute paths of files, indices or folders. */
  a: string;
  b: string;
  /** Of adapters, where the other side is not what they were trained on. */
  base?: string;
  /** A mapping file. */
  map?: string;
  engine: Engine;
  /** @throws CheckpointError */
  open?(path: string): Promise<Checkpoint>;
  /** What the checkpoints are opened with. Default: local files. */
  sources?: SourceOpener;
  engineStatus?(): EngineStatus;
  cache?: ResultCache;
  /** False in Restricted Mode. */
  trusted?(): boolean;
  /** Relative, as `DifferenceParams.tolerance`. Default: what rounding to the coarser of two dtypes does. */
  tolerance?: number;
}

/** What a comparison tells its listeners. */
export type ComparisonEvents = Pick<CompareView, "changed" | "results" | "findings" | "progress">;

export interface CompareRequest {
  parts: readonly ComparePart[];
  /** Default: all. */
  pairs?: readonly number[];
}

export interface CompareOutcome {
  done: number;
  failed: { pair: number; message: string }[];
  cancelled: boolean;
}

/** Results reach listeners at most this often. */
const RESULTS_MS = 100;
const FINDINGS_MS = 300;
/** Requests under way while models are compared: enough to keep all threads busy with small tensors. */
const CONCURRENCY = 16;
/** Of the R metric: all singular values, and those of at least .3 of the largest. */
const GAMMAS = [0, 0.3];
/** Dimension of the spaces whose overlap is told with the spectra. */
const OVERLAP = 16;

export class Comparison {
  readonly #compute: Compute;
  readonly #events = new Events<ComparisonEvents>();
  readonly #sources: SourceOpener;
  readonly #pair: LivePair;
  /** What `#finder` and the results are of. */
  #adopted: OpenedPair | null = null;
  #finder: StructureFinder | null = null;
  /** Which of several arrangements that headers allow is meant; looked at once for each reading. */
  #settling: Promise<void> | null = null;
  #dropped: Dropped | null = null;
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  /** Pairs whose results listeners have not been told of. */
  readonly #fresh = new Set<number>();
  readonly #tellResults = new Throttle(RESULTS_MS, () => this.#tellFresh());
  readonly #tellFindings = new Throttle(FINDINGS_MS, () => {
    if (this.#events.heard("findings")) this.#events.emit("findings", { findings: this.findings() });
  });

  /** Starts reading the headers; `opened()` waits for that. */
  constructor(private readonly options: ComparisonOptions) {
    this.#sources = options.sources ?? new LocalFiles();
    this.#compute = new Compute(options.engine, options.cache);
    const { a, b, base, map, patienceMs } = options;
    this.#pair = new LivePair({
      a, b, base, map, patienceMs,
      sources: this.#sources,
      open: options.open ?? ((path) => openCheckpoint(path, this.#sources)),
      onPaired: (opened, reread) => this.#adopt(opened, reread),
      onChanged: () => this.#tellChanged(),
    });
  }

  /** Paths as they were given, in their present order. */
  get paths(): { a: string; b: string } {
    return this.#pair.paths;
  }

  /** Adds a listener; returns its removal. */
  on(listener: Partial<ComparisonEvents>): () => void {
    return this.#events.on(listener);
  }

  /**
   * The two models, paired.
   * @throws CheckpointError when one has never been read whole, or they do not belong together.
   */
  opened(): Promise<OpenedPair> {
    return this.#pair.opened();
  }

  /** Waits until values have told what headers alone could not: how fused layers are arranged, say. Never rejects. */
  async settled(): Promise<void> {
    await this.#pair.settled;
    await this.#settling;
  }

  /** All that a view needs to draw. Waits for the headers, not for the cache: what that holds arrives as results. */
  async snapshot(): Promise<CompareSnapshot> {
    await this.#pair.settled;
    const { revision, paths, current: opened } = this.#pair;
    if (opened === null) return { status: "failed", revision, ...paths, error: toWireError(this.#pair.error) };
    const { known } = opened;
    return {
      status: "ready",
      revision,
      a: this.#side(opened.a, paths.a),
      b: this.#side(opened.b, paths.b),
      pairs: pairTableOf(opened.pairing, opened.a.checkpoint),
      results: this.#withTied(known.pairs()).map((pair) => this.#update(opened, pair)),
      totals: known.pairs().length === 0 ? null : totalsOf(opened.differences()),
      summary: summaryOf(opened),
      findings: this.findings(),
      engine: this.options.engineStatus?.() ?? { state: "stopped" },
      map: this.#pair.map,
      heads: opened.heads,
      rewritten: this.#dropped?.files ?? [],
    };
  }

  /** What the headers show and what was computed, worst first; empty until the structure is there. */
  findings(): Finding[] {
    const opened = this.#adopted;
    if (opened === null) return [];
    return worstFirst([...this.#stale(), ...comparisonFindings(opened, this.#dropped)]);
  }

  /** Over the pairs that are known. */
  totals(): CompareTotals {
    return totalsOf(this.#adopted?.differences() ?? []);
  }

  summary(): string[] {
    return this.#adopted === null ? [] : summaryOf(this.#adopted);
  }

  /** Compares all pairs or those named, after any comparison under way. Results arrive as events while it runs. */
  async analyse(request: CompareRequest, signal?: AbortSignal): Promise<CompareOutcome> {
    await this.settled();
    const opened = await this.opened();
    const scope = AbortSignal.any([this.#stop.signal, opened.lifetime.signal, ...(signal === undefined ? [] : [signal])]);
    const run = this.#running.then(() => this.#analyse(opened, request, scope));
    this.#running = run.catch(() => undefined);
    return run;
  }

  /** Stops the comparison under way and those that wait for it. */
  stopAnalysis(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  /** One pair in detail: histogram, lines and worst blocks are there. */
  async difference(pair: number, binsPerDecade: number, signal?: AbortSignal): Promise<DifferenceResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    const params = detailedDifference(values, opened.tensors(pair), binsPerDecade, this.options.tolerance);
    return this.#checked(opened, values, () => this.options.engine.request("difference", params, { signal: scope }));
  }

  async histogram(pair: number, of: Of, binning: Omit<HistogramParams, "tensor" | "progressToken">, signal?: AbortSignal): Promise<HistogramResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    return this.#job(opened, values, histogramJob({ ...binning, tensor: tensorOf(values, of) }), scope);
  }

  /** A pooled picture of a window of the matrix that `view` picks out; at most height × width pixels. */
  async picture(pair: number, of: Of, view: MatrixView, window: Window, height: number, width: number, signal?: AbortSignal): Promise<PictureResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    const tensor = tensorOf(inView(values, opened.pair(pair).shape, view), of);
    return this.#checked(opened, values, () => this.options.engine.request("picture", { tensor, window, height, width }, { signal: scope }));
  }

  /** The exact elements of a window of the matrix that `view` picks out. */
  async values(pair: number, of: Of, view: MatrixView, window: Window, signal?: AbortSignal): Promise<ValuesResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    const tensor = tensorOf(inView(values, opened.pair(pair).shape, view), of);
    return this.#checked(opened, values, () => this.options.engine.request("values", { tensor, window }, { signal: scope }));
  }

  async spectrum(pair: number, of: Of, mode: SpectrumMode, signal?: AbortSignal): Promise<SpectrumResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    const spectrum = await this.#job(opened, values, of === "delta" ? changeSpectrumJob(values, mode) : spectrumJob(values[of], mode), scope);
    return of === "delta" ? rankAboveRounding(spectrum, dtypesOf(opened, pair)) : spectrum;
  }

  /** The spectrum of the mode-`axis` unfolding of a tensor with more than two axes: its count is that axis' rank in a Tucker decomposition. */
  async modeSpectrum(pair: number, of: Of, axis: number, signal?: AbortSignal): Promise<SpectrumResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    const { shape } = opened.pair(pair);
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) throw new RpcError({ code: "usage", message: `There is no axis ${axis}: the tensor has ${shape.length} axes.` });
    const modes = { ...values, a: unfolded(values.a, axis), b: unfolded(values.b, axis) };
    const spectrum = await this.#job(opened, values, spectrumJob(tensorOf(modes, of), "exact"), scope);
    return of === "delta" ? rankAboveRounding(spectrum, dtypesOf(opened, pair)) : spectrum;
  }

  /** How the spaces of the k largest singular vectors of A and B lie to each other. */
  async subspaces(pair: number, k: number, signal?: AbortSignal): Promise<SubspacesResult> {
    const { opened, values, scope } = await this.#subject(pair, signal);
    return this.#job(opened, values, { method: "subspaces", params: { a: values.a, b: values.b, k, gammas: GAMMAS } }, scope);
  }

  /** Spectra of A, B and B − A, and the overlap of A's and B's leading spaces. */
  async pairSpectrum(pair: number, mode: SpectrumMode, signal?: AbortSignal): Promise<PairSpectrum> {
    const { shape } = (await this.opened()).pair(pair);
    const short = Math.min(shape[0] ?? 1, shape.slice(1).reduce((product, length) => product * length, 1));
    const [a, b, delta, subspaces] = await Promise.all([
      this.spectrum(pair, "a", mode, signal),
      this.spectrum(pair, "b", mode, signal),
      this.spectrum(pair, "delta", mode, signal),
      this.subspaces(pair, Math.min(OVERLAP, short), signal),
    ]);
    const { left, right, matching, intruders } = subspaces;
    return { a, b, delta, overlap: { left, right }, matching: matching.map(({ gamma, sum, count }) => ({ gamma, r: count === 0 ? "NaN" : numeric(toNumber(sum) / count) })), intruders };
  }

  /** What a pair's change looks like. */
  async structure(pair: number, signal?: AbortSignal): Promise<Structure> {
    const { opened, values, scope, index } = await this.#subject(pair, signal);
    const known = opened.known.get(index)?.structure;
    if (known !== undefined) return known;
    const structure = await this.#checked(opened, values, () => this.#structures(opened).of(index, { signal: scope }));
    this.#keep(opened, index, { structure });
    return structure;
  }

  /** Switches a pairing rule on or off, by its id. */
  switchRule(rule: string, on: boolean): Promise<void> {
    return this.#pair.switchRule(rule, on);
  }

  /** Pairs two tensors by hand (indices), or leaves A's without a partner. */
  pairUp(a: number, b: number | null): Promise<void> {
    return this.#pair.pairUp(a, b);
  }

  /**
   * Pairs as a mapping file says; null: without one.
   * @throws CheckpointError when it cannot be read or does not fit the models; then nothing has changed.
   */
  async useMap(path: string | null): Promise<void> {
    await this.#pair.useMap(path);
  }

  /** The present pairing as the text of a mapping file. */
  async mapText(): Promise<string> {
    const { a, b, pairing } = await this.opened();
    return mappingText(pairing, a.checkpoint, b.checkpoint);
  }

  /** Exchanges A and B. */
  swap(): Promise<void> {
    return this.#pair.swap();
  }

  /** Reads both headers again. What cannot be read stays as it was, and a finding says why. */
  reload(): Promise<void> {
    return this.#pair.reload();
  }

  /** Follows the files on disk from now on: reads again when they changed, patient with half-written ones. */
  watch(): void {
    this.#pair.watch();
  }

  /** Ends everything under way; waits until what is known is on disk. */
  async dispose(): Promise<void> {
    this.#pair.dispose();
    this.#tellResults.cancel();
    this.#tellFindings.cancel();
    const { cache } = this.options;
    const opened = this.#pair.current;
    if (cache === undefined || opened === null) return;
    await Promise.all([...opened.a.checkpoint.files, ...opened.b.checkpoint.files].map((file) => cache.release(file)));
  }

  get #trusted(): boolean {
    return this.options.trusted?.() ?? true;
  }

  #adopt(opened: OpenedPair, reread: boolean): void {
    const earlier = this.#adopted;
    if (reread && earlier !== null) {
      const lost = earlier.known.pairs().length - opened.known.pairs().length;
      if (lost > 0) this.#dropped = { files: opened.versions.othersThan(earlier.versions), pairs: lost };
    }
    this.#adopted = opened;
    if (reread) this.#settling = null;
    if (opened.pairing.alternatives.length > 0) this.#settling ??= this.#settle(opened);
    this.#fresh.clear();
    this.#finder = null;
    if (this.options.cache !== undefined) void this.#recall(opened, this.options.cache);
  }

  /** Without an engine the likeliest arrangement stays. */
  async #settle({ pairing, a, b, lifetime }: OpenedPair): Promise<void> {
    const { signal } = lifetime;
    try {
      const probe = async (x: Expression, y: Expression): Promise<number> => {
        const { norm, a: side } = await this.options.engine.request("difference", glance({ a: x, b: y }) ?? { a: x, b: y }, { signal });
        return relative(toNumber(norm), toNumber(side.l2));
      };
      const preferred = await settledAlternatives(pairing, a.checkpoint, b.checkpoint, probe, (tensor) => (isReadable(tensor) ? expressionOf(tensor, "", signal) : Promise.resolve(null)));
      if (preferred.size > 0 && !signal.aborted) await this.#pair.prefer(preferred);
    } catch {
      // Whoever asks for numbers will be told the same reason.
    }
  }

  async #tellChanged(): Promise<void> {
    if (this.#events.heard("changed")) this.#events.emit("changed", await this.snapshot());
  }

  /** Takes what the cache holds of the differences. */
  async #recall(opened: OpenedPair, cache: ResultCache): Promise<void> {
    const recalled: number[] = [];
    for (const index of opened.pairing.pairs.keys()) {
      if (opened.lifetime.signal.aborted) return;
      const { a, b } = opened.tensors(index);
      // The key of values that are yet to be decoded is not known: they are found in the cache when they are asked for.
      if (a.expression === null || b.expression === null || opened.known.get(index)?.difference !== undefined) continue;
      const files = opened.filesOf(index);
      const kept = await cache.of(...files);
      if (kept.size === 0) continue;
      const values = await opened.values(index);
      const found = kept.get(jobKey(differenceJob(values, opened.tensors(index), this.options.tolerance), ...files.map(({ path }) => path)));
      if (found === undefined) continue;
      opened.known.add(index, { difference: found.value as DifferenceResult });
      recalled.push(index);
    }
    if (this.#adopted === opened) this.#tell(recalled);
  }

  #tell(pairs: readonly number[]): void {
    if (pairs.length === 0) return;
    for (const pair of pairs) this.#fresh.add(pair);
    this.#tellResults.request();
    this.#tellFindings.request();
  }

  #tellFresh(): void {
    const opened = this.#adopted;
    if (opened === null || this.#fresh.size === 0) return;
    const results = this.#withTied([...this.#fresh]).map((pair) => this.#update(opened, pair));
    this.#fresh.clear();
    if (this.#events.heard("results")) this.#events.emit("results", { results, totals: this.totals(), summary: this.summary() });
  }

  #update(opened: OpenedPair, pair: number): PairUpdate {
    return { ...opened.known.update(opened.primary(pair)), pair };
  }

  /** These pairs, and those of the same tensors under other names. */
  #withTied(pairs: readonly number[]): number[] {
    const tied = this.#adopted?.tied;
    if (tied === undefined || tied.size === 0) return [...pairs];
    const wanted = new Set(pairs);
    return [...pairs, ...[...tied].flatMap(([pair, first]) => (wanted.has(first) ? [pair] : []))].sort((x, y) => x - y);
  }

  /** That the structure on screen is not what is on disk. */
  #stale(): Finding[] {
    const { error } = this.#pair;
    if (error === null) return [];
    return [{ rule: "stale", severity: "error", message: `A file changed and cannot be read now, so this is what it held before: ${toWireError(error).message.replace(/\.$/, "")}.` }];
  }

  #side({ checkpoint, adapter }: ComparedSide, path: string): CompareSide {
    return {
      overview: overviewOf(checkpoint, basename(path), this.#trusted),
      table: tableOf(checkpoint),
      ...(adapter === undefined ? {} : { adapter: { type: adapter.type, base: adapter.base ?? "" } }),
    };
  }

  /** The pair with all that computing about it needs. */
  async #subject(pair: number, signal?: AbortSignal): Promise<Subject> {
    const opened = await this.opened();
    const index = opened.primary(pair);
    const { unreadable } = opened.pair(index);
    if (unreadable !== undefined) throw new RpcError({ code: "unsupported", message: unreadable, tensor: opened.name(index) });
    const scope = signal === undefined ? opened.lifetime.signal : AbortSignal.any([signal, opened.lifetime.signal]);
    return { opened, index, values: await opened.values(index, scope), scope };
  }

  async #job<M extends JobMethod>(opened: OpenedPair, values: PairValues, job: Job<M>, scope: AbortSignal, onProgress?: (progress: Progress) => void): Promise<JobResult<M>> {
    return this.#checked(opened, values, async () => (await this.#compute.run(job, values.files, scope, onProgress)).value);
  }

  /**
   * What `work` answers about the files as they were opened.
   * @throws RpcError `"changed"` when one of them changed meanwhile: nobody knows which version the answer belongs to.
   */
  async #checked<T>(opened: OpenedPair, { files }: PairValues, work: () => Promise<T>): Promise<T> {
    let answer: T;
    try {
      answer = await work();
    } catch (error) {
      if (!opened.lifetime.signal.aborted) await this.#refuseChanged(opened, files);
      throw error;
    }
    await this.#refuseChanged(opened, files);
    return answer;
  }

  async #refuseChanged(opened: OpenedPair, files: readonly CheckpointFile[]): Promise<void> {
    const changed = await opened.versions.firstChanged(files);
    if (changed === undefined) return;
    const lost = opened.known.pairs().filter((pair) => opened.filesOf(pair).some(({ path }) => opened.versions.changed.has(path)));
    for (const pair of lost) opened.known.forget(pair);
    this.#dropped = { files: [...opened.versions.changed], pairs: (this.#dropped?.pairs ?? 0) + lost.length };
    if (lost.length > 0 && this.#adopted === opened) await this.#tellChanged();
    throw new RpcError({ code: "changed", message: "The file changed while it was compared: compare again.", file: changed.path });
  }

  /** Made when it is first asked for: it looks at all names. */
  #structures(opened: OpenedPair): StructureFinder {
    const make = (): StructureFinder => new StructureFinder({ engine: this.options.engine, pairs: opened.structurePairs(), heads: opened.heads });
    return opened === this.#adopted ? (this.#finder ??= make()) : make();
  }

  #keep(opened: OpenedPair, pair: number, facts: PairFacts): void {
    if (this.#adopted !== opened) return;
    opened.known.add(pair, facts);
    this.#tell([pair]);
  }

  async #analyse(opened: OpenedPair, { parts, pairs }: CompareRequest, signal: AbortSignal): Promise<CompareOutcome> {
    // Every request under way listens.
    setMaxListeners(0, signal);
    this.#dropped = null;
    const expected = new Map<number, number>();
    const { failed, ...rest } = await comparePairs({
      opened,
      parts,
      ...(pairs === undefined ? {} : { pairs }),
      concurrency: CONCURRENCY,
      signal,
      expected: (pair) => expected.get(pair) ?? 0,
      run: async (task, onShare) => {
        const onProgress = onShare && (({ done, total }: Progress) => onShare(total > 0 ? done / total : 0));
        await this.#task(opened, task, expected, signal, onProgress);
        return { fromCache: false };
      },
      onFailed: ({ part, pair }, message) => {
        if (part !== "glance") opened.known.fail(pair, part, message);
        this.#tell([pair]);
      },
      onProgress: (progress) => this.#events.emit("progress", progress),
    });
    this.#tellResults.flush();
    this.#tellFindings.request();
    this.#tellFindings.flush();
    return { ...rest, failed: failed.filter(({ task }) => task.part !== "glance").map(({ task, message }) => ({ pair: task.pair, message })) };
  }

  async #task(opened: OpenedPair, { part, pair }: CompareTask, expected: Map<number, number>, signal: AbortSignal, onProgress?: (progress: Progress) => void): Promise<void> {
    const values = await opened.values(pair, signal);
    if (part === "structure") {
      const structure = await this.#checked(opened, values, () => this.#structures(opened).of(pair, { signal }));
      this.#keep(opened, pair, { structure });
    } else if (part === "spectrum") {
      const spectrum = await this.#job(opened, values, changeSpectrumJob(values), signal, onProgress);
      this.#keep(opened, pair, { spectrum: rankAboveRounding(spectrum, dtypesOf(opened, pair)) });
    } else if (part === "difference") {
      this.#keep(opened, pair, { difference: await this.#job(opened, values, differenceJob(values, opened.tensors(pair), this.options.tolerance), signal, onProgress) });
    } else {
      const rows = glance(values);
      if (rows !== null) expected.set(pair, expectedChange(await this.options.engine.request("difference", rows, { signal })));
    }
  }
}

interface Subject {
  opened: OpenedPair;
  /** The pair that is compared for the one asked for. */
  index: number;
  values: PairValues;
  /** Aborted with the caller's signal or when the structure is replaced. */
  scope: AbortSignal;
}

function tensorOf({ a, b }: Pick<PairValues, "a" | "b">, of: Of): Expression {
  return of === "delta" ? changeOf(a, b) : of === "a" ? a : b;
}

/** Both sides as the matrix that `view` picks out. */
function inView({ a, b }: PairValues, shape: readonly number[], view: MatrixView): Pick<PairValues, "a" | "b"> {
  return { a: viewAsMatrix(a, shape, view), b: viewAsMatrix(reshape(b, [...shape]), shape, view) };
}

function dtypesOf(opened: OpenedPair, pair: number): { a: string; b: string } {
  const { a, b } = opened.tensors(pair);
  return { a: a.dtype, b: b.dtype };
}
