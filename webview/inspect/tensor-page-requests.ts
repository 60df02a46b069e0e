/** What the tensor page asks the host for, and when it does so by itself. */
import type { HistogramResult, SpectrumResult } from "../../src/engine/protocol";
import { NORM_POINTS, type SpectrumMode } from "../../src/protocol/inspect";
import type { TableRow } from "../../src/protocol/tensor-table";
import { hasSpectrum, parametersOf } from "./columns";
import { spectrumOperations, type Timed } from "./spectrum-cost";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";

/** Tensors up to this size are read as soon as they are selected: a second from a slow disk. */
const AUTOMATIC_BYTES = 1e9;
/** Spectra up to this short side are computed as soon as the tensor is selected. */
const AUTOMATIC_SIDE = 1024;
const AUTOMATIC_OPERATIONS = 2e11;

const MOST_BINS = 240;
const FEWEST_BINS = 16;
const BINS_PER_DECADE = 16;

/** Of spectra computed while this window was open. */
export const timedSpectra: Timed[] = [];

/** The matrix that norms and spectra see. */
export function matrixShape(shape: readonly number[]): { rows: number; columns: number } {
  const rows = shape[0] ?? 1;
  return { rows, columns: rows === 0 ? 0 : parametersOf(shape) / rows };
}

export const jobKey = {
  statistics: (tensor: number) => `statistics ${tensor}`,
  norms: (tensor: number) => `norms ${tensor}`,
  histogram: (tensor: number, range: readonly [number, number] | undefined) => `histogram ${tensor} ${range?.join() ?? ""}`,
  spectrum: (tensor: number) => `spectrum ${tensor}`,
};

export function requestStatistics(store: InspectStore, tensor: number): void {
  if (store.results.peek().get(tensor)?.statistics !== undefined) return;
  jobsOf(store).ensure(jobKey.statistics(tensor), async (signal) => {
    const { value: statistics, fromCache, seconds } = await store.host.call("statistics", { tensor }, signal);
    store.addResults([{ tensor, statistics, fromCache, seconds }]);
    return null;
  });
}

export function requestNorms(store: InspectStore, tensor: number): void {
  if (store.results.peek().get(tensor)?.norms !== undefined) return;
  jobsOf(store).ensure(jobKey.norms(tensor), async (signal) => {
    const { value: norms } = await store.host.call("norms", { tensor, points: NORM_POINTS }, signal);
    store.addResults([{ tensor, norms }]);
    return null;
  });
}

/** Rice's rule, 2·∛n bins, within what a panel can show. */
export function binsFor(elements: number): number {
  return Math.min(MOST_BINS, Math.max(FEWEST_BINS, Math.ceil(2 * Math.cbrt(elements))));
}

export function requestHistogram(store: InspectStore, tensor: number, range?: [number, number]): void {
  jobsOf(store).ensure<HistogramResult>(jobKey.histogram(tensor, range), (signal) =>
    store.host.call("histogram", { tensor, bins: binsFor(parametersOf(store.rows.peek()[tensor]!.shape)), binsPerDecade: BINS_PER_DECADE, ...(range === undefined ? {} : { range }) }, signal),
  );
}

/** Computes the spectrum in that mode, also when one is known from another mode. */
export function requestSpectrum(store: InspectStore, tensor: number, mode: SpectrumMode): void {
  jobsOf(store).start<SpectrumResult>(jobKey.spectrum(tensor), async (signal) => {
    const { value: spectrum, seconds, fromCache } = await store.host.call("spectrum", { tensor, mode }, signal);
    if (mode === "exact" && !fromCache) timedSpectra.push({ operations: spectrumOperations(spectrum.rows, spectrum.columns, mode), seconds });
    store.addResults([{ tensor, spectrum }]);
    return spectrum;
  }, mode);
}

/** Why there is nothing to compute for this tensor; null when there is. */
export function whyNothing(row: TableRow): string | null {
  if (row.unreadable !== undefined) return `Not analysed: ${row.unreadable}.`;
  return parametersOf(row.shape) === 0 ? "This tensor has no elements." : null;
}

export function isSmall(row: TableRow): boolean {
  return row.bytes <= AUTOMATIC_BYTES;
}

/** Starts what a newly selected tensor shows without being asked. */
export function requestAutomatically(store: InspectStore, tensor: number): void {
  const row = store.rows.peek()[tensor];
  if (row === undefined || whyNothing(row) !== null || !isSmall(row)) return;
  requestAll(store, tensor);
  const { rows, columns } = matrixShape(row.shape);
  if (
    hasSpectrum(row.shape) && Math.min(rows, columns) <= AUTOMATIC_SIDE && spectrumOperations(rows, columns, "exact") <= AUTOMATIC_OPERATIONS &&
    store.results.peek().get(tensor)?.spectrum === undefined && jobsOf(store).of(jobKey.spectrum(tensor)).peek().state === "idle"
  ) requestSpectrum(store, tensor, "exact");
}

/** Everything that one pass over the tensor each gives. */
export function requestAll(store: InspectStore, tensor: number): void {
  const shape = store.rows.peek()[tensor]!.shape;
  requestStatistics(store, tensor);
  requestHistogram(store, tensor);
  if (shape.length >= 2) requestNorms(store, tensor);
}
