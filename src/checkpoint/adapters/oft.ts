/**
 * OFT (Qiu et al., 2023; arXiv 2306.07280) as PEFT 0.16 and later stores it: W·Rᵀ for layers and W·R for embeddings, R
 * block-diagonal over the inputs with blocks from skew-symmetric matrices.
 */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyReader } from "./adapter";
import { add, compute, divide, fill, hadamard, identity, norm, product, scale, ShapeMismatch, transpose } from "./build";
import { everyModule, updatedOnBase } from "./modules";
import { needed, numberSetting, settingError } from "./peft-names";
import { cayleyMinusIdentity, timesBlocks } from "./rotations";

/** Most terms of the Cayley–Neumann series that are written out; PEFT's default is 5. */
const MOST_TERMS = 16;

export const oft: FamilyReader = (source) =>
  everyModule(source, ["oft_R.weight", "oft_embedding_R.weight"], (module) => {
    const embedding = module.factors.get("oft_embedding_R.weight");
    const { expression, shape } = embedding ?? needed(source, module, "oft_R.weight");
    const change = rotationMinusIdentity(source, expression, shape);
    return updatedOnBase(
      source, "OFT", module, "weight",
      (weight) => timesBlocks(weight, embedding === undefined ? transpose(change) : change),
      embedding === undefined ? {} : { stored: "vocabulary_first" },
    );
  });

/** R − I as (blocks, b, b), from the entries above the diagonals of Q, (blocks, b(b−1)/2). */
function rotationMinusIdentity(source: AdapterSource, entries: Expression, shape: readonly number[]): Expression {
  const [blocks = 0, above = 0] = shape;
  const b = (1 + Math.sqrt(1 + 8 * above)) / 2;
  if (shape.length !== 2 || blocks < 1 || !Number.isInteger(b)) throw new ShapeMismatch(`[${shape.join(", ")}] holds no entries above the diagonals of square blocks`);
  let skew = compute({ name: "skew", n: b }, entries);
  if (source.config.coft === true) {
    // Blocks longer than the bound are shortened to it.
    const eps = numberSetting(source, "eps", 6e-5);
    if (eps <= 0) throw settingError(source, "eps", eps, "a positive number");
    const bound = eps / Math.sqrt(blocks);
    const lengths = compute({ name: "clamp", low: bound }, norm(skew, [1, 2]));
    skew = hadamard(skew, divide(fill([1, 1, 1], bound), lengths));
  }
  if (source.config.use_cayley_neumann === false) return cayleyMinusIdentity(skew);
  const terms = numberSetting(source, "num_cayley_neumann_terms", 5);
  if (!Number.isInteger(terms) || terms < 1 || terms > MOST_TERMS) throw settingError(source, "num_cayley_neumann_terms", terms, `an integer from 1 to ${MOST_TERMS}`);
  return seriesMinusIdentity(skew, b, terms);
}

/**
 * 2Q + 2Q² + … + Qᵖ, the last power without its factor 2; PEFT's p is 3 for 3 and 4 terms, terms − 1 from there on. The series
 * is that of the Cayley transform of −Q: with and without it, PEFT turns in opposite directions.
 */
function seriesMinusIdentity(skew: Expression, b: number, terms: number): Expression {
  if (terms === 1) return fill([1, b, b], 0);
  if (terms === 2) return scale(skew, 2);
  let sum = skew;
  for (let power = Math.max(3, terms - 1); power > 1; power--) sum = product(skew, add(scale(identity(b), 2), sum));
  return sum;
}
