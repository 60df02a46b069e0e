/** What is known of the tensors of a checkpoint. */
import type { Checkpoint, CheckpointFile, Tensor } from "../checkpoint/checkpoint";
import type { NormsResult, SpectrumResult } from "../engine/protocol";
import { NORM_POINTS, type AnalysisPart, type CachedResult } from "../protocol/inspect";
import type { Statistics } from "../protocol/results";
import type { ResultCache } from "./cache";
import type { TensorFacts } from "./health";
import { jobKey, normsJob, spectrumJob, statisticsJob } from "./jobs";

export class KnownResults {
  readonly #results = new Map<number, CachedResult>();
  readonly #failures = new Map<number, { part: AnalysisPart; message: string }[]>();

  constructor(private readonly checkpoint: Checkpoint) {}

  get(tensor: number): CachedResult | undefined {
    return this.#results.get(tensor);
  }

  all(): CachedResult[] {
    return [...this.#results.values()];
  }

  add(result: CachedResult): void {
    const failures = this.#failures.get(result.tensor)?.filter(({ part }) => result[part] === undefined);
    if (failures !== undefined) this.#failures.set(result.tensor, failures);
    this.#results.set(result.tensor, { ...this.#results.get(result.tensor), ...result });
  }

  /** Notes why a part of a tensor's analysis failed. */
  fail(tensor: number, part: AnalysisPart, message: string): void {
    const others = (this.#failures.get(tensor) ?? []).filter((failure) => failure.part !== part);
    this.#failures.set(tensor, [...others, { part, message }]);
  }

  /** Of the tensors about which anything is known, in file order. */
  allFacts(): TensorFacts[] {
    const tensors = new Set([...this.#results.keys(), ...this.#failures.keys()]);
    return [...tensors].sort((a, b) => a - b).map((tensor) => this.facts(tensor));
  }

  facts(tensor: number): TensorFacts {
    const { statistics, norms, spectrum } = this.#results.get(tensor) ?? {};
    return { tensor: this.checkpoint.tensors[tensor]!, statistics, norms, spectrum, failures: this.#failures.get(tensor) };
  }

  /** Takes over what `earlier` knew of tensors that are still the same bytes of the same version of their file. */
  inherit(earlier: KnownResults): void {
    const old = new Map(earlier.checkpoint.tensors.map((tensor, i) => [tensor.name, i]));
    this.checkpoint.tensors.forEach((tensor, i) => {
      const before = old.get(tensor.name);
      if (before === undefined) return;
      const result = earlier.#results.get(before);
      if (result !== undefined && identity(earlier.checkpoint, before) === identity(this.checkpoint, i)) this.#results.set(i, { ...result, tensor: i });
    });
  }

  /** Adds what the cache holds; answers with the additions. */
  async load(cache: ResultCache): Promise<CachedResult[]> {
    const added: CachedResult[] = [];
    const files = await Promise.all(this.checkpoint.files.map((file) => cache.of(file)));
    this.checkpoint.tensors.forEach(({ expression, file }, tensor) => {
      const kept = files[file]!;
      // The key of values that are yet to be decoded is not known: they are found in the cache when they are asked for.
      if (expression === null || kept.size === 0) return;
      const { path } = this.checkpoint.files[file]!;
      const statistics = kept.get(jobKey(statisticsJob(expression), path));
      const norms = kept.get(jobKey(normsJob(expression, NORM_POINTS), path));
      const spectrum = kept.get(jobKey(spectrumJob(expression, "exact"), path)) ?? kept.get(jobKey(spectrumJob(expression, "fast"), path));
      if (statistics === undefined && norms === undefined && spectrum === undefined) return;
      const result: CachedResult = {
        tensor,
        ...(statistics === undefined ? {} : { statistics: statistics.value as Statistics, seconds: statistics.seconds }),
        ...(norms === undefined ? {} : { norms: norms.value as NormsResult }),
        ...(spectrum === undefined ? {} : { spectrum: spectrum.value as SpectrumResult }),
        fromCache: true,
      };
      // What was computed while the cache was being read is newer.
      this.#results.set(tensor, { ...result, ...this.#results.get(tensor) });
      added.push(result);
    });
    return added;
  }
}

function identity({ files, tensors }: Checkpoint, index: number): string {
  const { expression, file }: Tensor = tensors[index]!;
  const { bytes, modified }: CheckpointFile = files[file]!;
  return JSON.stringify([expression, bytes, modified]);
}
