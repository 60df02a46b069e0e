/** Methods that move along arcs: slerp, nuslerp, multislerp and the Karcher mean. */
import type { MergeMethodEntry } from "./method";
import { numberOf, numbersOf, perModel, shared, truthOf } from "./parameters";

export const slerp: MergeMethodEntry = {
  name: "slerp",
  summary: "Spherical interpolation from the base to one other model, tensor by tensor.",
  formula: "θ = [sin((1−t)Ω) θ₀ + sin(tΩ) θ₁] / sin Ω,  Ω the angle between θ₀ and θ₁;  (1−t) θ₀ + t θ₁ where |cos Ω| > 0.9995",
  source: "Shoemake, Animating rotation with quaternion curves, 1985",
  link: "https://doi.org/10.1145/325334.325242",
  base: "required",
  baseAlone: false,
  models: { min: 1, max: 1 },
  parameters: [shared("t", "number", "where on the arc: 0 is the base, 1 the other model", { range: [0, 1] })],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  missing: "pass-lone",
  kernel: (values) => ({ name: "slerp", t: numberOf(values, "t") }),
};

export const nuslerp: MergeMethodEntry = {
  name: "nuslerp",
  summary: "Spherical interpolation of two models by their weights; with a base, of their task vectors.",
  formula: "t = w₁ / (w₀ + w₁)  (0.5 where the sum is 0);  θ = [sin((1−t)Ω) v₀ + sin(tΩ) v₁] / sin Ω,  v the models, or θ₀ + that with v the differences from the base",
  source: "mergekit, merge method nuslerp",
  link: "https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md",
  base: "optional",
  baseAlone: false,
  models: { min: 2, max: 2 },
  parameters: [
    perModel("weight", "the model's share of the way"),
    shared("nuslerp_flatten", "boolean", "one angle for the whole tensor, otherwise one for each vector of an axis", { default: true }),
    shared("nuslerp_row_wise", "boolean", "without nuslerp_flatten: vectors along the first axis, otherwise along the last", { default: false }),
  ],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  missing: "pass-lone",
  kernel: (values) => ({ name: "nuslerp", weights: numbersOf(values, "weight"), flatten: truthOf(values, "nuslerp_flatten"), rowWise: truthOf(values, "nuslerp_row_wise") }),
};

export const multislerp: MergeMethodEntry = {
  name: "multislerp",
  summary: "Spherical average of any number of models about their mean direction; with a base, of their task vectors.",
  formula: "uᵢ = vᵢ/‖vᵢ‖;  m = Σ wᵢ uᵢ / ‖Σ wᵢ uᵢ‖;  T = Σ wᵢ (uᵢ − (uᵢ·m) m);  θ = (m cos ‖T‖ + T/‖T‖ sin ‖T‖) · Σ wᵢ ‖vᵢ‖",
  source: "mergekit, merge method multislerp",
  link: "https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md",
  base: "optional",
  baseAlone: false,
  models: { min: 1, max: null },
  parameters: [
    perModel("weight", "the model's share"),
    shared("normalize_weights", "boolean", "divide the weights by their sum first", { default: true }),
    shared("eps", "number", "added to norms before they divide", { default: 1e-8 }),
  ],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  missing: "merge-rest",
  kernel: (values) => ({ name: "multislerp", weights: numbersOf(values, "weight"), normalizeWeights: truthOf(values, "normalize_weights"), eps: numberOf(values, "eps") }),
};

export const karcher: MergeMethodEntry = {
  name: "karcher",
  summary: "Riemannian centre of mass of the models' directions on the sphere, with their mean length.",
  formula: "u ← exp_u(Σ αᵢ log_u(vᵢ/‖vᵢ‖)) until the step is below tol;  θ = u · Σ ‖vᵢ‖ / N,  αᵢ equal",
  source: "Karcher, Riemannian center of mass, 1977; mergekit, merge method karcher",
  link: "https://doi.org/10.1002/cpa.3160300502",
  base: "unused",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [
    shared("max_iter", "integer", "most steps", { default: 10, range: [0, 10_000] }),
    shared("tol", "number", "a step this short is the last; shorter tensors have no direction", { default: 1e-5, range: [0, 1] }),
  ],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  missing: "merge-rest",
  kernel: (values) => ({ name: "karcher", maxIterations: numberOf(values, "max_iter"), tolerance: numberOf(values, "tol") }),
};
