/** The model that an adapter changes: its tensors by the names that adapters use. */
import type { Expression } from "../../engine/protocol";
import type { Checkpoint, Tensor } from "../checkpoint";
import type { AdapterModule, AdapterSource } from "./adapter";
import { bracketed, ShapeMismatch } from "./build";

/** Leading modules that a class with a head adds to the names of the model inside it, or leaves out. */
const MOST_STRIPPED = 3;

/** One or more checkpoints (a diffusion model has its U-Net and its text encoders) as the base of an adapter. */
export class BaseModel {
  private readonly byName = new Map<string, Tensor>();
  /** Names without their leading module; null where two tensors would share one. */
  private readonly byTail = new Map<string, Tensor | null>();
  private readonly loaded = new Map<Tensor, Promise<Expression>>();

  constructor(readonly checkpoints: readonly Checkpoint[]) {
    for (const { tensors } of checkpoints) {
      for (const tensor of tensors) {
        for (const name of [tensor.name, ...(tensor.sharedWith ?? [])]) {
          if (!this.byName.has(name)) this.byName.set(name, tensor);
          const dot = name.indexOf(".");
          if (dot < 0) continue;
          const tail = name.slice(dot + 1);
          this.byTail.set(tail, this.byTail.has(tail) ? null : tensor);
        }
      }
    }
  }

  /**
   * The tensor of this name; else the one whose name differs by leading modules only (`bert.encoder…` in the adapter,
   * `encoder…` in the file, or the other way round), when there is exactly one.
   */
  find(name: string): Tensor | undefined {
    const exact = this.byName.get(name);
    if (exact !== undefined) return exact;
    let rest = name;
    for (let i = 0; i < MOST_STRIPPED; i++) {
      const dot = rest.indexOf(".");
      if (dot < 0) break;
      rest = rest.slice(dot + 1);
      const found = rest.includes(".") ? this.byName.get(rest) : undefined;
      if (found !== undefined) return found;
    }
    return name.includes(".") ? (this.byTail.get(name) ?? undefined) : undefined;
  }

  /** How the engine reads a tensor; null when its values cannot be decoded. */
  async expression(tensor: Tensor): Promise<Expression | null> {
    if (tensor.expression !== null || tensor.load === undefined) return tensor.expression;
    let loading = this.loaded.get(tensor);
    if (loading === undefined) this.loaded.set(tensor, (loading = tensor.load()));
    return loading;
  }
}

/**
 * The `delta` of a module whose update takes the base's tensor W: `update(W)`, `needsBase` without a base, or `refused` when
 * the base lacks the tensor or it cannot be read.
 */
export async function deltaOnBase(
  source: AdapterSource,
  tensor: string,
  update: (weight: Expression) => Expression,
): Promise<Pick<AdapterModule, "delta" | "needsBase" | "refused">> {
  if (source.base === undefined) return { delta: null, needsBase: true };
  const found = source.base.find(tensor);
  if (found === undefined) return { delta: null, needsBase: true, refused: "the base model has no tensor of this name" };
  const weight = await source.base.expression(found);
  if (weight === null) return { delta: null, needsBase: true, refused: `the base model's values cannot be read: ${found.unreadable ?? "their storage is not supported"}` };
  try {
    return { delta: update(weight), needsBase: true };
  } catch (error) {
    if (error instanceof ShapeMismatch) return { delta: null, needsBase: true, refused: notFitting(found.shape, error) };
    throw error;
  }
}

/** Why an update cannot be put on a base's tensor of this shape. */
export function notFitting(shape: readonly number[], { message }: ShapeMismatch): string {
  return `the base model's tensor ${bracketed(shape)} does not fit the adapter: ${message}`;
}
