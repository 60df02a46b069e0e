import type { MergeMethodEntry } from "./method";
import { perModel } from "./parameters";

export const passthrough: MergeMethodEntry = {
  name: "passthrough",
  summary: "Copies one model's tensors, perhaps scaled: for stacking layers.",
  formula: "θ = θ₁, or scale · θ₁",
  source: "mergekit, docs/merge_methods.md",
  link: "https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md",
  base: "unused",
  baseAlone: true,
  models: { min: 1, max: 1 },
  parameters: [{ ...perModel("scale", "factor; without it values are copied", { base: true }), required: false }],
  random: false,
  profiles: ["mergekit", "paper"],
  space: "weight",
  missing: "merge-rest",
  kernel({ perModel: { scale } }) {
    const factor = scale?.[0];
    return typeof factor === "number" ? { name: "passthrough", scale: factor } : { name: "passthrough" };
  },
};
