/** Rank usage: how much of the rank that an adapter allocates carries its update. */
import type { Finding, Numeric, Spectrum } from "./results";

/** One changed matrix. */
export interface RankModule {
  /** The base's module, and its tensor. */
  module: string;
  tensor: string;
  /** Which of a tensor of stacked experts. */
  expert?: number;
  type: string;
  /** Allocated rank; null where the type has none. */
  rank: number | null;
  /** Factor on the update; null where the type has none. */
  scale: number | null;
  /** Of ΔW, as the base stores it. */
  shape: number[];
  /** ‖ΔW‖_F. */
  deltaNorm: number;
  /** ‖ΔW‖_F / ‖W‖_F, when the base is known. */
  relativeNorm?: number;
  /** Of ΔW as (out, in·kernel), or its transpose where the base stores that. */
  spectrum: Spectrum;
  /** Allocated directions without energy: `rank` − #{σ > 10⁻⁶·σ₁}, the precision of stored factors; 0 without a rank. */
  unused: number;
  suggestedRank: number;
  /** |scale|·‖b_i‖·‖a_i‖ for each direction i of a product B·A, in the factors' order. */
  perRankNorms?: Numeric[];
  /** EVA: ‖A·Aᵀ − I‖_F; the rows of A start orthonormal. */
  orthogonalityDrift?: number;
  /** Parameters of the adapter's tensors behind this matrix. */
  parameters: number;
}

export interface RankSuggestion {
  /** PEFT's `rank_pattern` and `alpha_pattern`: full module names. Modules that would get no rank are left out. */
  rank_pattern: Record<string, number>;
  alpha_pattern: Record<string, number>;
  /** Of the matrices the suggestion is about: now, and as LoRA factors of the suggested ranks. */
  parametersNow: number;
  parametersThen: number;
}

/** What `weight-loupe rank --json` prints, and the view shows. */
export interface RankUsage {
  path: string;
  /** PEFT's type or the layout's algorithm; `"FULL"` for a model compared with its base. */
  type: string;
  /** The base as it was given, else as the adapter names it. */
  base: string | null;
  /** Whether `scale` is α/√r (rank-stabilised LoRA) rather than α/r. */
  rootScaled: boolean;
  /** In the adapter's order. */
  modules: RankModule[];
  suggestion: RankSuggestion;
  findings: Finding[];
}
