import type { MergeMethodEntry } from "./method";
import { numbersOf, perModel, shared, truthOf } from "./parameters";

export const linear: MergeMethodEntry = {
  name: "linear",
  summary: "Weighted average of the models.",
  formula: "θ = Σ wᵢ θᵢ / Σ wᵢ   (without the division where normalize is false)",
  source: "Wortsman et al., Model soups, 2022",
  link: "https://arxiv.org/abs/2203.05482",
  base: "unused",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [
    perModel("weight", "the model's share; may be negative", { base: true }),
    shared("normalize", "boolean", "divide by the sum of the weights", { default: true }),
  ],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  missing: "merge-rest",
  kernel: (values) => ({ name: "linear", weights: numbersOf(values, "weight"), normalize: truthOf(values, "normalize") }),
};
