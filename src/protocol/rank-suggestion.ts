/**
 * Which rank each module of an adapter needs: by the energy of its own spectrum, or by sharing a budget of ranks as EVA does
 * (Paischer et al., "Parameter Efficient Fine-tuning via Explained Variance Adaptation", arXiv 2410.07170), with the spectrum
 * of ΔW in the place of the activations'. Pure; runs in a browser.
 */
import type { RankModule, RankSuggestion } from "./rank";
import { toNumber } from "./results";

/** What ranks are chosen by: the share of Σσ² to keep, or how many ranks there are in all. */
export type RankTarget = { energy: number } | { budget: number };

/** EVA's ρ: no module gets more than this many times the mean rank. */
export const EVA_RHO = 2;

/** The share of Σσ² to keep when nobody says. */
export const DEFAULT_ENERGY = 0.99;

/** Singular values below this share of the largest are rounding of stored f32 factors. */
const ROUNDING = 1e-6;

/** #{σ > 10⁻⁶·σ₁} of descending values. */
export function carrying(singularValues: readonly number[]): number {
  const floor = ROUNDING * (singularValues[0] ?? 0);
  const end = singularValues.findIndex((value) => !(value > floor));
  return end === -1 ? singularValues.length : end;
}

/** Smallest k with Σ_{i≤k} σ² ≥ energy·total; 0 when there is no energy. */
export function energyRank(singularValues: readonly number[], energy: number, total = sumOfSquares(singularValues)): number {
  if (!(total > 0)) return 0;
  let sum = 0;
  for (const [i, value] of singularValues.entries()) {
    sum += value * value;
    if (sum >= energy * total) return i + 1;
  }
  return singularValues.length;
}

/**
 * EVA's rule: the shares of Σσ² of every module pooled, the `budget` largest taken, and each module's rank is how many of its
 * own are among them. The ranks add up to the budget unless there are fewer directions that carry energy.
 * @param cap most ranks for one module.
 */
export function allocate(spectra: readonly (readonly number[])[], budget: number, cap = Infinity): number[] {
  const pool = spectra.flatMap((values, module) => {
    const total = sumOfSquares(values);
    return values.slice(0, Math.min(carrying(values), cap)).map((value) => ({ module, share: (value * value) / total }));
  });
  // Stable: equal shares go to the earlier module.
  pool.sort((a, b) => b.share - a.share);
  const ranks = spectra.map(() => 0);
  for (const { module } of pool.slice(0, budget)) ranks[module]!++;
  return ranks;
}

/** The rank of each module for a target, in order. */
export function suggestedRanks(modules: readonly Pick<RankModule, "spectrum">[], target: RankTarget): number[] {
  const spectra = modules.map(({ spectrum }) => spectrum.singularValues);
  if ("energy" in target) return modules.map(({ spectrum }) => energyRank(spectrum.singularValues, target.energy, toNumber(spectrum.frobeniusNorm) ** 2));
  // A budget is not lost to the cap where modules are few.
  const cap = Math.max(1, Math.round((EVA_RHO * target.budget) / Math.max(spectra.length, 1)));
  return allocate(spectra, target.budget, cap);
}

/**
 * The suggestion over the modules that have a rank, or over all where none has (types of full rank, whole models).
 * @param rootScaled whether the scale is α/√r (rank-stabilised LoRA) rather than α/r.
 */
export function suggestion(modules: readonly RankModule[], rootScaled: boolean): RankSuggestion {
  const chosen = adjustable(modules);
  const ranks = Object.create(null) as Record<string, number>;
  const alphas = Object.create(null) as Record<string, number>;
  let parametersNow = 0;
  let parametersThen = 0;
  for (const { module, tensor, expert, suggestedRank, scale, parameters, spectrum } of chosen) {
    parametersNow += parameters;
    parametersThen += suggestedRank * (spectrum.rows + spectrum.columns);
    if (suggestedRank === 0) continue;
    // Experts of one tensor share a rank, and parameters are named in full.
    const key = expert === undefined ? module : tensor;
    const rank = Math.max(ranks[key] ?? 0, suggestedRank);
    ranks[key] = rank;
    alphas[key] = (scale ?? 1) * (rootScaled ? Math.sqrt(rank) : rank);
  }
  return { rank_pattern: ranks, alpha_pattern: alphas, parametersNow, parametersThen };
}

/** The modules whose rank can be chosen. */
export function adjustable<T extends Pick<RankModule, "rank">>(modules: readonly T[]): T[] {
  const ranked = modules.filter(({ rank }) => rank !== null);
  return ranked.length > 0 ? ranked : [...modules];
}

/** `modules` with the ranks that `target` suggests. A budget is for those whose rank can be chosen; the others get what their energy needs. */
export function withSuggestions(modules: readonly RankModule[], target: RankTarget): RankModule[] {
  const chosen = adjustable(modules);
  const ranks = new Map(suggestedRanks(chosen, target).map((rank, i) => [chosen[i]!, rank]));
  const energy = "energy" in target ? target.energy : DEFAULT_ENERGY;
  return modules.map((module) => ({ ...module, suggestedRank: ranks.get(module) ?? suggestedRanks([module], { energy })[0]! }));
}

function sumOfSquares(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
