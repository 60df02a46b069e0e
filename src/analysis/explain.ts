/** One model in terms of others: target ≈ Σ coefficient·model, per tensor and over all, by least squares without intercept. */
import { combination } from "../checkpoint/adapters/build";
import { CheckpointError, type SourceOpener } from "../checkpoint/checkpoint";
import type { Expression } from "../engine/protocol";
import { toNumber, type Explain, type Finding, type How, type Structure } from "../protocol/results";
import { align, resolveAdapters, type AlignedTensor, type NamedModel, type Resolved } from "./alignment";
import type { Engine } from "./engine";
import { explainSentence } from "./explain-sentence";
import { leastSquares } from "./least-squares";
import { inParallel } from "./parallel";
import { StructureFinder } from "./structure/finder";

export interface ExplainOptions {
  target: NamedModel;
  /** Models and adapters; their names are the keys of the coefficients. */
  models: readonly NamedModel[];
  /** What is subtracted from the target and from each model; adapters are laid over it. */
  base?: NamedModel;
  sources: SourceOpener;
  engine: Engine;
  signal?: AbortSignal;
  onProgress?(done: number, total: number, tensor: string): void;
}

/** `relations` takes so many tensors, one of them the target. */
export const MOST_MODELS = 31;

/** A tensor's inner products, with what makes them. */
interface Fitted {
  tensor: AlignedTensor;
  target: Expression;
  /** One per model. */
  terms: Expression[];
  /** Of the target with itself, of the terms with the target, and among the terms. */
  square: number;
  right: number[];
  gram: number[][];
  left: number;
}

/** What is left of a tensor after subtracting, by another pass. */
interface Rest {
  square: number;
  dots: number[];
}

/**
 * @throws CheckpointError when there is nothing to explain with, or no tensor that all have.
 */
export async function explain({ target, models, base, sources, engine, signal, onProgress }: ExplainOptions): Promise<Omit<Explain, "target">> {
  check(target, models, base);
  const resolved = await resolveAdapters(models, base, sources);
  const over = [...new Set([base, ...resolved.map((model) => model.over)].filter((model) => model !== undefined))];
  const { tensors, findings } = await align(target, [...over, ...resolved], sources);
  if (tensors.length === 0) throw new CheckpointError("usage", `no tensor of it belongs to one of ${[...over, ...resolved].map(({ name }) => name).join(", ")} each`, target.checkpoint.path);

  const total = tensors.length * 3;
  let done = 0;
  const step = ({ name }: AlignedTensor): void => onProgress?.(++done, total, name);
  const options = signal === undefined ? {} : { signal };
  let how: How | undefined;
  const fitted = await inParallel(tensors, async (tensor): Promise<Fitted> => {
    const [own, ...values] = await tensor.values(signal);
    const minus = (of: Expression, model: NamedModel | undefined): Expression => (model === undefined ? of : combination([of, values[over.indexOf(model)]!], [1, -1]));
    const terms = resolved.map((model, i) => minus(values[over.length + i]!, model.over));
    const all = [minus(own!, base), ...terms];
    const result = await engine.request("relations", { tensors: all }, options);
    how ??= result.how;
    step(tensor);
    const gram = result.gram.map((row) => row.map(toNumber));
    return { tensor, target: all[0]!, terms, square: gram[0]![0]!, right: gram[0]!.slice(1), gram: gram.slice(1).map((row) => row.slice(1)), left: result.count - result.compared };
  }, signal);

  const rest = async ({ tensor, target: own, terms }: Fitted, coefficients: readonly number[]): Promise<Rest> => {
    const { norm, dots } = await engine.request("residual", { target: own, terms, coefficients: [...coefficients] }, options);
    step(tensor);
    return { square: toNumber(norm) ** 2, dots: dots.map(toNumber) };
  };
  const each = await inParallel(fitted, (fit) => solved([fit], rest, signal), signal);
  const overall = await solved(fitted.filter(({ tensor }) => !tensor.again), rest, signal);
  const keyed = (coefficients: readonly number[]): Record<string, number> => Object.fromEntries(models.map(({ name }, i) => [name, coefficients[i]!]));
  const structures = base === undefined ? [] : await updatesOf(fitted, engine, signal);
  const document = {
    coefficients: keyed(overall.coefficients),
    residual: overall.residual,
    perTensor: each.map(({ coefficients, residual }, i) => ({ name: tensors[i]!.name, coefficients: keyed(coefficients), residual })),
  };
  return {
    ...document,
    sentence: explainSentence({ target: target.name, ...(base === undefined ? {} : { base: base.name }), models: resolved, coefficients: overall.coefficients, residual: overall.residual, changed: overall.square > 0, structures }),
    findings: [...findings, ...notFinite(fitted), ...dependent(overall.undetermined, resolved), ...lowRank(structures)],
    how: { ...how!, method: "least squares by inner products; the residual in passes of its own" },
  };
}

function check(target: NamedModel, models: readonly NamedModel[], base: NamedModel | undefined): void {
  if (models.length === 0 && base === undefined) throw new CheckpointError("usage", "there is nothing to explain it with: name models with --with, or a base model with --base", target.checkpoint.path);
  if (models.length > MOST_MODELS) throw new CheckpointError("usage", `it can be explained with at most ${MOST_MODELS} models at a time, not ${models.length}`, target.checkpoint.path);
  const names = models.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new CheckpointError("usage", "it is named twice among the models to explain with", twice);
}

interface Solution {
  coefficients: number[];
  residual: number;
  undetermined: number[];
  /** ‖target‖². */
  square: number;
}

/** The fit over some tensors, refined by what is really left: the inner products alone cannot resolve a residual below 10⁻⁸. */
async function solved(fits: readonly Fitted[], rest: (fit: Fitted, coefficients: readonly number[]) => Promise<Rest>, signal?: AbortSignal): Promise<Solution> {
  const count = fits[0]?.terms.length ?? 0;
  const sum = (of: (fit: Fitted) => number): number => fits.reduce((total, fit) => total + of(fit), 0);
  const gram = Array.from({ length: count }, (_, i) => Array.from({ length: count }, (__, j) => sum((fit) => fit.gram[i]![j]!)));
  const { coefficients, undetermined } = leastSquares(gram, Array.from({ length: count }, (_, i) => sum((fit) => fit.right[i]!)));
  const square = sum((fit) => fit.square);
  if (square === 0 && coefficients.every((coefficient) => coefficient === 0)) return { coefficients, residual: 0, undetermined, square };
  const rests = await inParallel(fits, (fit) => rest(fit, coefficients), signal);
  const dots = Array.from({ length: count }, (_, i) => rests.reduce((total, each) => total + each.dots[i]!, 0));
  const correction = leastSquares(gram, dots).coefficients;
  const left = rests.reduce((total, each) => total + each.square, 0) - correction.reduce((total, value, i) => total + value * dots[i]!, 0);
  return { coefficients: coefficients.map((value, i) => value + correction[i]!), residual: square === 0 ? 0 : Math.sqrt(Math.max(0, left) / square), undetermined, square };
}

function notFinite(fitted: readonly Fitted[]): Finding[] {
  return fitted.filter(({ left }) => left > 0).map(({ tensor, left }) => ({ rule: "non-finite", severity: "warning", tensor: tensor.name, message: `${left} of ${tensor.parameters} elements are not finite in some model and are left out.` }));
}

function dependent(undetermined: readonly number[], models: readonly Resolved[]): Finding[] {
  if (undetermined.length === 0) return [];
  const names = undetermined.map((i) => models[i]!.name);
  return [{ rule: "undetermined", severity: "warning", message: `The coefficients of ${names.join(", ")} are not determined: these are combinations of each other, and of all that fit equally well the smallest are given.` }];
}

/** What target − base looks like, of the matrices that changed. */
async function updatesOf(fitted: readonly Fitted[], engine: Engine, signal?: AbortSignal): Promise<Structure[]> {
  const changed = fitted.filter(({ square, tensor }) => square > 0 && tensor.shape.length > 1);
  const pairs = await Promise.all(changed.map(async ({ tensor, target }) => {
    const [own, ...others] = await tensor.values(signal);
    return { a: tensor.name, b: tensor.name, shape: tensor.shape, dtypeA: tensor.dtypes[1]!, dtypeB: tensor.dtypes[0]!, expressions: () => Promise.resolve({ a: others[0]!, b: own!, delta: target }) };
  }));
  const finder = new StructureFinder({ engine, pairs, heads: null });
  return inParallel(pairs, (_, i) => finder.of(i, signal === undefined ? {} : { signal }), signal);
}

function lowRank(structures: readonly Structure[]): Finding[] {
  const low = structures.filter(({ kind }) => kind === "low-rank");
  if (low.length === 0) return [];
  const ranks = [...new Set(low.map(({ rank }) => rank!))].sort((x, y) => x - y);
  return [{ rule: "low-rank", severity: "info", message: `target − base is of low rank in ${low.length} of the ${structures.length} matrices that changed: ${ranks.length === 1 ? `${ranks[0]} in each` : `${ranks[0]} to ${ranks.at(-1)}`}.` }];
}
