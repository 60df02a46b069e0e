/** Spectra of all pairs that differ. */
import type { AnalysisProgress, SpectrumMode } from "../../protocol/inspect";
import type { PairSpectrum } from "../../protocol/results";
import { cost } from "../jobs";
import { runPhases } from "../phases";
import type { Comparison } from "./comparison";
import { byChange } from "./numbers";
import { hasSpectrum } from "./pair-jobs";

export interface Spectra {
  spectra: Map<number, PairSpectrum>;
  failed: { pair: number; message: string }[];
}

/** Pairs under way: each asks for four things. */
const CONCURRENCY = 4;

/** Of the matrices among `pairs` that are known to differ, the largest relative change first. */
export async function pairSpectra(
  comparison: Comparison,
  pairs: readonly number[],
  mode: SpectrumMode,
  signal: AbortSignal,
  onProgress: (progress: AnalysisProgress) => void,
): Promise<Spectra> {
  const opened = await comparison.opened();
  const { known } = opened;
  const changed = [...new Set(pairs.map((pair) => opened.primary(pair)))].filter((pair) => hasSpectrum(opened.pair(pair).shape) && known.numbers(pair)?.equal === false);
  changed.sort((x, y) => byChange(known.numbers(x)!, known.numbers(y)!));
  const spectra = new Map<number, PairSpectrum>();
  const { failed } = await runPhases<number>({
    phases: [{ tasks: changed }],
    facts: (pair) => {
      const { bytes } = opened.size(pair);
      return { name: opened.name(pair), index: pair, bytes, work: 3 * cost("spectrum", { bytes, shape: [...opened.pair(pair).shape] }, mode) };
    },
    concurrency: CONCURRENCY,
    signal,
    run: async (pair) => {
      spectra.set(pair, await comparison.pairSpectrum(pair, mode, signal));
      return { fromCache: false };
    },
    onProgress,
    onFailed: () => undefined,
  });
  return { spectra, failed: failed.map(({ task, message }) => ({ pair: task, message })) };
}
