/** Further methods that measure models against a base: model_stock, nearswap, arcee_fusion, sce, ram, ramplus_tl. */
import type { MergeMethodEntry } from "./method";
import { numberOf, shared, truthOf } from "./parameters";
import { INT8_MASK } from "./task-vectors";

const PROFILES: MergeMethodEntry["profiles"] = ["mergekit", "paper"];
const MERGEKIT = { source: "mergekit, docs/merge_methods.md", link: "https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md" };
const RAM = { source: "Yuan et al., Behavior Knowledge Merge in Reinforced Agentic Models (RAM), 2026", link: "https://arxiv.org/abs/2601.13572" };

export const modelStock: MergeMethodEntry = {
  name: "model_stock",
  summary: "Average of fine-tuned models drawn towards the base by the angle between their task vectors.",
  formula: "t = N cos / (1 + (N−1) cos),  cos the mean over pairs of cos(τᵢ, τⱼ);  θ = t · mean(θᵢ) + (1−t) θ₀",
  source: "Jang et al., Model Stock, 2024",
  link: "https://arxiv.org/abs/2403.19522",
  base: "required",
  baseAlone: false,
  models: { min: 2, max: null },
  parameters: [shared("filter_wise", "boolean", "an angle for each row instead of one for the tensor", { default: false })],
  random: false,
  profiles: PROFILES,
  space: "task vector",
  missing: "base-or-skip",
  kernel: (values) => ({ name: "modelStock", filterWise: truthOf(values, "filter_wise") }),
};

export const nearswap: MergeMethodEntry = {
  name: "nearswap",
  summary: "Moves the base to another model where the two are near, the more the nearer.",
  formula: "λ = clamp(t / |θ₀ − θ₁|, 0, 1);  θ = (1−λ) θ₀ + λ θ₁, element by element",
  ...MERGEKIT,
  base: "required",
  baseAlone: false,
  models: { min: 1, max: 1 },
  parameters: [shared("t", "number", "distance up to which the other model's value is taken whole")],
  random: false,
  profiles: PROFILES,
  space: "weight",
  missing: "pass-lone-base",
  kernel: (values) => ({ name: "nearswap", t: numberOf(values, "t") }),
};

export const arceeFusion: MergeMethodEntry = {
  name: "arcee_fusion",
  summary: "Takes over the most important changes of one other model, found by a threshold.",
  formula: "s = |Δ| · KL(softmax(θ₁) ‖ softmax(θ₀)) by row;  θ = θ₀ + Δ [s ≥ median(s) + 1.5 IQR(s)],  Δ = θ₁ − θ₀",
  ...MERGEKIT,
  base: "required",
  baseAlone: false,
  models: { min: 1, max: 1 },
  parameters: [],
  random: false,
  profiles: PROFILES,
  space: "task vector",
  missing: "pass-lone",
  kernel: () => ({ name: "arceeFusion" }),
};

export const sce: MergeMethodEntry = {
  name: "sce",
  summary: "Selects the positions in which task vectors vary most, weights models by their energy, leaves out the minority's signs.",
  formula: "wᵢ = mean(τᵢ²) / Σ mean(τⱼ²);  θ = θ₀ + Σ wᵢ τᵢ Mᵢ / Σ wᵢ Mᵢ,  Mᵢ: τᵢ agrees with the sign of Σ τⱼ;  only the select_topk positions of largest variance",
  source: "Wan et al., FuseChat (SCE), 2024",
  link: "https://arxiv.org/abs/2408.07990",
  base: "required",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [shared("select_topk", "number", "share of the positions whose task vectors vary that is kept; 1 keeps all", { default: 1, range: [0, 1] }), INT8_MASK],
  random: false,
  profiles: PROFILES,
  space: "task vector",
  missing: "merge-rest",
  kernel: (values) => ({ name: "sce", topK: numberOf(values, "select_topk") }),
};

const RAM_EPSILON = shared("epsilon", "number", "an element of a task vector counts as changed above this magnitude", { default: 1e-5 });

export const ram: MergeMethodEntry = {
  name: "ram",
  summary: "Averages task vectors over the models that changed an element, so that what one model alone learned is not thinned.",
  formula: "cⱼ = #{i: |τᵢⱼ| > ε};  θ = θ₀ + Σ τᵢ / max(c, 1), over the changed elements",
  ...RAM,
  base: "required",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [RAM_EPSILON],
  random: false,
  profiles: PROFILES,
  space: "task vector",
  missing: "merge-rest",
  kernel: (values) => ({ name: "ram", epsilon: numberOf(values, "epsilon") }),
};

export const ramPlus: MergeMethodEntry = {
  name: "ramplus_tl",
  summary: "As ram, with each model's own changes made larger by how much it shares with others.",
  formula: "as ram; the elements that only model i changed times λᵢ = 1 + r · clamp(ρᵢ, 0, alpha),  ρᵢ = shared changes / own changes",
  ...RAM,
  base: "required",
  baseAlone: true,
  models: { min: 1, max: null },
  parameters: [
    RAM_EPSILON,
    shared("r", "number", "how much the ratio of shared to own changes counts", { default: 0.1 }),
    shared("alpha", "number", "most that the ratio may be", { default: 0.2 }),
  ],
  random: false,
  profiles: PROFILES,
  space: "task vector",
  missing: "merge-rest",
  kernel: (values) => ({ name: "ramPlus", epsilon: numberOf(values, "epsilon"), r: numberOf(values, "r"), alpha: numberOf(values, "alpha") }),
};
