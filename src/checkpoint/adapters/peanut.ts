/** PEANuT: ΔW = s·network(Wᵀ)ᵀ, a small network with residual connections over the outputs of the layer. */
import type { Expression, Operation } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { add, compute, map, product, scale } from "./build";
import { eachModule, linearLayer, weightFacts } from "./linear-layer";
import { needed, numberSetting, settingError, type PeftModule } from "./peft-names";

/** Far more layers than any such network has. */
const MOST_LAYERS = 64;

/** The activations of transformers' `ACT2FN` that the engine computes. */
const ACTIVATIONS = new Map<string, (of: Expression) => Expression>([
  ["linear", (of) => of],
  ...(["relu", "gelu", "silu", "tanh", "sigmoid"] as const).map((name): [string, (of: Expression) => Expression] => [name, mapped(name)]),
  ["swish", mapped("silu")],
  ["relu2", (of) => map(map(of, "relu"), "square")],
  ["relu6", (of) => compute({ name: "clamp", low: 0, high: 6 }, of)],
]);

function mapped(name: Extract<Operation, { name: "map" }>["function"]): (of: Expression) => Expression {
  return (of) => map(of, name);
}

/** A (r, out), encoders and decoders (r, r), B (out, r), all without biases. */
export async function peanut(source: AdapterSource): Promise<FamilyAnswer> {
  const depth = numberSetting(source, "depth", 0);
  if (!Number.isInteger(depth) || depth < 0 || depth > MOST_LAYERS) throw settingError(source, "depth", depth, `a whole number up to ${MOST_LAYERS}`);
  const s = numberSetting(source, "scaling", 1);
  const name = source.config.act_fn ?? "relu";
  const activation = typeof name === "string" ? ACTIVATIONS.get(name) : undefined;
  const hidden = Array.from({ length: depth }, (_, i) => [`peanut_encoders.${i}.weight`, `peanut_decoders.${i}.weight`]).flat();
  return eachModule(source, ["peanut_A.weight", "peanut_B.weight", ...hidden], async (module) => {
    const [rank = 0, out = 0] = needed(source, module, "peanut_A.weight").shape;
    const facts = weightFacts(module, "PEANUT", rank, s);
    const layer = linearLayer(source, facts.tensor, out);
    const shape = layer === null ? [] : [out, layer.inputs];
    if (activation === undefined) return { ...facts, shape, delta: null, refused: "the activation function that the configuration names cannot be computed" };
    return { ...facts, shape, ...(await deltaOnBase(source, facts.tensor, (weight) => scale(network(source, module, weight, depth, activation), s))) };
  });
}

/** The network on every column of W, transposed throughout: B·(…act(E·act(A·W))…). */
function network(source: AdapterSource, module: PeftModule, weight: Expression, depth: number, activation: (of: Expression) => Expression): Expression {
  const layer = (parameter: string, input: Expression): Expression => product(needed(source, module, parameter).expression, input);
  let value = activation(layer("peanut_A.weight", weight));
  const residuals: Expression[] = [];
  for (let i = 0; i < depth; i++) {
    residuals.push(value);
    value = activation(layer(`peanut_encoders.${i}.weight`, value));
  }
  for (let i = 0; i < depth; i++) value = add(activation(layer(`peanut_decoders.${i}.weight`, value)), residuals[depth - 1 - i]!);
  return layer("peanut_B.weight", value);
}
