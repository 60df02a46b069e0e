/** Types whose update depends on choices inside a library that no file holds: their modules are listed, their updates refused. */
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { eachModule, linearLayer, overRank, weightFacts } from "./linear-layer";
import { numberSetting } from "./peft-names";

/** PSOFT: ΔW = s·B·(R − I)·A. R is stored; A and B are not. */
export async function psoft(source: AdapterSource): Promise<FamilyAnswer> {
  const alpha = numberSetting(source, "psoft_alpha", 32);
  const r = numberSetting(source, "r", 32);
  return eachModule(source, ["psoft_R.weight", "psoft_R.vector_a", "psoft_R.vector_b"], (module): AdapterModule => {
    const facts = weightFacts(module, "PSOFT", r, overRank(alpha, r));
    return {
      ...facts,
      ...shapeOfLayer(source, facts.tensor),
      delta: null,
      refused: "the rotation is stored between factors of the base's SVD that are not, and depends on the signs that the library's SVD gave them",
    };
  });
}

/** AdaMSS: ΔW = the rows of B_k·A_k·newB put back where the subspace k took them. newB has one column more for a bias. */
export async function adamss(source: AdapterSource): Promise<FamilyAnswer> {
  return eachModule(source, ["adamss_newB"], (module): AdapterModule[] => {
    const facts = weightFacts(module, "ADAMSS", null, 1);
    const layer = linearLayer(source, facts.tensor);
    const refused = "which rows belong to which subspace came from a clustering of the base's singular vectors and is in no file";
    const columns = module.factors.get("adamss_newB")?.shape[1] ?? 0;
    const weight: AdapterModule = { ...facts, ...shapeOfLayer(source, facts.tensor), delta: null, refused };
    const bias: AdapterModule = { ...facts, tensor: `${module.module}.bias`, shape: layer === null ? [] : [layer.out], delta: null, refused };
    return layer !== null && columns === layer.inputs + 1 ? [weight, bias] : [weight];
  });
}

function shapeOfLayer(source: AdapterSource, tensor: string): Pick<AdapterModule, "shape" | "stored"> {
  const layer = linearLayer(source, tensor);
  if (layer === null) return { shape: [] };
  return layer.stored === undefined ? { shape: [layer.out, layer.inputs] } : { shape: [layer.inputs, layer.out], stored: layer.stored };
}
