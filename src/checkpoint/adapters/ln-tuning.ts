/** LayerNorm tuning (Zhao et al., 2023; arXiv 2312.11420): stored weights and biases in place of the base's. */
import type { FamilyReader } from "./adapter";
import { subtract } from "./build";
import { everyModule, updatedOnBase } from "./modules";

const PREFIX = "ln_tuning_layers.";

export const lnTuning: FamilyReader = (source) =>
  everyModule(source, ["weight", "bias"].map((name) => PREFIX + name), (module) =>
    Promise.all([...module.factors].map(([parameter, { index, expression, shape }]) =>
      updatedOnBase(source, "LN_TUNING", module, parameter.slice(PREFIX.length), (base) => subtract(expression, base), { shape, factors: [index] }))));
