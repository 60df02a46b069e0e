/** DEFT and PaRa: part of W's column space is taken out, and with DEFT something else put in. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { compute, map, product, scale, subtract, transpose } from "./build";
import { eachModule, linearLayer, overRank, weightFacts } from "./linear-layer";
import { asStored, needed, numberSetting, settingError } from "./peft-names";

/**
 * P (out, r), R (r, in). ΔW = Q·(s·R − rightᵀ·W), or −Q·rightᵀ·W for PaRa, which has no R; Q = P and right = relu(P), or both
 * the Q of P's QR decomposition (R's sign conventions matter: LAPACK's). s = α/r, 1 without α.
 */
export async function deft(source: AdapterSource): Promise<FamilyAnswer> {
  const method = source.config.decomposition_method ?? "relu";
  if (method !== "relu" && method !== "qr") throw settingError(source, "decomposition_method", method, "\"relu\" or \"qr\"");
  const alpha = numberSetting(source, "alpha", 0);
  return eachModule(source, ["deft_P", "deft_R"], async (module) => {
    const p = needed(source, module, "deft_P");
    const injected = source.config.para === true ? undefined : needed(source, module, "deft_R");
    const [out = 0, rank = 0] = p.shape;
    const s = alpha === 0 ? 1 : overRank(alpha, rank);
    const [left, right]: [Expression, Expression] = method === "relu"
      ? [p.expression, map(p.expression, "relu")]
      : [compute({ name: "qr", factor: "q" }, p.expression), compute({ name: "qr", factor: "q" }, p.expression)];
    const facts = weightFacts(module, "DEFT", rank, s);
    const layer = linearLayer(source, facts.tensor, out);
    const stored = layer?.stored ?? (source.base === undefined && source.config.fan_in_fan_out === true ? "in_out" : undefined);
    const inputs = injected?.shape[1] ?? layer?.inputs;
    const delta = await deltaOnBase(source, facts.tensor, (weight) => {
      const removed = product(transpose(right), asStored(weight, stored));
      return asStored(product(left, injected === undefined ? scale(removed, -1) : subtract(scale(injected.expression, s), removed)), stored);
    });
    const shape = inputs === undefined ? [] : stored === undefined ? [out, inputs] : [inputs, out];
    return { ...facts, shape, ...(stored === undefined ? {} : { stored }), ...delta };
  });
}
