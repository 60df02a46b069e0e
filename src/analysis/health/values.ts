/** Rules about a tensor's elements. */
import { toNumber } from "../../protocol/results";
import { figure, grouped, isFloat, isUnscaled, isWeightMatrix, kind, percent, type Rule, type TensorFacts, type Verdict } from "./facts";

/** RMS times the root of the fan-in: how much a matrix amplifies independent inputs of unit variance. */
const LARGEST_GAIN = 30;
const LARGEST_NORM_RMS = 50;
const LARGEST_EMBEDDING_RMS = 100;
const LARGEST_MAGNITUDE = 1e4;
const LARGEST_F16 = 65504;
/** Share of subnormal elements from which precision is lost in earnest. F16's subnormals begin at 6.1e-5, which small weights reach. */
const SUBNORMAL_SHARE = { F16: 0.1, other: 0.01 };
const FEWEST_SUBNORMALS = 32;

export const valueRules: readonly Rule[] = [
  {
    id: "nan",
    judge: ({ statistics }) =>
      statistics === undefined || statistics.nan === 0
        ? null
        : { severity: "error", message: `${grouped(statistics.nan)} of ${grouped(statistics.count)} elements ${statistics.nan === 1 ? "is" : "are"} NaN.` },
  },
  { id: "infinity", judge: infinity },
  { id: "all-zero", judge: allZero },
  { id: "constant", judge: constant },
  { id: "exploded", judge: exploded },
  { id: "subnormal-heavy", judge: subnormalHeavy },
];

function infinity({ statistics }: TensorFacts): Verdict | null {
  if (statistics === undefined) return null;
  const { positiveInfinity, negativeInfinity, count, nan, zeros } = statistics;
  if (positiveInfinity + negativeInfinity === 0) return null;
  if (positiveInfinity === 0 && nan === 0 && zeros + negativeInfinity === count)
    return { severity: "info", message: `Every element is 0 or −∞ (${grouped(negativeInfinity)} are −∞): an attention mask.` };
  const signs = [
    ...(positiveInfinity > 0 ? [`${grouped(positiveInfinity)} +∞`] : []),
    ...(negativeInfinity > 0 ? [`${grouped(negativeInfinity)} −∞`] : []),
  ];
  return { severity: "error", message: `${signs.join(" and ")} among ${grouped(count)} elements.` };
}

/** What is often the same everywhere without being broken: fresh norms and biases, masks, untrained adapters, codes. */
function mayBeUniform(facts: TensorFacts): boolean {
  const { tensor } = facts;
  return tensor.shape.length < 2 || !isFloat(tensor) || ["norm", "bias", "buffer", "scale", "lora_b"].includes(kind(facts));
}

function allZero(facts: TensorFacts): Verdict | null {
  const { statistics } = facts;
  if (statistics === undefined || statistics.count < 2 || statistics.zeros < statistics.count) return null;
  const message = `All ${grouped(statistics.count)} elements are 0`;
  if (kind(facts) === "lora_b") return { severity: "info", message: `${message}: this adapter module changes nothing.` };
  return { severity: mayBeUniform(facts) ? "info" : "warning", message: `${message}.` };
}

function constant(facts: TensorFacts): Verdict | null {
  const { statistics } = facts;
  if (statistics === undefined || statistics.count < 2 || statistics.finite < statistics.count) return null;
  if (statistics.min !== statistics.max || statistics.zeros > 0) return null;
  const severity = mayBeUniform(facts) ? "info" : "warning";
  return { severity, message: `All ${grouped(statistics.count)} elements are ${figure(statistics.min)}.` };
}

function exploded(facts: TensorFacts): Verdict | null {
  const { tensor, statistics } = facts;
  if (statistics === undefined || statistics.finite === 0 || !isUnscaled(tensor)) return null;
  const role = kind(facts);
  if (role === "buffer" || role === "scale") return null;
  const rms = toNumber(statistics.rms);
  const maxAbs = toNumber(statistics.maxAbs);
  const warning = (message: string): Verdict => ({ severity: "warning", message });
  if (tensor.dtype === "F16" && maxAbs >= LARGEST_F16 / 2) return warning(`The largest magnitude is ${figure(maxAbs)}; F16 ends at 65,504.`);
  if (maxAbs >= LARGEST_MAGNITUDE) return warning(`The largest magnitude is ${figure(maxAbs)} (from 1e4 on it is reported).`);
  if (role === "norm") return rms < LARGEST_NORM_RMS ? null : warning(`The RMS of this norm's weight is ${figure(rms)} (from ${LARGEST_NORM_RMS} on it is reported; 1 is usual).`);
  if (!isWeightMatrix(facts)) return null;
  if (role === "embed" || role === "position")
    return rms < LARGEST_EMBEDDING_RMS ? null : warning(`The RMS is ${figure(rms)} (from ${LARGEST_EMBEDDING_RMS} on it is reported).`);
  const fanIn = tensor.shape.slice(1).reduce((product, n) => product * n, 1);
  const gain = rms * Math.sqrt(fanIn);
  return gain < LARGEST_GAIN ? null : warning(`RMS × √fan-in is ${figure(gain)} (RMS ${figure(rms)}, fan-in ${grouped(fanIn)}; from ${LARGEST_GAIN} on it is reported, about 1 is usual).`);
}

function subnormalHeavy({ tensor, statistics }: TensorFacts): Verdict | null {
  // Eight-bit and smaller floats live on their subnormals.
  if (statistics === undefined || !isUnscaled(tensor)) return null;
  const threshold = tensor.dtype === "F16" ? SUBNORMAL_SHARE.F16 : SUBNORMAL_SHARE.other;
  const { subnormals, count } = statistics;
  if (subnormals < FEWEST_SUBNORMALS || subnormals < threshold * count) return null;
  return { severity: "warning", message: `${percent(subnormals, count)} of the elements are subnormal, so hold fewer digits than ${tensor.dtype} has (from ${percent(threshold, 1)} on it is reported).` };
}
