/** The models that signatures are made from, tensor by tensor under their common names. */
import { CheckpointError, type Checkpoint, type Tensor } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import { kindOf } from "../../checkpoint/structure";
import type { Expression } from "../../engine/protocol";
import type { Finding } from "../../protocol/results";
import { convertedTensor } from "../convert";
import { expressionOf } from "../readable";

export interface Models {
  base: Checkpoint | null;
  clean: Checkpoint;
  robust: readonly Checkpoint[];
}

/** A tensor that all models have, in one shape. */
export interface CommonTensor {
  name: string;
  shape: readonly number[];
  parameters: number;
  /** Of all models together. */
  bytes: number;
  base: Expression | null;
  clean: Expression;
  robust: readonly Expression[];
}

/** The relations of one request are between 32 tensors, and the clean model's is one. */
const MOST_ROBUST = 31;

/**
 * Every floating-point tensor of the clean model that the others have too. Integers and running statistics are not among them:
 * they are state, not trained weights.
 * @returns them in the clean model's order, and what could not be compared, with the reason.
 * @throws CheckpointError when a model has nothing in common with the clean one.
 */
export async function commonTensors({ base, clean, robust }: Models, signal?: AbortSignal): Promise<{ tensors: CommonTensor[]; findings: Finding[] }> {
  if (robust.length > MOST_ROBUST) throw new CheckpointError("usage", `signatures of at most ${MOST_ROBUST} robust models are made at a time, not of ${robust.length}`, robust[MOST_ROBUST]!.path);
  const others = [...(base === null ? [] : [base]), ...robust];
  const byName = others.map((model) => new Map(model.tensors.map((tensor) => [tensor.name, tensor])));
  for (const [i, model] of others.entries()) {
    if (!clean.tensors.some(({ name }) => byName[i]!.has(name))) throw new CheckpointError("unsupported", `it has no tensor of a name that the clean model ${quote(clean.path)} has`, model.path);
  }
  const tensors: CommonTensor[] = [];
  const findings: Finding[] = [];
  for (const tensor of clean.tensors) {
    const { name, shape, parameters } = tensor;
    if (isState(tensor) || parameters === 0) continue;
    const partners = others.map((model, i) => ({ model, tensor: byName[i]!.get(name) }));
    const reason = (await notFloating(clean, tensor, signal)) ?? partners.map((partner) => whyNot(partner.tensor, tensor, partner.model)).find((why) => why !== undefined);
    if (reason !== undefined) {
      findings.push({ rule: "not-compared", severity: "info", tensor: name, message: `Not compared: ${reason}.` });
      continue;
    }
    const read = partners.map(({ model, tensor: partner }) => expressionOf(partner!, fileOf(model, partner!), signal));
    const [own, ...values] = await Promise.all([expressionOf(tensor, fileOf(clean, tensor), signal), ...read]);
    const bytes = partners.reduce((sum, partner) => sum + partner.tensor!.bytes, tensor.bytes);
    tensors.push({ name, shape, parameters, bytes, clean: own, base: base === null ? null : values[0]!, robust: base === null ? values : values.slice(1) });
  }
  return { tensors, findings: [...findings, ...missing(clean, others, byName)] };
}

/** Running statistics, counters, positions: nothing that training by gradients changes. */
export function isState({ name, shape }: Pick<Tensor, "name" | "shape">): boolean {
  return kindOf(name, shape) === "buffer";
}

/** Whether values of the type (in safetensors' spelling) can be patched. */
export function isFloatingType(dtype: string): boolean {
  return /^(?:BF|F)\d/.test(dtype);
}

function fileOf({ files }: Checkpoint, { file }: Tensor): string {
  return files[file]!.path;
}

async function notFloating(clean: Checkpoint, tensor: Tensor, signal?: AbortSignal): Promise<string | undefined> {
  if (tensor.expression === null && tensor.load === undefined) return tensor.unreadable ?? "its values cannot be decoded";
  const { dtype } = await convertedTensor(clean, tensor, undefined, signal);
  return isFloatingType(dtype) ? undefined : `its values are of type ${dtype}, not floating point`;
}

function whyNot(found: Tensor | undefined, { shape }: Tensor, model: Checkpoint): string | undefined {
  if (found === undefined) return `${quote(model.path)} has no tensor of this name`;
  if (found.shape.length !== shape.length || found.shape.some((length, i) => length !== shape[i])) return `it is [${shape.join(", ")}], and [${found.shape.join(", ")}] in ${quote(model.path)}`;
  if (found.expression === null && found.load === undefined) return `its values cannot be decoded in ${quote(model.path)}: ${found.unreadable ?? "their type is not known"}`;
  return undefined;
}

/** What other models have and the clean one has not. */
function missing(clean: Checkpoint, others: readonly Checkpoint[], byName: readonly ReadonlyMap<string, Tensor>[]): Finding[] {
  const names = new Set(clean.tensors.map(({ name }) => name));
  return others.flatMap((model, i) => {
    const more = [...byName[i]!.keys()].filter((name) => !names.has(name));
    if (more.length === 0) return [];
    return [{ rule: "not-compared", severity: "info" as const, message: `${quote(model.path)} has ${more.length === 1 ? `a tensor ${quote(more[0]!)}` : `${grouped(more.length)} tensors`} that the clean model has not.` }];
  });
}
