/** FRoD: W in the coordinates of a basis V that layers of one kind share, U·diag(λ)·Vᵀ, of which λ and a sparse S are trained. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { add, compute, divide, hadamard, inverse, norm, product, reshape, scale, scatter, slice, subtract, transpose } from "./build";
import { eachModule, linearLayer, weightFacts } from "./linear-layer";
import { asStored, needed, sharedFactor, type Factor } from "./peft-names";

/** Columns of W·V⁻ᵀ shorter than this are zero in U. */
const SMALLEST_COLUMN = 1e-12;

/** V (in, in), λ (in), S as values at stored positions (2, n). ΔW = U·(S + diag λ)·Vᵀ − W, U the unit columns of W·V⁻ᵀ. */
export async function frod(source: AdapterSource): Promise<FamilyAnswer> {
  const shared = new Map<string, Factor | undefined>();
  const sharedOf = (name: string): Factor | undefined => {
    if (!shared.has(name)) shared.set(name, sharedFactor(source, name));
    return shared.get(name);
  };
  return eachModule(source, ["frod_lambda_l", "frod_lambda_s_values"], async (module) => {
    const lambda = needed(source, module, "frod_lambda_l");
    const values = needed(source, module, "frod_lambda_s_values");
    const kind = kindOf(module.module);
    const [basis, positions] = [sharedOf(`frod_V.${kind}`), sharedOf(`frod_s_indices.${kind}`)];
    const inputs = lambda.shape[0] ?? 0;
    const tensor = `${module.module}.weight`;
    const layer = linearLayer(source, tensor);
    const facts = weightFacts(module, "FROD", layer?.out ?? null, 1);
    const stored = layer?.stored;
    const common = { ...facts, shape: layer === null ? [] : stored === undefined ? [layer.out, inputs] : [inputs, layer.out], ...(stored === undefined ? {} : { stored }) };
    if (basis === undefined || positions === undefined) {
      return { ...common, delta: null, refused: "the shared basis is not stored (save_projection is off), and the signs of its vectors depend on the library that computed them" };
    }
    const n = values.shape[0] ?? 0;
    const sparse = scatter([inputs, inputs], flat(positions.expression, n, inputs), values.expression);
    const middle = add(sparse, hadamard(compute({ name: "identity", n: inputs }), lambda.expression));
    const v = basis.expression;
    const delta = await deltaOnBase(source, tensor, (weight) => {
      const w = asStored(weight, stored);
      const coordinates = product(w, transpose(inverse(v)));
      const lengths = compute({ name: "clamp", low: SMALLEST_COLUMN }, norm(coordinates, [0]));
      return asStored(subtract(product(product(divide(coordinates, lengths), middle), transpose(v)), w), stored);
    });
    return { ...common, factors: [...facts.factors, basis.index, positions.index], ...delta };
  });
}

/** Row-major positions in a square matrix of `side` from rows and columns, (2, n). */
function flat(pairs: Expression, n: number, side: number): Expression {
  return reshape(add(scale(slice(pairs, 0, 0, 1), side), slice(pairs, 0, 1, 2)), [n]);
}

/** The kind of layer by which PEFT names the shared basis: the last two parts of the module's name, without numbers. */
function kindOf(module: string): string {
  const parts = module.split(".");
  const [before, last = ""] = [parts.at(-2), parts.at(-1)];
  if (before === undefined || /^\d+$/.test(before)) return last;
  return before === "output" && last === "dense" && parts.at(-3) === "attention" ? "attention_output" : `${before}_${last}`;
}
