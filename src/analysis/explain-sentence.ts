/** What an explanation says in one sentence. */
import { quote } from "../checkpoint/quote";
import type { Structure } from "../protocol/results";
import type { Resolved } from "./alignment";

export interface Explained {
  target: string;
  base?: string;
  models: readonly Resolved[];
  coefficients: readonly number[];
  residual: number;
  /** Whether the target differs from the base (or, without one, from zero). */
  changed: boolean;
  /** Of target − base, of the matrices that changed. */
  structures: readonly Structure[];
}

/** Beyond this nothing is explained. */
const HARDLY = 0.9;
/** Terms of smaller coefficients are left out of the sentence where others are larger. */
const SMALL = 5e-4;

export function explainSentence({ target, base, models, coefficients, residual, changed, structures }: Explained): string {
  const names = shortNames([target, ...(base === undefined ? [] : [base]), ...models.map(({ name }) => name)]);
  const short = (name: string): string => names.get(name)!;
  if (base !== undefined && !changed) return `${short(target)} is ${short(base)}: no tensor that both have differs.`;
  const rank = commonRank(structures);
  if (models.length === 0) return `${short(target)} = ${short(base!)} + ${rank === null ? "a change that is not of low rank" : `an update of rank ${rank}`}${where(structures)}.`;
  const largest = Math.max(...coefficients.map(Math.abs));
  const terms = models.flatMap(({ name, adapter }, i) => {
    const value = coefficients[i]!;
    if (Math.abs(value) < SMALL * largest || value === 0) return [];
    return [{ value, text: base !== undefined && adapter === undefined ? `(${short(name)} − ${short(base)})` : short(name) }];
  });
  const sum = terms.map(({ value, text }, i) => `${value < 0 ? (i === 0 && base === undefined ? "−" : "− ") : i === 0 && base === undefined ? "" : "+ "}${coefficient(Math.abs(value))}·${text}`).join(" ");
  const start = base === undefined ? "" : `${short(base)} `;
  const left = `residual ${share(residual)}${base === undefined ? "" : ` of the change`}`;
  const of = rank === null ? "" : `; the change is of rank ${rank}${where(structures)}`;
  if (residual > HARDLY) return `${short(target)} is not a combination of ${models.length === 1 ? "it" : "them"}: the closest, ${start}${sum === "" ? "0" : sum}, leaves ${left}${of}.`;
  return `${short(target)} ≈ ${start}${sum === "" ? "0" : sum}, ${left}${of}.`;
}

/** The rank that all updates have; null when some are of none, or ranks differ. */
function commonRank(structures: readonly Structure[]): number | null {
  const ranks = new Set(structures.map(({ kind, rank }) => (kind === "low-rank" ? rank! : null)));
  const [rank] = ranks;
  return ranks.size === 1 && rank !== undefined ? rank : null;
}

function where(structures: readonly Structure[]): string {
  return structures.length > 1 ? ` in each of ${structures.length} matrices` : "";
}

function coefficient(value: number): string {
  return value >= 0.01 && value < 1000 ? value.toFixed(value < 10 ? 3 : 1).replace(/(\.\d\d)0$/, "$1") : value.toPrecision(2);
}

/** `0.3 %`, `2.6e-6 %`. */
function share(value: number): string {
  const percent = 100 * value;
  return `${percent === 0 ? "0" : percent < 1e-3 ? percent.toExponential(1) : Number(percent.toPrecision(2))} %`;
}

/** As many last parts of each path as tell it from the others. */
export function shortNames(paths: readonly string[]): Map<string, string> {
  const parts = paths.map((path) => path.split(/[\\/]+/).filter((part) => part !== "" && part !== "."));
  const tail = (of: readonly string[], count: number): string => of.slice(-count).join("/");
  return new Map(paths.map((path, i) => {
    let count = 1;
    while (count < parts[i]!.length && paths.some((other, j) => other !== path && tail(parts[j]!, count) === tail(parts[i]!, count))) count++;
    return [path, quote(tail(parts[i]!, count) || path).slice(1, -1)];
  }));
}
