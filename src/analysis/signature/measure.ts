/**
 * Robust Weight Signatures (Cai et al., ICML 2023): with a = clean − base and p = robust − base of one tensor, taken as vectors,
 * the signature is p − (p·a)/(a·a)·a, the part of the robust fine-tuning that is orthogonal to the clean one.
 */
import { combination } from "../../checkpoint/adapters/build";
import { CheckpointError } from "../../checkpoint/checkpoint";
import { grouped } from "../../checkpoint/quote";
import type { Expression } from "../../engine/protocol";
import { toNumber, type How } from "../../protocol/results";
import type { Engine } from "../engine";
import type { CommonTensor } from "./models";

/** How one tensor of the robust models lies to the clean model and the base; one entry for each robust model. */
export interface Measured {
  /** ‖robust − clean‖, that over ‖clean‖, and over ‖clean − base‖. */
  differences: { norm: number; relative: number; relativeToUpdate: number | null }[];
  /** (p·a)/(a·a): 0 where clean fine-tuning changed nothing; null without a base. */
  coefficients: (number | null)[];
  /** Energy that the projection takes away, (p·a)²/(‖a‖²‖p‖²); null without a base. */
  removed: (number | null)[];
  /** Elements that are not finite in one of the models. */
  nonFinite: number;
  how: How;
}

/** Two passes over the tensor in all models. @throws what the engine throws. */
export async function measure({ base, clean, robust, parameters }: CommonTensor, engine: Engine, signal?: AbortSignal): Promise<Measured> {
  const options = signal === undefined ? {} : { signal };
  const differences = [];
  let nonFinite = 0;
  let how: How | undefined;
  for (const b of robust) {
    const { norm, a, compared, how: made } = await engine.request("difference", { a: clean, b }, options);
    differences.push({ norm: toNumber(norm), clean: toNumber(a.l2) });
    nonFinite = Math.max(nonFinite, parameters - compared);
    how ??= made;
  }
  if (base === null) {
    return { differences: differences.map(({ norm, clean: l2 }) => ({ norm, relative: norm / l2, relativeToUpdate: null })), coefficients: robust.map(() => null), removed: robust.map(() => null), nonFinite, how: how! };
  }
  const { gram, compared, how: made } = await engine.request("relations", { tensors: [clean, ...robust], base }, options);
  const inner = (i: number, j: number): number => toNumber(gram[i]![j]!);
  const aa = inner(0, 0);
  return {
    differences: differences.map(({ norm, clean: l2 }) => ({ norm, relative: norm / l2, relativeToUpdate: norm / Math.sqrt(aa) })),
    coefficients: robust.map((_, i) => (aa === 0 ? 0 : inner(0, i + 1) / aa)),
    removed: robust.map((_, i) => shareRemoved(aa, inner(0, i + 1), inner(i + 1, i + 1))),
    nonFinite: Math.max(nonFinite, parameters - compared),
    how: made,
  };
}

function shareRemoved(aa: number, pa: number, pp: number): number {
  return aa === 0 || pp === 0 ? 0 : (pa / aa) * (pa / pp);
}

/** The signature's values, p − k·a; without a base robust − clean. Elements that no fine-tuning changed are exactly 0. */
export function signatureOf({ base, clean, robust }: CommonTensor, model: number, coefficient: number | null): Expression {
  const own = robust[model]!;
  if (base === null || coefficient === null) return combination([own, clean], [1, -1]);
  return combination([combination([own, base], [1, -1]), combination([clean, base], [1, -1])], [1, -coefficient]);
}

/** Beyond this a value may be none of F32. */
const LARGEST = 3e38;

/** @throws CheckpointError when a signature of the tensor would hold values that are not finite. */
export function checkFinite({ name, parameters }: CommonTensor, { nonFinite, differences, coefficients }: Measured, file: string): void {
  if (nonFinite > 0) throw new CheckpointError("unsupported", `${grouped(nonFinite)} of its ${grouped(parameters)} elements are NaN or infinite in one of the models, so it has no signature; choose tensors without it`, file, { tensor: name });
  const numbers = [...differences.map(({ norm }) => norm), ...coefficients.map((k) => k ?? 0)];
  if (!numbers.every((number) => Math.abs(number) < LARGEST)) throw new CheckpointError("unsupported", "its differences are too large to be stored as F32; choose tensors without it", file, { tensor: name });
}
