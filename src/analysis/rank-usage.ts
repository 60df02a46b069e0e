/** Rank usage of an adapter, or of a fine-tuned model against its base: the singular spectrum of every ΔW. */
import { dirname, join } from "node:path";
import type { AdapterModule } from "../checkpoint/adapters/adapter";
import { BaseModel } from "../checkpoint/adapters/base-model";
import { identity, permute, product, reshape, scale, shapeOf, slice, subtract, transpose } from "../checkpoint/adapters/build";
import { readAdapter, readJsonObject } from "../checkpoint/adapters/read-adapter";
import { CheckpointError, type Checkpoint, type SourceOpener, type Tensor } from "../checkpoint/checkpoint";
import type { Expression } from "../engine/protocol";
import type { RankModule, RankUsage } from "../protocol/rank";
import { toNumber, type Finding } from "../protocol/results";
import type { Engine } from "./engine";
import { flattened } from "./matrix-view";
import { carrying, suggestion, withSuggestions, type RankTarget } from "../protocol/rank-suggestion";

export interface RankUsageOptions {
  checkpoint: Checkpoint;
  /** The model that it was made from; several for an adapter of a U-Net and its text encoders. */
  bases: readonly Checkpoint[];
  sources: SourceOpener;
  engine: Engine;
  target: RankTarget;
  signal?: AbortSignal;
  onProgress?(done: number, total: number, module: string): void;
}

/** One ΔW to be analysed. */
interface Update extends Pick<RankModule, "module" | "tensor" | "expert" | "type" | "rank" | "scale" | "shape" | "parameters"> {
  delta: Expression;
  /** The base's tensor. */
  weight?: Expression;
  /** EVA's A, whose rows start orthonormal. */
  orthonormal?: Expression;
}

/** Spectra under way: the small ones take one thread each. */
const CONCURRENCY = 8;
/** Short sides beyond which the whole spectrum of a full-rank update is computed in single precision. */
const EXACT_SIDE = 2048;
/** Most directions whose norms are listed one by one. */
const MAX_DIRECTIONS = 4096;

/**
 * Analyses every update that is a matrix; the others, and those that are not known, are among the findings.
 * @throws CheckpointError when the checkpoint is no adapter and no base is given, or when it has no weight update.
 */
export async function rankUsage(options: RankUsageOptions): Promise<Omit<RankUsage, "path">> {
  const { checkpoint, bases, sources, target, signal, onProgress } = options;
  const base = bases.length === 0 ? undefined : new BaseModel(bases);
  const adapter = await readAdapter(checkpoint, sources, { base: bases });
  if (adapter?.notMergeable !== undefined) throw new CheckpointError("unsupported", `adapters of the type ${adapter.type} have no weight update: ${adapter.notMergeable}`, checkpoint.path);
  if (adapter === null && base === undefined) throw new CheckpointError("usage", "this is not an adapter; name the base model to compare it with", checkpoint.path);
  const settings = await settingsOf(checkpoint, sources);
  const findings: Finding[] = [];
  const updates = adapter === null ? await differences(checkpoint, base!, findings) : await updatesOf(adapter.modules, checkpoint, base, settings.eva, findings);
  const modules: RankModule[] = [];
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < updates.length; at = next++) {
      const update = updates[at]!;
      try {
        modules[at] = await analysed(update, options);
      } catch (error) {
        signal?.throwIfAborted();
        findings.push(notAnalysed(update.tensor, error instanceof Error ? error.message.replace(/\.$/, "") : String(error)));
      }
      onProgress?.(++done, updates.length, update.module);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, updates.length) }, worker));
  const suggested = withSuggestions(modules.filter((module) => module !== undefined), target);
  return {
    type: adapter?.type ?? "FULL",
    base: adapter?.baseName ?? bases[0]?.path ?? null,
    rootScaled: settings.rootScaled,
    modules: suggested,
    suggestion: suggestion(suggested, settings.rootScaled),
    findings: [...findings, ...remarks(suggested, target)],
  };
}

/** What the configuration says besides the factors' own meaning. */
async function settingsOf({ files, path }: Checkpoint, sources: SourceOpener): Promise<{ eva: boolean; rootScaled: boolean }> {
  const file = join(dirname(files[0]?.path ?? path), "adapter_config.json");
  if (!(await sources.exists(file))) return { eva: false, rootScaled: false };
  const config = await readJsonObject(file, sources);
  return { eva: config.init_lora_weights === "eva", rootScaled: config.use_rslora === true };
}

async function updatesOf(modules: readonly AdapterModule[], checkpoint: Checkpoint, base: BaseModel | undefined, eva: boolean, findings: Finding[]): Promise<Update[]> {
  const updates: Update[] = [];
  for (const { module, tensor, type, rank, scale: factor, shape, factors, delta, needsBase, refused } of modules) {
    if (delta === null) {
      findings.push(notAnalysed(tensor, refused ?? (needsBase === true ? "the update depends on the base's weights; name the base model" : "no file holds what the update depends on")));
      continue;
    }
    const found = base?.find(tensor);
    const weight = found === undefined ? undefined : await base!.expression(found);
    const parameters = factors.reduce((sum, index) => sum + checkpoint.tensors[index]!.parameters, 0);
    const common = { module, tensor, type, rank, scale: factor };
    if (isStacked(tensor, shape)) {
      const [experts = 0, ...rest] = shape;
      for (let expert = 0; expert < experts; expert++) {
        updates.push({ ...common, expert, shape: rest, parameters: parameters / experts, delta: ofExpert(delta, expert), ...(weight ? { weight: ofExpert(weight, expert) } : {}) });
      }
      continue;
    }
    if (flattened(shape) === null || shape.includes(0)) {
      findings.push(notAnalysed(tensor, "the update is not a matrix, so it has no spectrum"));
      continue;
    }
    const a = eva ? factors.map((index) => checkpoint.tensors[index]!).find(({ name }) => /\.lora_A\./.test(name))?.expression : undefined;
    updates.push({ ...common, shape, parameters, delta, ...(weight ? { weight } : {}), ...(a ? { orthonormal: a } : {}) });
  }
  return updates;
}

/** A parameter of three axes is a stack of matrices; a convolution's is a module's weight. */
function isStacked(tensor: string, shape: readonly number[]): boolean {
  return shape.length === 3 && !tensor.endsWith(".weight");
}

/** One matrix of a stack; inside a product, so that it stays one. */
function ofExpert(of: Expression, expert: number): Expression {
  if (of.kind === "compute" && of.operation.name === "scale") return scale(ofExpert(of.of[0]!, expert), of.operation.factor);
  if (of.kind === "compute" && of.operation.name === "product" && of.of.every((factor) => shapeOf(factor).length === 3)) {
    return product(ofExpert(of.of[0]!, expert), ofExpert(of.of[1]!, expert));
  }
  if (of.kind === "permute" && of.axes[0] === 0) return permute(ofExpert(of.of, expert), of.axes.slice(1).map((axis) => axis - 1));
  const [, ...shape] = shapeOf(of);
  return reshape(slice(of, 0, expert, expert + 1), shape);
}

/** W − W₀ of every matrix that both have. */
async function differences(checkpoint: Checkpoint, base: BaseModel, findings: Finding[]): Promise<Update[]> {
  const tuned = new BaseModel([checkpoint]);
  const updates: Update[] = [];
  for (const tensor of checkpoint.tensors) {
    const { name, shape, parameters } = tensor;
    if (flattened(shape) === null || parameters === 0) continue;
    const found = base.find(name);
    const [weight, values] = [found === undefined ? null : await base.expression(found), await tuned.expression(tensor)];
    if (found === undefined) findings.push(notAnalysed(name, "the base model has no tensor of this name"));
    else if (!sameShape(found, tensor)) findings.push(notAnalysed(name, "the base model's tensor has another shape"));
    else if (weight === null || values === null) findings.push(notAnalysed(name, found.unreadable ?? tensor.unreadable ?? "its values cannot be decoded"));
    else updates.push({ module: name.replace(/\.weight$/, ""), tensor: name, type: "FULL", rank: null, scale: null, shape, parameters, delta: subtract(values, weight), weight });
  }
  return updates;
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((length, i) => length === b.shape[i]);
}

async function analysed({ delta, weight, orthonormal, ...update }: Update, { engine, signal }: RankUsageOptions): Promise<RankModule> {
  const options = signal === undefined ? {} : { signal };
  const factors = factorsOf(delta);
  const { rows, columns } = flattened(shapeOf(delta))!;
  const mode = factors !== null || Math.min(rows, columns) <= EXACT_SIDE ? "exact" : "fast";
  const spectrum = await engine.request("spectrum", { tensor: delta, mode }, options);
  const norm = async (tensor: Expression): Promise<number> => toNumber((await engine.request("statistics", { tensor }, options)).l2);
  const deltaNorm = toNumber(spectrum.frobeniusNorm);
  const weightNorm = weight === undefined ? 0 : await norm(weight);
  const drift = orthonormal === undefined ? undefined : await norm(subtract(product(orthonormal, transpose(orthonormal)), identity(shapeOf(orthonormal)[0]!)));
  const perRankNorms = factors === null ? undefined : await directionNorms(factors, engine, signal);
  return {
    ...update,
    deltaNorm,
    ...(weightNorm > 0 ? { relativeNorm: deltaNorm / weightNorm } : {}),
    spectrum,
    unused: update.rank === null ? 0 : Math.max(0, update.rank - carrying(spectrum.singularValues)),
    suggestedRank: 0,
    ...(perRankNorms === undefined ? {} : { perRankNorms }),
    ...(drift === undefined ? {} : { orthogonalityDrift: drift }),
  };
}

interface Factors {
  left: Expression;
  right: Expression;
  scale: number;
}

/** The factors of an update that is a scaled product of two matrices, seen through changes of shape and order; else null. */
function factorsOf(of: Expression): Factors | null {
  if (of.kind === "permute" || of.kind === "reshape") return factorsOf(of.of);
  if (of.kind !== "compute") return null;
  if (of.operation.name === "scale") {
    const inner = factorsOf(of.of[0]!);
    return inner === null ? null : { ...inner, scale: inner.scale * of.operation.factor };
  }
  const [left, right] = of.of;
  if (of.operation.name !== "product" || shapeOf(left!).length !== 2 || shapeOf(right!).length !== 2) return null;
  return { left: left!, right: right!, scale: 1 };
}

async function directionNorms({ left, right, scale: factor }: Factors, engine: Engine, signal?: AbortSignal): Promise<number[] | undefined> {
  const rank = shapeOf(right)[0]!;
  if (rank === 0 || rank > MAX_DIRECTIONS) return undefined;
  const options = signal === undefined ? {} : { signal };
  const [b, a] = await Promise.all([left, right].map((tensor) => engine.request("norms", { tensor, points: rank }, options)));
  return a!.rows.pooled.map((norm, i) => Math.abs(factor) * toNumber(norm) * toNumber(b!.columns.pooled[i]!));
}

function notAnalysed(tensor: string, reason: string): Finding {
  return { rule: "not-analysed", severity: "info", tensor, message: `Not analysed: ${reason}.` };
}

/** What the numbers of all modules together say. */
function remarks(modules: readonly RankModule[], target: RankTarget): Finding[] {
  const findings: Finding[] = [];
  const idle = modules.filter(({ unused }) => unused > 0);
  const allocated = modules.reduce((sum, { rank }) => sum + (rank ?? 0), 0);
  const unused = idle.reduce((sum, module) => sum + module.unused, 0);
  if (unused > 0) findings.push({ rule: "unused-rank", severity: "warning", message: `${unused} of ${allocated} allocated directions, in ${idle.length} of ${modules.length} modules, carry no part of the update.` });
  if ("budget" in target) {
    findings.push({ rule: "weight-only-allocation", severity: "info", message: "The budget is shared by EVA's rule over the spectra of ΔW: EVA itself ranks directions of activations, which no checkpoint holds." });
    const given = modules.reduce((sum, { rank, suggestedRank }) => (rank === null && allocated > 0 ? sum : sum + suggestedRank), 0);
    if (given < target.budget) findings.push({ rule: "budget-not-spent", severity: "info", message: `Only ${given} of ${target.budget} ranks are given: no module gets more than twice the mean, and the other directions carry no energy.` });
  }
  return findings;
}
