/** How several fine-tuned models of one base lie to each other: cosines of task vectors, sign conflicts, overlap of what changed. */
import { CheckpointError, type SourceOpener } from "../checkpoint/checkpoint";
import type { RelationsResult } from "../engine/protocol";
import { toNumber, type Finding, type Relations, type RelationsOfTensor } from "../protocol/results";
import { align, resolveAdapters, type AlignedTensor, type NamedModel } from "./alignment";
import { joined, percent } from "./structure/words";
import type { Engine } from "./engine";
import { shortNames } from "./explain-sentence";
import { leastSquares } from "./least-squares";
import { inParallel } from "./parallel";

export interface RelationsOptions {
  base: NamedModel;
  /** Models and adapters. */
  models: readonly NamedModel[];
  sources: SourceOpener;
  engine: Engine;
  signal?: AbortSignal;
  onProgress?(done: number, total: number, tensor: string): void;
}

/** The engine takes so many tensors in one pass. */
export const MOST_RELATED = 32;

/** @throws CheckpointError when there is no tensor that all have, or a model is named twice. */
export async function relations({ base, models, sources, engine, signal, onProgress }: RelationsOptions): Promise<Relations> {
  check(base, models);
  const resolved = await resolveAdapters(models, base, sources);
  const { tensors, findings } = await align(base, resolved, sources);
  if (tensors.length === 0) throw new CheckpointError("usage", `no tensor of it belongs to one of ${joined(models.map(({ name }) => name))} each`, base.checkpoint.path);
  let done = 0;
  const options = signal === undefined ? {} : { signal };
  const results = await inParallel(tensors, async (tensor) => {
    const [own, ...values] = await tensor.values(signal);
    const result = await engine.request("relations", { tensors: values, base: own! }, options);
    const { a } = await engine.request("difference", { a: own!, b: own! }, options);
    onProgress?.(++done, tensors.length, tensor.name);
    return { result, square: toNumber(a.l2) ** 2 };
  }, signal);
  const of = tensors.map((tensor, i): RelationsOfTensor => ({ name: tensor.name, kind: tensor.kind, layer: tensor.layer, parameters: tensor.parameters, ...figures(results[i]!.result) }));
  const whole = summed(tensors.flatMap(({ again }, i) => (again ? [] : [results[i]!.result])));
  const own = Math.sqrt(tensors.reduce((sum, { again }, i) => sum + (again ? 0 : results[i]!.square), 0));
  const found = figures(whole);
  const names = models.map(({ name }) => name);
  const explained = names.length < 2 ? [] : names.map((model, i) => ({ model, ...byOthers(whole, names, i) }));
  return {
    base: base.name, models: names, ...found, relative: found.norms.map((norm) => (own === 0 ? 0 : norm / own)), tensors: of, explained,
    sentence: sentenceOf(names, found, explained),
    findings: [...findings, ...notFinite(tensors, results.map(({ result }) => result))],
    how: { ...results[0]!.result.how, method: "inner products and signs of task vectors, one pass" },
  };
}

function check(base: NamedModel, models: readonly NamedModel[]): void {
  if (models.length === 0) throw new CheckpointError("usage", "there is no model to relate to it", base.checkpoint.path);
  if (models.length > MOST_RELATED) throw new CheckpointError("usage", `at most ${MOST_RELATED} models can be related at a time, not ${models.length}`, base.checkpoint.path);
  const names = models.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new CheckpointError("usage", "it is named twice", twice);
}

function figures({ gram, changed, bothChanged, conflicts, signs, count }: RelationsResult): Pick<Relations, "norms" | "cosine" | "conflicts" | "overlap" | "signConflict" | "changed"> {
  const norms = gram.map((row, i) => Math.sqrt(toNumber(row[i]!)));
  const matrix = (of: (i: number, j: number) => number | null): (number | null)[][] => gram.map((row, i) => row.map((_, j) => of(i, j)));
  const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
  return {
    norms,
    changed: changed.map((elements) => (count === 0 ? 0 : elements / count)),
    cosine: matrix((i, j) => (norms[i] === 0 || norms[j] === 0 ? null : i === j ? 1 : Math.max(-1, Math.min(1, toNumber(gram[i]![j]!) / norms[i]! / norms[j]!)))),
    conflicts: matrix((i, j) => share(conflicts[i]![j]!, bothChanged[i]![j]!)),
    overlap: matrix((i, j) => share(bothChanged[i]![j]!, changed[i]! + changed[j]! - bothChanged[i]![j]!)),
    signConflict: share(signs[1], signs[0] + signs[1]),
  };
}

/** Of all tensors as one vector. */
function summed(results: readonly RelationsResult[]): RelationsResult {
  const [first] = results;
  const total = (of: (result: RelationsResult) => number): number => results.reduce((sum, result) => sum + of(result), 0);
  const matrix = (of: (result: RelationsResult, i: number, j: number) => number): number[][] => first!.gram.map((row, i) => row.map((_, j) => total((result) => of(result, i, j))));
  return {
    count: total(({ count }) => count), compared: total(({ compared }) => compared),
    gram: matrix(({ gram }, i, j) => toNumber(gram[i]![j]!)),
    changed: first!.changed.map((_, i) => total(({ changed }) => changed[i]!)),
    bothChanged: matrix(({ bothChanged }, i, j) => bothChanged[i]![j]!),
    conflicts: matrix(({ conflicts }, i, j) => conflicts[i]![j]!),
    signs: [total(({ signs }) => signs[0]), total(({ signs }) => signs[1])],
    how: first!.how,
  };
}

/** One task vector in terms of the others. The residual is by inner products: exact to about 10⁻⁸ of the task vector. */
function byOthers({ gram }: RelationsResult, names: readonly string[], target: number): { coefficients: Record<string, number>; residual: number } {
  const others = [...names.keys()].filter((i) => i !== target);
  const value = (i: number, j: number): number => toNumber(gram[i]![j]!);
  const right = others.map((i) => value(i, target));
  const { coefficients } = leastSquares(others.map((i) => others.map((j) => value(i, j))), right);
  const square = value(target, target);
  const fitted = coefficients.reduce((sum, x, i) => sum + 2 * x * right[i]! - x * coefficients.reduce((inner, y, j) => inner + y * value(others[i]!, others[j]!), 0), 0);
  return { coefficients: Object.fromEntries(others.map((i, k) => [names[i]!, coefficients[k]!])), residual: square === 0 ? 0 : Math.sqrt(Math.max(0, square - fitted) / square) };
}

/** From this cosine on two task vectors go the same way; below its negative, opposite ways. */
const ALIKE = 0.5;
/** Up to this one they have little to do with each other. */
const APART = 0.1;
/** A residual up to which a model is said to be made of the others. */
const MADE_OF = 0.1;

function sentenceOf(models: readonly string[], { cosine, signConflict, norms }: Pick<Relations, "cosine" | "signConflict" | "norms">, explained: Relations["explained"]): string {
  const short = shortNames(models);
  const name = (i: number): string => short.get(models[i]!)!;
  const still = norms.flatMap((norm, i) => (norm === 0 ? [name(i)] : []));
  const parts: string[] = still.length === 0 ? [] : [`${joined(still)} ${still.length === 1 ? "does" : "do"} not differ from the base`];
  const pairs = cosine.flatMap((row, i) => row.flatMap((value, j) => (j > i && value !== null ? [{ i, j, value }] : [])));
  const [most] = [...pairs].sort((x, y) => Math.abs(y.value) - Math.abs(x.value));
  if (most !== undefined) {
    const value = most.value.toFixed(2).replace(/^-/, "−");
    if (Math.abs(most.value) >= ALIKE) parts.push(`${name(most.i)} and ${name(most.j)} changed in ${most.value > 0 ? "the same" : "opposite"} direction${most.value > 0 ? "" : "s"} (cosine ${value})`);
    else if (pairs.every((pair) => Math.abs(pair.value) <= APART)) parts.push(`the task vectors are nearly orthogonal (|cosine| up to ${Math.abs(most.value).toFixed(2)})`);
    else parts.push(`the closest are ${name(most.i)} and ${name(most.j)} (cosine ${value})`);
  }
  if (signConflict !== null) parts.push(`signs conflict in ${percent(signConflict)} of the elements that two or more changed`);
  const made = explained.filter(({ residual, model }) => residual <= MADE_OF && norms[models.indexOf(model)]! > 0);
  const best = made.reduce<(typeof made)[number] | undefined>((least, each) => (least === undefined || each.residual < least.residual ? each : least), undefined);
  if (best !== undefined && models.length > 2) {
    const terms = Object.entries(best.coefficients).filter(([, value]) => Math.abs(value) >= 1e-3).map(([model, value]) => `${value.toFixed(2).replace(/^-/, "−")}·${short.get(model)!}`);
    parts.push(`the change of ${short.get(best.model)!} is ${terms.join(" + ").replaceAll("+ −", "− ")} (residual ${percent(best.residual)})`);
  }
  // Names of files keep their spelling.
  return parts.length === 0 ? "" : `${parts.join("; ").replace(/^(?:the|signs) /, (word) => `${word[0]!.toUpperCase()}${word.slice(1)}`)}.`;
}

function notFinite(tensors: readonly AlignedTensor[], results: readonly RelationsResult[]): Finding[] {
  return tensors.flatMap(({ name, parameters }, i): Finding[] => {
    const left = results[i]!.count - results[i]!.compared;
    return left === 0 ? [] : [{ rule: "non-finite", severity: "warning", tensor: name, message: `${left} of ${parameters} elements are not finite in some model and are left out.` }];
  });
}
