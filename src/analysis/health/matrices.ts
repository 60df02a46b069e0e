/** Rules about a tensor as a matrix: its rows, columns and spectrum. */
import type { AxisNorms } from "../../engine/protocol";
import { toNumber } from "../../protocol/results";
import { figure, grouped, isFloat, isUnscaled, kind, percent, type Rule, type TensorFacts, type Verdict } from "./facts";

/** A dead row is worth a warning from this share of all rows; single ones are pruned units or padding. */
const DEAD_SHARE = 0.01;
/** A norm is far out when it is this many MADs and this many times away from the median … */
const OUTLIER_DEVIATIONS = 20;
const OUTLIER_RATIO = 10;
/** … and alarming from here: columns meet inputs of different scale, rows do not. */
const ALARMING_RATIO = { row: 100, column: 1000 };
const VANISHING_RATIO = 1e-3;
const SMALLEST_JUDGED = 16;
const COLLAPSED_SHARE = 0.1;
const DEFICIENT_SHARE = 0.5;
/** As WeightWatcher, which fits no fewer values. */
const SMALLEST_FIT = 50;

export const matrixRules: readonly Rule[] = [
  { id: "dead-rows", judge: (facts) => dead(facts, "row") },
  { id: "dead-columns", judge: (facts) => dead(facts, "column") },
  { id: "row-outlier", judge: (facts) => outlier(facts, "row") },
  { id: "column-outlier", judge: (facts) => outlier(facts, "column") },
  { id: "collapsed-spectrum", judge: collapsed },
  { id: "over-trained", judge: (facts) => trained(facts, (alpha) => alpha < 2, "below 2, so its tail is heavier than well-trained layers' are: perhaps over-trained") },
  { id: "under-trained", judge: (facts) => trained(facts, (alpha) => alpha > 6, "above 6, so it is close to random: perhaps under-trained") },
];

type Axis = "row" | "column";

function norms({ norms }: TensorFacts, axis: Axis): AxisNorms | undefined {
  return axis === "row" ? norms?.rows : norms?.columns;
}

function dead(facts: TensorFacts, axis: Axis): Verdict | null {
  const along = norms(facts, axis);
  // All dead is another rule's; in a single row or column dead means zero elements.
  if (along === undefined || along.dead === 0 || along.dead === along.count || norms(facts, axis === "row" ? "column" : "row")!.count < 2) return null;
  const places = along.deadIndices.slice(0, 5).map(grouped).join(", ") + (along.dead > 5 ? " …" : "");
  const message = `${grouped(along.dead)} of ${grouped(along.count)} ${axis}s are all zero (${places})`;
  if (["embed", "position", "head"].includes(kind(facts))) return { severity: "info", message: `${message}: padding, or entries that are not used.` };
  return { severity: along.dead >= DEAD_SHARE * along.count && isFloat(facts.tensor) ? "warning" : "info", message: `${message}.` };
}

function outlier(facts: TensorFacts, axis: Axis): Verdict | null {
  const along = norms(facts, axis);
  if (along === undefined || along.count < SMALLEST_JUDGED || !isUnscaled(facts.tensor)) return null;
  const median = toNumber(along.median);
  if (!(median > 0)) return null;
  const far = along.outliers.filter(({ norm, deviations }) => {
    const size = toNumber(norm);
    return Number.isFinite(size) && size >= OUTLIER_RATIO * median && toNumber(deviations) >= OUTLIER_DEVIATIONS;
  });
  const [worst] = far;
  if (worst !== undefined) {
    const ratio = toNumber(worst.norm) / median;
    const others = far.length > 1 ? ` and ${far.length === along.outliers.length ? "at least " : ""}${far.length - 1} more stand out` : " stands out";
    const name = axis === "row" ? "Row" : "Column";
    return {
      severity: ratio >= ALARMING_RATIO[axis] ? "warning" : "info",
      message: `${name} ${grouped(worst.index)}${others}: its norm is ${figure(ratio)} times the median ${figure(median)}, ${figure(worst.deviations)} MADs away (from ${OUTLIER_RATIO} times and ${OUTLIER_DEVIATIONS} MADs on it is reported).`,
    };
  }
  const least = toNumber(along.min);
  if (least === 0 || least >= VANISHING_RATIO * median) return null;
  return { severity: "info", message: `The smallest ${axis} norm is ${figure(least)}, less than a thousandth of the median ${figure(median)}: nearly dead.` };
}

function collapsed({ tensor, spectrum }: TensorFacts): Verdict | null {
  if (spectrum === undefined || !isUnscaled(tensor)) return null;
  const short = Math.min(spectrum.rows, spectrum.columns);
  // Of the largest few values alone nothing can be said.
  if (short < SMALLEST_JUDGED || spectrum.singularValues.length < short || spectrum.matrixRank === 0) return null;
  const { matrixRank } = spectrum;
  const effective = toNumber(spectrum.effectiveRank);
  if (matrixRank < DEFICIENT_SHARE * short)
    return { severity: "warning", message: `The rank is ${grouped(matrixRank)} of ${grouped(short)} (below half it is reported).` };
  if (effective < COLLAPSED_SHARE * short)
    return { severity: "warning", message: `The effective rank is ${figure(effective)} of ${grouped(short)}, ${percent(effective, short)} (below ${percent(COLLAPSED_SHARE, 1)} it is reported).` };
  return matrixRank < short ? { severity: "info", message: `The rank is ${grouped(matrixRank)} of ${grouped(short)}: some rows or columns depend on others.` } : null;
}

function trained(facts: TensorFacts, suspicious: (alpha: number) => boolean, reading: string): Verdict | null {
  const { tensor, spectrum } = facts;
  if (spectrum === undefined || spectrum.powerLaw === null || !isUnscaled(tensor)) return null;
  const short = Math.min(spectrum.rows, spectrum.columns);
  if (short < SMALLEST_FIT || spectrum.singularValues.length < short || ["embed", "position", "lora_a", "lora_b"].includes(kind(facts))) return null;
  const alpha = toNumber(spectrum.powerLaw.alpha);
  return suspicious(alpha) ? { severity: "info", message: `The power-law exponent α is ${figure(alpha)}, ${reading} (WeightWatcher's reading).` } : null;
}
