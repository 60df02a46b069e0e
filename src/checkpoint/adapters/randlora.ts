/** RandLoRA: ΔW = s·Σ over n random bases, each scaled by a trained diagonal on either side; s = α/r. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { add, compute, divide, fill, hadamard, map, product, reshape, scale, shapeOf, slice, subtract, sum, transpose } from "./build";
import { eachModule, linearLayer, overRank, sizedByBase, torchSeed, weightFacts } from "./linear-layer";
import { modulesWith, needed, numberSetting, sharedFactor } from "./peft-names";

/** λ (r, n) and γ (n, min); min and max are the smaller and the larger side of the layer. */
const PARAMETERS = ["randlora_lambda", "randlora_gamma"];

/** A (r, 1, ≥ min) and B (≥ max, ≥ n, r), shared by all layers. PEFT stores a copy under every module as well. */
interface Bases {
  a: Expression;
  b: Expression;
  stored: number[];
}

const NOT_STORED =
  "the random bases are not stored (save_projection is off), and PEFT draws them in bfloat16 or float16 after the machine and the version of torch, which no file names";

export async function randlora(source: AdapterSource): Promise<FamilyAnswer> {
  const shared = storedBases(source) ?? drawnBases(source);
  return eachModule(source, PARAMETERS, (module) => {
    const lambda = needed(source, module, "randlora_lambda");
    const gamma = needed(source, module, "randlora_gamma");
    const [rank = 0, bases = 0] = lambda.shape;
    const s = overRank(numberSetting(source, "randlora_alpha", 640), rank);
    const facts = weightFacts(module, "RANDLORA", rank, s);
    return sizedByBase(source, { ...facts, factors: [...facts.factors, ...(shared?.stored ?? [])] }, linearLayer(source, facts.tensor), ({ out, inputs }) => {
      if (shared === null) return { refused: NOT_STORED };
      const [smaller, larger] = [Math.min(out, inputs), Math.max(out, inputs)];
      const left = reshape(slice(slice(shared.b, 0, 0, larger), 1, 0, bases), [larger, bases * rank]);
      // PEFT flattens (n, r) in B but (r, n) in A: the k-th column of one meets the k-th row of the other all the same.
      const trained = hadamard(reshape(lambda.expression, [rank, bases, 1]), reshape(gamma.expression, [1, bases, smaller]));
      const right = reshape(hadamard(trained, slice(shared.a, 2, 0, smaller)), [rank * bases, smaller]);
      return scale(inputs <= out ? product(left, right) : product(transpose(right), transpose(left)), s);
    });
  });
}

function storedBases(source: AdapterSource): Bases | null {
  const [a, b] = [sharedFactor(source, "randlora_A"), sharedFactor(source, "randlora_B")];
  return a === undefined || b === undefined ? null : { a: a.expression, b: b.expression, stored: [a.index, b.index] };
}

/**
 * A, then B, as PEFT draws them where `save_projection` is off: with `sparse` or `very_sparse` from float32 uniforms in
 * [0, 1), which become −1 below t, 1 above 1 − t and else 0, divided by their standard deviation; t = 1/6, or 1/(2·√min) of
 * the smaller of the largest sides. Null for the dense bases, whose type depends on the machine, or when a size is missing.
 */
function drawnBases(source: AdapterSource): Bases | null {
  const { sparse, very_sparse: verySparse } = source.config;
  if (sparse !== true && verySparse !== true) return null;
  let [tallest, widest, rank] = [0, 0, 0];
  for (const module of modulesWith(source, PARAMETERS)) {
    const layer = linearLayer(source, `${module.module}.weight`);
    if (layer === null) return null;
    tallest = Math.max(tallest, layer.out);
    widest = Math.max(widest, layer.inputs);
    rank = Math.max(rank, needed(source, module, "randlora_lambda").shape[0] ?? 0);
  }
  if (rank === 0) return null;
  const [smaller, larger] = [Math.min(tallest, widest), Math.max(tallest, widest)];
  const threshold = 1 / (2 * (verySparse === true ? Math.sqrt(smaller) : 3));
  const seed = torchSeed(source, "projection_prng_key", 0);
  const draw = (shape: number[], skip: number): Expression => signs(compute({ name: "torchUniform", seed, skip, low: 0, high: 1, dtype: "F32", shape }), threshold);
  return { a: draw([rank, 1, smaller], 0), b: draw([larger, Math.ceil(smaller / rank), rank], rank * smaller), stored: [] };
}

function signs(uniform: Expression, threshold: number): Expression {
  const shape = shapeOf(uniform);
  // Uniforms are multiples of 2^-24: scaled, every positive difference is cut to 1.
  const positive = (difference: Expression): Expression => compute({ name: "clamp", low: 0, high: 1 }, scale(difference, 2 ** 60));
  const number = (value: number): Expression => fill([1, 1, 1], Math.fround(value));
  const values = subtract(positive(subtract(uniform, number(1 - threshold))), positive(subtract(number(threshold), uniform)));
  const axes = [0, 1, 2];
  const count = shape.reduce((total, length) => total * length, 1);
  const centred = add(values, scale(sum(values, axes), -1 / count));
  return divide(values, map(scale(sum(map(centred, "square"), axes), 1 / (count - 1)), "squareRoot"));
}
