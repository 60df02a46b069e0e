/** Task arithmetic and its kin: differences from the base, made sparse or not, signs elected or not, weighted, summed. */
import type { Sparsify } from "../../engine/protocol";
import type { KernelValues, MergeMethodEntry, MethodParameter } from "./method";
import { numberOf, numbersOf, perModel, shared, truthOf } from "./parameters";

interface Variant extends Pick<MergeMethodEntry, "name" | "summary" | "formula" | "source" | "link"> {
  /** How task vectors are made sparse; null: not at all, density is accepted and ignored. */
  sparsify: Sparsify["kind"] | null;
  /** Whether signs are elected and the minority left out. */
  elect: boolean;
  normalize: boolean;
  rescale: boolean;
}

const SPARSE: Record<Sparsify["kind"], string> = {
  magnitude: "trim keeps the density·n largest |τᵢ| of a tensor",
  random: "mask keeps each element with probability density; rescale restores Σ|τᵢ|",
  outliers: "mask leaves out the gamma·n largest |τᵢ| and then keeps the density·n largest",
  ranked: "mask keeps elements with a probability from density − epsilon (the smallest of a row) to density + epsilon (the largest)",
};

function entry({ sparsify, elect, normalize, rescale, formula, ...about }: Variant): MergeMethodEntry {
  const random = sparsify === "random" || sparsify === "ranked";
  return {
    ...about,
    formula: sparsify === null ? formula : `${formula};  ${SPARSE[sparsify]}`,
    base: "required",
    baseAlone: true,
    models: { min: 1, max: null },
    parameters: [
      perModel("weight", "factor of the model's task vector"),
      perModel("density", sparsify === null ? "accepted and ignored: nothing is made sparse" : "share of each task vector that is kept", { default: 1, range: [0, 1], ...(random ? { strict: true } : {}), ...(sparsify === null ? { ignored: true } : {}) }),
      ...(sparsify === "outliers" ? [perModel("gamma", "share of each task vector, the largest, that is left out", { default: 0.01, range: [0, 1] })] : []),
      ...(sparsify === "ranked" ? [perModel("epsilon", "how far the probability to be kept goes from density, down and up", { default: 0.15, range: [0, 1] })] : []),
      shared("normalize", "boolean", elect ? "divide each element by the weights that agree on its sign" : "divide by the sum of the weights", { default: normalize }),
      shared("rescale", "boolean", sparsify === null ? "accepted and ignored: nothing is made sparse" : "after masking restore the sum of magnitudes", { default: rescale, ...(sparsify === null ? { ignored: true } : {}) }),
      shared("lambda", "number", "factor of the merged task vector", { default: 1 }),
      INT8_MASK,
    ],
    random,
    profiles: ["mergekit", "paper"],
    space: "task vector",
    missing: "merge-rest",
    kernel: (values) => ({
      name: "taskVectors",
      weights: numbersOf(values, "weight"),
      sparsify: sparsify === null ? null : sparsifier(sparsify, values),
      elect,
      normalize: truthOf(values, "normalize"),
      lambda: numberOf(values, "lambda"),
    }),
  };
}

/** Of several methods; mergekit keeps masks in bytes with it, which changes no value. */
export const INT8_MASK: MethodParameter = shared("int8_mask", "boolean", "accepted and ignored: it changes no value", { default: false, ignored: true });

function sparsifier(kind: Sparsify["kind"], values: KernelValues): Sparsify {
  const common = { densities: numbersOf(values, "density"), rescale: truthOf(values, "rescale") };
  const seeds = (): string[] => common.densities.map((_, input) => values.seed(input));
  switch (kind) {
    case "magnitude":
      return { ...common, kind };
    case "random":
      return { ...common, kind, seeds: seeds() };
    case "outliers":
      return { ...common, kind, gammas: numbersOf(values, "gamma") };
    case "ranked":
      return { ...common, kind, epsilons: numbersOf(values, "epsilon"), seeds: seeds() };
  }
}

const SUM = "θ = θ₀ + λ Σ wᵢ τᵢ,  τᵢ = θᵢ − θ₀";
const MASKED = "θ = θ₀ + λ Σ wᵢ mask(τᵢ),  τᵢ = θᵢ − θ₀";
const ELECTED = "θ = θ₀ + λ Σ wᵢ τ′ᵢ [sign(wᵢ τ′ᵢ) = sign(Σ wⱼ τ′ⱼ)] (/ Σ of the wᵢ that agree, with normalize),  τ′ᵢ the task vector θᵢ − θ₀ made sparse";

const TIES = { source: "Yadav et al., TIES-Merging, 2023", link: "https://arxiv.org/abs/2306.01708" };
const DARE = { source: "Yu et al., Language Models are Super Mario (DARE), 2023", link: "https://arxiv.org/abs/2311.03099" };
const DELLA = { source: "Deep et al., DELLA-Merging, 2024", link: "https://arxiv.org/abs/2406.11617" };
const BREADCRUMBS = { source: "Davari & Belilovsky, Model Breadcrumbs, 2023", link: "https://arxiv.org/abs/2312.06795" };

export const taskVectorMethods: readonly MergeMethodEntry[] = [
  { name: "task_arithmetic", summary: "Adds the weighted task vectors of the models to the base.", formula: SUM, source: "Ilharco et al., Editing models with task arithmetic, 2022", link: "https://arxiv.org/abs/2212.04089", sparsify: null, elect: false, normalize: false, rescale: false },
  { name: "ties", summary: "Task vectors trimmed to their largest elements; signs elected, the minority left out.", formula: ELECTED, ...TIES, sparsify: "magnitude", elect: true, normalize: true, rescale: false },
  { name: "dare_linear", summary: "Task vectors thinned out by chance and rescaled, then added.", formula: MASKED, ...DARE, sparsify: "random", elect: false, normalize: false, rescale: true },
  { name: "dare_ties", summary: "Task vectors thinned out by chance and rescaled, then merged by elected signs.", formula: ELECTED, ...DARE, sparsify: "random", elect: true, normalize: false, rescale: true },
  { name: "breadcrumbs", summary: "Task vectors without their largest and smallest elements, then added.", formula: MASKED, ...BREADCRUMBS, sparsify: "outliers", elect: false, normalize: false, rescale: false },
  { name: "breadcrumbs_ties", summary: "Task vectors without their largest and smallest elements, merged by elected signs.", formula: ELECTED, ...BREADCRUMBS, sparsify: "outliers", elect: true, normalize: false, rescale: false },
  { name: "della", summary: "Task vectors thinned out by chance, the larger elements the likelier kept; merged by elected signs.", formula: ELECTED, ...DELLA, sparsify: "ranked", elect: true, normalize: true, rescale: true },
  { name: "della_linear", summary: "Task vectors thinned out by chance, the larger elements the likelier kept; then added.", formula: MASKED, ...DELLA, sparsify: "ranked", elect: false, normalize: false, rescale: true },
].map((variant) => entry(variant as Variant));
