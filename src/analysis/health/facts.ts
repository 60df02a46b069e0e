/** What health rules look at, and what they say. */
import type { Tensor } from "../../checkpoint/checkpoint";
import { kindOf, type TensorKind } from "../../checkpoint/structure";
import type { NormsResult, SpectrumResult } from "../../engine/protocol";
import type { AnalysisPart } from "../../protocol/inspect";
import { toNumber, type Finding, type Numeric, type Severity, type Statistics } from "../../protocol/results";

/** What is known of one tensor. */
export interface TensorFacts {
  tensor: Tensor;
  statistics?: Statistics | undefined;
  norms?: NormsResult | undefined;
  spectrum?: SpectrumResult | undefined;
  /** What could not be computed, and why. */
  failures?: readonly { part: AnalysisPart; message: string }[] | undefined;
}

/** What a rule says of a tensor. */
export interface Verdict {
  severity: Severity;
  /** A sentence with the numbers and, where there is one, the threshold. */
  message: string;
}

/** A rule about one tensor by itself. `id` is stable: scripts and `docs/health.md` use it. */
export interface Rule {
  id: string;
  judge(facts: TensorFacts): Verdict | null;
}

export function finding(rule: string, tensor: Tensor, { severity, message }: Verdict): Finding {
  return { rule, severity, tensor: tensor.name, message };
}

export function kind({ tensor }: TensorFacts): TensorKind {
  return kindOf(tensor.name, tensor.shape);
}

/** Whether the elements are numbers rather than codes, counts, masks or exponents. */
export function isFloat({ dtype }: Tensor): boolean {
  return /^B?F\d/.test(dtype) && dtype !== "F8_E8M0";
}

/** Whether the elements are the weights themselves: smaller types are stored beside a scale that gives them their size. */
export function isUnscaled({ dtype }: Tensor): boolean {
  return ["F64", "F32", "F16", "BF16"].includes(dtype);
}

/** Matrices that act on activations; for these a scale is meaningful. */
export function isWeightMatrix(facts: TensorFacts): boolean {
  const { tensor } = facts;
  return tensor.shape.length >= 2 && isFloat(tensor) && !["buffer", "scale", "bias", "norm"].includes(kind(facts));
}

/** Four significant digits, scientific outside 1e-4 … 1e5. */
export function figure(value: Numeric): string {
  const x = toNumber(value);
  if (x === 0 || !Number.isFinite(x)) return String(x);
  const magnitude = Math.abs(x);
  return magnitude < 1e-4 || magnitude >= 1e5 ? x.toExponential(2) : String(Number(x.toPrecision(4)));
}

/** With thousands separators. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** `part` of `whole` as a percentage with two significant digits. */
export function percent(part: number, whole: number): string {
  return `${Number(((100 * part) / whole).toPrecision(2))} %`;
}
