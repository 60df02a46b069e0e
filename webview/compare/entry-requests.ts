/** What a pair's page asks the host for, and when it does so by itself. */
import type { DifferenceResult, HistogramResult, SpectrumResult, SubspacesResult } from "../../src/engine/protocol";
import type { Of } from "../../src/protocol/compare";
import type { Entry } from "./entries";
import { parametersOf } from "./measures";
import type { CompareStore } from "./store";

/** Both tensors together up to this size are read as soon as they are selected: a second from a slow disk. */
const AUTOMATIC_BYTES = 1e9;
/** Spectra up to this short side, and this many operations, are computed as soon as the pair is selected. */
const AUTOMATIC_SIDE = 1024;
const AUTOMATIC_OPERATIONS = 1e11;
const BINS = 200;
const BINS_PER_DECADE = 16;

export const SIDES: readonly Of[] = ["a", "b", "delta"];

export const jobKey = {
  difference: (pair: number) => `difference ${pair}`,
  histogram: (pair: number, of: Of) => `histogram ${of} ${pair}`,
  spectrum: (pair: number, of: Of) => `spectrum ${of} ${pair}`,
  mode: (pair: number, of: Of, axis: number) => `mode ${axis} ${of} ${pair}`,
  subspaces: (pair: number, k: number) => `subspaces ${k} ${pair}`,
};

/** The matrix that lines, spectra and subspaces see: first axis × the rest. */
export function matrixShape(shape: readonly number[]): { rows: number; columns: number } {
  const rows = shape[0] ?? 1;
  return { rows, columns: rows === 0 ? 0 : parametersOf(shape) / rows };
}

export function isSmall({ a, b }: Entry): boolean {
  return (a?.bytes ?? 0) + (b?.bytes ?? 0) <= AUTOMATIC_BYTES;
}

export function isMatrix({ shape }: Entry): boolean {
  return shape.length >= 2 && parametersOf(shape) > 0;
}

/** Are the spectra computed without being asked for? */
export function hasQuickSpectra(entry: Entry): boolean {
  const { rows, columns } = matrixShape(entry.shape);
  const short = Math.min(rows, columns);
  return isSmall(entry) && isMatrix(entry) && short <= AUTOMATIC_SIDE && rows * columns * short * 4 <= AUTOMATIC_OPERATIONS;
}

export function requestDifference(store: CompareStore, pair: number): void {
  store.jobs.ensure<DifferenceResult>(jobKey.difference(pair), (signal) => store.host.call("difference", { pair, binsPerDecade: BINS_PER_DECADE }, signal));
}

export function requestHistograms(store: CompareStore, pair: number): void {
  for (const of of SIDES) store.jobs.ensure<HistogramResult>(jobKey.histogram(pair, of), (signal) => store.host.call("histogram", { pair, of, bins: BINS, binsPerDecade: BINS_PER_DECADE }, signal));
}

/** The change's spectrum answers most: it is asked for before the others. */
export function requestSpectra(store: CompareStore, pair: number, mode: "exact" | "fast" = "exact"): void {
  for (const of of ["delta", "a", "b"] as const) {
    store.jobs.ensure<SpectrumResult>(jobKey.spectrum(pair, of), async (signal) => {
      const spectrum = await store.host.call("spectrum", { pair, of, mode }, signal);
      if (of === "delta") {
        store.addResults([{ pair, spectrum: { rank: spectrum.matrixRank, stableRank: Number(spectrum.stableRank), effectiveRank: Number(spectrum.effectiveRank), energyRank99: spectrum.energyRank["0.99"] } }]);
      }
      return spectrum;
    });
  }
}

export function requestSubspaces(store: CompareStore, pair: number, k: number): void {
  store.jobs.ensure<SubspacesResult>(jobKey.subspaces(pair, k), (signal) => store.host.call("subspaces", { pair, k }, signal));
}

/** Starts the numbers, the structure and what one pass over both gives; the spectra of small ones. */
export function requestAutomatically(store: CompareStore, pair: number): void {
  const entry = store.entries.peek().list[pair];
  if (entry === undefined || entry.unreadable !== undefined || parametersOf(entry.shape) === 0) return;
  const known = store.results.peek().get(pair);
  if (known?.numbers?.equal === true || !isSmall(entry)) return;
  requestAll(store, pair);
  if (hasQuickSpectra(entry)) requestSpectra(store, pair);
}

export function requestAll(store: CompareStore, pair: number): void {
  requestDifference(store, pair);
  requestHistograms(store, pair);
  if (store.results.peek().get(pair)?.structure === undefined) {
    store.jobs.ensure(`structure ${pair}`, async (signal) => {
      store.addResults([{ pair, structure: await store.host.call("structure", { pair }, signal) }]);
      return null;
    });
  }
}
