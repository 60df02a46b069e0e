/** VeRA and PVeRA: ΔW = (λb ⊙ B)·(λd ⊙ A), with A and B random, frozen and shared by all layers. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer, FamilyReader } from "./adapter";
import { compute, hadamard, product, reshape, slice } from "./build";
import { eachModule, linearLayer, sizedByBase, torchSeed, weightFacts } from "./linear-layer";
import { modulesWith, needed, sharedFactor } from "./peft-names";

interface Variant {
  type: string;
  /** In front of the parameters' names. */
  prefix: string;
  /** Parts of λd and of A's rows, of which the first is the mean that a merge takes: PVeRA's second is the log-variance. */
  parts: 1 | 2;
}

/** A (parts·r, inputs of the widest layer) and B (outputs of the widest layer, r). */
interface Projections {
  a: Expression;
  b: Expression;
  stored: number[];
}

export const vera = projected({ type: "VERA", prefix: "vera", parts: 1 });
export const pvera = projected({ type: "PVERA", prefix: "pvera", parts: 2 });

function projected(variant: Variant): FamilyReader {
  const { type, prefix, parts } = variant;
  const parameters = [`${prefix}_lambda_b`, `${prefix}_lambda_d`] as const;
  return async (source): Promise<FamilyAnswer> => {
    const projections = storedProjections(source, variant) ?? drawnProjections(source, variant, parameters);
    return eachModule(source, parameters, (module) => {
      const lambdaB = needed(source, module, parameters[0]);
      const lambdaD = needed(source, module, parameters[1]);
      const out = lambdaB.shape[0] ?? 0;
      const rank = Math.floor((lambdaD.shape[0] ?? 0) / parts);
      const facts = weightFacts(module, type, rank, 1);
      return sizedByBase(source, { ...facts, factors: [...facts.factors, ...(projections?.stored ?? [])] }, linearLayer(source, facts.tensor, out), ({ inputs }) => {
        if (projections === null) return { refused: "the projections are not stored, and a layer's size is missing to draw them again" };
        const b = hadamard(reshape(lambdaB.expression, [out, 1]), slice(projections.b, 0, 0, out));
        const a = hadamard(reshape(slice(lambdaD.expression, 0, 0, rank), [rank, 1]), slice(slice(projections.a, 0, 0, rank), 1, 0, inputs));
        return product(b, a);
      });
    });
  };
}

function storedProjections(source: AdapterSource, { prefix }: Variant): Projections | null {
  const a = sharedFactor(source, `${prefix}_A`);
  const b = sharedFactor(source, `${prefix}_B`);
  return a === undefined || b === undefined ? null : { a: a.expression, b: b.expression, stored: [a.index, b.index] };
}

/**
 * A, then B, as PEFT draws them where `save_projection` is off: Kaiming's uniform distribution in float32 from torch's CPU
 * generator, bound √(6 / length of the last axis). Their sizes are those of the widest adapted layers.
 */
function drawnProjections(source: AdapterSource, { parts }: Variant, parameters: readonly [string, string]): Projections | null {
  let [widest, tallest, rank] = [0, 0, 0];
  for (const module of modulesWith(source, parameters)) {
    const out = needed(source, module, parameters[0]).shape[0] ?? 0;
    const layer = linearLayer(source, `${module.module}.weight`, out);
    if (layer === null) return null;
    widest = Math.max(widest, layer.inputs);
    tallest = Math.max(tallest, layer.out);
    rank = Math.max(rank, needed(source, module, parameters[1]).shape[0] ?? 0);
  }
  if (rank === 0) return null;
  const seed = torchSeed(source, "projection_prng_key", 0);
  const draw = (shape: [number, number], skip: number): Expression => {
    const bound = Math.sqrt(3) * (Math.SQRT2 / Math.sqrt(shape[1]));
    return compute({ name: "torchUniform", seed, skip, low: -bound, high: bound, dtype: "F32", shape });
  };
  return { a: draw([rank, widest], 0), b: draw([tallest, rank / parts], rank * widest), stored: [] };
}
