/** Comparing all pairs: first a glance, then the pairs whose change is expected to be the largest. */
import type { ComparePart } from "../../protocol/compare";
import { toNumber } from "../../protocol/results";
import { cost } from "../jobs";
import { runPhases, type PhasesOptions, type PhasesResult } from "../phases";
import { byChange } from "./numbers";
import type { OpenedPair } from "./opened";
import { hasSpectrum, isLarge } from "./pair-jobs";

export interface CompareTask {
  /** `"glance"`: the change of a few rows, to order the large ones by. */
  part: ComparePart | "glance";
  pair: number;
}

export interface RunOptions extends Pick<PhasesOptions<CompareTask>, "concurrency" | "signal" | "run" | "onProgress" | "onFailed"> {
  opened: OpenedPair;
  /** Default: all pairs. */
  pairs?: readonly number[];
  parts: readonly ComparePart[];
  /** The relative change that a glance showed; asked after it. */
  expected(pair: number): number;
}

export type RunResult = PhasesResult<CompareTask>;

/**
 * Differences of small pairs in A's order, of large ones by what a glance at some rows of each shows; then structures and spectra of
 * the pairs that differ, the largest relative change first. What is known already is not asked for again.
 */
export function comparePairs(options: RunOptions): Promise<RunResult> {
  const { opened, parts, expected } = options;
  const { known } = opened;
  const all = options.pairs ?? opened.pairing.pairs.map((_, i) => i);
  const selection = [...new Set(all.map((pair) => opened.primary(pair)))].filter((pair) => opened.pair(pair).unreadable === undefined);
  const tasks = (part: CompareTask["part"], of: readonly number[]): CompareTask[] => of.map((pair) => ({ part, pair }));

  const phases: PhasesOptions<CompareTask>["phases"][number][] = [];
  if (parts.includes("difference")) {
    const open = selection.filter((pair) => known.get(pair)?.difference === undefined);
    const large = open.filter((pair) => isLarge(opened.size(pair).elements));
    const later = tasks("difference", large);
    phases.push({ tasks: tasks("difference", open.filter((pair) => !isLarge(opened.size(pair).elements))) });
    if (large.length > 1) phases.push({ tasks: tasks("glance", large) });
    phases.push({ tasks: later, ordered: () => later.sort((x, y) => expected(y.pair) - expected(x.pair)) });
  }
  const ofChanges = (part: "structure" | "spectrum", of: readonly number[]): void => {
    const changed = tasks(part, of.filter((pair) => known.get(pair)?.[part] === undefined));
    phases.push({ tasks: changed, ordered: () => worstFirst(changed.filter(({ pair }) => known.numbers(pair)?.equal !== true), opened) });
  };
  if (parts.includes("structure")) ofChanges("structure", selection);
  if (parts.includes("spectrum")) ofChanges("spectrum", selection.filter((pair) => hasSpectrum(opened.pair(pair).shape)));

  return runPhases({
    ...options,
    phases,
    facts: ({ part, pair }) => {
      const { bytes } = opened.size(pair);
      const tensor = { bytes, shape: [...opened.pair(pair).shape] };
      const scan = cost("statistics", tensor, "exact");
      const work = part === "spectrum" ? cost("spectrum", tensor, "exact") : part === "structure" ? 3 * scan : part === "glance" ? 3e-5 : scan;
      return { name: opened.name(pair), index: pair, bytes: part === "glance" ? 0 : bytes, work };
    },
  });
}

function worstFirst(tasks: CompareTask[], { known }: OpenedPair): CompareTask[] {
  const unknown = { equal: false, relative: 0, changed: 0 };
  return tasks.sort((x, y) => byChange(known.numbers(x.pair) ?? unknown, known.numbers(y.pair) ?? unknown));
}

/** What a glance says of the whole. */
export function expectedChange({ norm, a }: { norm: number | string; a: { l2: number | string } }): number {
  const change = toNumber(norm) / toNumber(a.l2);
  return Number.isNaN(change) ? 0 : change;
}
