/** Extensions: methods that weigh models by statistics of their data, given in files beside the models. */
import type { MergeMethodEntry } from "./method";
import { numberOf, numbersOf, perModel, shared } from "./parameters";

export const fisher: MergeMethodEntry = {
  name: "fisher",
  summary: "Average of the models, each element weighted by its Fisher information (an extension; `statistics` names its file under each model).",
  formula: "θ = Σ wᵢ (Fᵢ + floor) θᵢ / Σ wᵢ (Fᵢ + floor), element by element",
  source: "Matena & Raffel, Merging Models with Fisher-Weighted Averaging, 2021",
  link: "https://arxiv.org/abs/2111.09832",
  base: "unused",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [
    perModel("weight", "factor of the model's Fisher information", { default: 1, base: true }),
    shared("floor", "number", "added to the Fisher information, so that none is zero", { default: 1e-6, range: [0, 1] }),
  ],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  statistics: "fisher",
  missing: "merge-rest",
  kernel: (values) => ({ name: "fisher", coefficients: numbersOf(values, "weight"), floor: numberOf(values, "floor") }),
};

export const regmean: MergeMethodEntry = {
  name: "regmean",
  summary: "Linear layers solved for the outputs of all models on their own inputs, by Gram matrices; the mean elsewhere (an extension; `statistics` names the file under each model).",
  formula: "W = ((Σ Gᵢ)⁻¹ Σ Gᵢ Wᵢᵀ)ᵀ,  Gᵢ = XᵢᵀXᵢ with its elements off the diagonal times alpha;  mean(θᵢ) where there is no Gᵢ",
  source: "Jin et al., Dataless Knowledge Fusion by Merging Weights of Language Models, 2022",
  link: "https://arxiv.org/abs/2212.09849",
  base: "unused",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [shared("alpha", "number", "factor of the Gram matrices' elements off the diagonal", { default: 0.9, range: [0, 1] })],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  statistics: "gram",
  missing: "merge-rest",
  // Of a tensor without Gram matrices. Those with them are solved by computed expressions, which the planner makes.
  kernel: ({ inputs }) => ({ name: "linear", weights: Array.from({ length: inputs }, () => 1), normalize: true }),
};
