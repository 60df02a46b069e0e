/** The numbers of a tensor: its statistics, and what is read off its spectrum. */
import type { SpectrumResult } from "../../src/engine/protocol";
import { QUANTILES, toNumber, type Numeric, type Statistics } from "../../src/protocol/results";
import { formatCount, formatExact, formatInteger, formatNumber, formatShape } from "../ui/format";
import { Figures, type Figure } from "../frame/figures";
import { describeHow } from "../frame/how";
import type { InspectStore } from "./store";

const real = (label: string, title: string, value: Numeric | undefined, approximate = false): Figure => ({
  label, title, approximate, text: value === undefined ? null : formatNumber(value), exact: value === undefined ? "" : formatExact(value),
});
const count = (label: string, title: string, value: number | undefined, alarming = false): Figure => ({
  label, title, alarming: alarming && value !== undefined && value > 0, text: value === undefined ? null : formatCount(value), exact: value === undefined ? "" : String(value),
});

export function StatisticsFigures({ store, statistics: s }: { store: InspectStore; statistics: Statistics | undefined }) {
  return (
    <div class="figure-groups">
      <Figures view={store} title="Statistics" how={s === undefined ? undefined : describeHow(s.how)} figures={statisticsFigures(s)} />
      <Figures
        view={store}
        title="Quantiles"
        how={s === undefined ? undefined : describeHow(s.how)}
        figures={QUANTILES.map((level) => real(level, `quantile ${level} of the finite values`, s?.quantiles[level]))}
      />
    </div>
  );
}

function statisticsFigures(s: Statistics | undefined): Figure[] {
  return [
    count("count", "number of elements", s?.count),
    real("min", "smallest finite value", s?.min),
    real("max", "largest finite value", s?.max),
    real("mean", "mean", s?.mean),
    real("σ", "standard deviation (population)", s?.standardDeviation),
    real("RMS", "root mean square", s?.rms),
    real("|max|", "largest magnitude", s?.maxAbs),
    real("L1", "sum of magnitudes", s?.l1),
    real("L2", "Euclidean (Frobenius) norm", s?.l2),
    real("kurtosis", "fourth standardised moment; 3 for a normal distribution", s?.kurtosis),
    count("zeros", "elements equal to 0", s?.zeros),
    count("subnormal", "subnormal numbers", s?.subnormals),
    count("NaN", "elements that are not a number", s?.nan, true),
    count("+∞", "elements that are +infinity", s?.positiveInfinity, true),
    count("−∞", "elements that are −infinity", s?.negativeInfinity, true),
  ];
}

export function SpectrumFigures({ store, spectrum: s }: { store: InspectStore; spectrum: SpectrumResult | undefined }) {
  const approximate = s !== undefined && !s.how.exact;
  const figure = (label: string, title: string, value: Numeric | null | undefined): Figure =>
    value === null ? { label, title, text: "–", exact: "not defined" } : real(label, title, value, approximate);
  const figures = [
    figure("σ₁", "spectral norm, the largest singular value", s?.spectralNorm),
    figure("‖W‖", "Frobenius norm", s?.frobeniusNorm),
    figure("stable rank", "‖W‖²/σ₁²", s?.stableRank),
    figure("effective rank", "exp of the entropy of σ/Σσ (Roy & Vetterli)", s?.effectiveRank),
    figure("k₉₀", "singular values that hold 90 % of the energy Σσ²", s?.energyRank["0.9"]),
    figure("k₉₅", "singular values that hold 95 % of the energy Σσ²", s?.energyRank["0.95"]),
    figure("k₉₉", "singular values that hold 99 % of the energy Σσ²", s?.energyRank["0.99"]),
    figure("rank", "singular values above σ₁·max(rows, columns)·2⁻⁵²", s?.matrixRank),
    figure("condition", "σ₁ over the smallest singular value", s?.conditionNumber),
    figure("MP edge", "Marchenko–Pastur edge for independent entries of the same variance", s?.marchenkoPastur.edge),
    figure("> MP edge", "singular values above that edge", s?.marchenkoPastur.above),
    figure("α", "power-law exponent of the tail of λ = σ²; between 2 and 6 in well-trained layers (WeightWatcher)", s === undefined ? undefined : (s.powerLaw?.alpha ?? null)),
    figure("xmin", "where the power-law tail starts, in λ", s === undefined ? undefined : (s.powerLaw?.xmin ?? null)),
    figure("D", "Kolmogorov–Smirnov distance between the tail and its fit", s === undefined ? undefined : (s.powerLaw?.distance ?? null)),
  ];
  return (
    <Figures view={store} title="Spectrum" how={s === undefined ? undefined : describeHow(s.how)} figures={figures}>
      {s?.flattenedFrom !== undefined && (
        <p class="remark">Flattened from {formatShape(s.flattenedFrom)} to {formatInteger(s.rows)} × {formatInteger(s.columns)}.</p>
      )}
      {s?.residuals !== undefined && (
        <p class="remark">
          The {s.singularValues.length} largest; each lies within its residual, at most {formatNumber(s.residuals.reduce((a, b) => Math.max(a, toNumber(b)), 0))}, of a true singular value.
        </p>
      )}
    </Figures>
  );
}
