/** BEFT: an update of the biases alone. */
import type { FamilyReader } from "./adapter";
import { reshape } from "./build";
import { everyModule, updated } from "./modules";
import { needed } from "./peft-names";

export const beft: FamilyReader = (source) =>
  everyModule(source, ["beft_bias"], (module) => {
    const { expression, tensor } = needed(source, module, "beft_bias");
    const shape = [tensor.parameters];
    return updated("BEFT", module, "bias", { shape, delta: reshape(expression, shape) });
  });
