/** What is drawn over a singular spectrum: its density, the Marchenko–Pastur bulk and the power-law tail. */
import { toNumber, type Spectrum } from "../../src/protocol/results";
import type { PlotColumn } from "./types";

/** Variance-free scale s of iid entries, from the edge s·(√rows + √columns). */
function entryDeviation({ rows, columns, marchenkoPastur }: Spectrum): number {
  return toNumber(marchenkoPastur.edge) / (Math.sqrt(rows) + Math.sqrt(columns));
}

/** Support of the bulk in σ: s·|√rows ± √columns|. */
export function bulk(spectrum: Spectrum): { low: number; high: number } {
  const s = entryDeviation(spectrum);
  return { low: s * Math.abs(Math.sqrt(spectrum.rows) - Math.sqrt(spectrum.columns)), high: toNumber(spectrum.marchenkoPastur.edge) };
}

/**
 * Marchenko–Pastur density of σ for iid entries of the matrix' own variance s²: with λ± = (s(√rows ± √columns))² and
 * m = min(rows, columns), p(σ) = √((λ₊ − σ²)(σ² − λ₋)) / (π m s² σ). It integrates to 1.
 */
export function marchenkoPasturDensity(spectrum: Spectrum, sigma: number): number {
  const s = entryDeviation(spectrum);
  const { low, high } = bulk(spectrum);
  const inside = (high * high - sigma * sigma) * (sigma * sigma - low * low);
  if (!(inside > 0) || !(sigma > 0)) return 0;
  return Math.sqrt(inside) / (Math.PI * Math.min(spectrum.rows, spectrum.columns) * s * s * sigma);
}

/** Number of singular values in the fitted tail, λ = σ² ≥ xmin; 0 without a fit. */
export function tailLength({ powerLaw, singularValues }: Spectrum): number {
  if (powerLaw === null) return 0;
  // xmin is one of the λ; squaring a printed σ may miss it by an ulp.
  const xmin = toNumber(powerLaw.xmin) * (1 - 1e-12);
  const end = singularValues.findIndex((sigma) => sigma * sigma < xmin);
  return end < 0 ? singularValues.length : end;
}

/**
 * The fitted tail as σ over rank i: of n values with P(λ ≥ x) = (x/xmin)^(1−α), the i-th largest is expected at
 * σ = √xmin·(i/n)^(−1/(2(α−1))).
 */
export function tailCurve(spectrum: Spectrum): { x: number[]; y: number[] } {
  const n = tailLength(spectrum);
  const alpha = spectrum.powerLaw === null ? NaN : toNumber(spectrum.powerLaw.alpha);
  if (n < 2 || !(alpha > 1)) return { x: [], y: [] };
  const root = Math.sqrt(toNumber(spectrum.powerLaw!.xmin));
  const x: number[] = [];
  const y: number[] = [];
  // A straight line in log-log: a few points do.
  for (let step = 0; step <= 40; step++) {
    const i = n ** (step / 40);
    x.push(i);
    y.push(root * (i / n) ** (-1 / (2 * (alpha - 1))));
  }
  return { x, y };
}

/** Normalised histogram of σ with the bin width of Freedman and Diaconis, 8 to 120 bins. */
export function density(singularValues: readonly number[]): { edges: number[]; values: number[] } {
  const n = singularValues.length;
  if (n === 0) return { edges: [], values: [] };
  const high = singularValues[0]!;
  const low = singularValues[n - 1]!;
  if (high === low) return { edges: [low, high === 0 ? 1 : high * (1 + 1e-9)], values: [n > 0 ? 1 : 0] };
  const spread = singularValues[Math.floor(n / 4)]! - singularValues[Math.floor((3 * n) / 4)]!;
  const width = (2 * spread) / Math.cbrt(n);
  const bins = Math.min(120, Math.max(8, width > 0 ? Math.ceil((high - low) / width) : 8));
  const step = (high - low) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const sigma of singularValues) counts[Math.min(bins - 1, Math.floor((sigma - low) / step))]!++;
  return { edges: Array.from({ length: bins + 1 }, (_, i) => low + i * step), values: counts.map((count) => count / (n * step)) };
}

/** i, σᵢ, the share of the energy in the first i, and the residual of each value where there is one. */
export function spectrumTable(spectrum: Spectrum & { residuals?: number[] }): PlotColumn[] {
  const total = toNumber(spectrum.frobeniusNorm) ** 2;
  let sum = 0;
  const energy = spectrum.singularValues.map((sigma) => (total > 0 ? Math.min(1, (sum += sigma * sigma) / total) : null));
  return [
    { name: "i", values: spectrum.singularValues.map((_, i) => i + 1) },
    { name: "σ", values: spectrum.singularValues },
    { name: "energy of the first i", values: energy },
    ...(spectrum.residuals === undefined ? [] : [{ name: "residual", values: spectrum.residuals }]),
  ];
}
