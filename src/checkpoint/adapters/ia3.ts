/** (IA)³ (Liu et al., 2022; arXiv 2205.05638): W ⊙ l, along the inputs of feed-forward modules, else along the outputs. */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyReader } from "./adapter";
import { bracketed, fill, hadamard, reshape, ShapeMismatch, subtract } from "./build";
import { baseShape, everyModule, updatedOnBase } from "./modules";
import { type Factor, matchesName, needed, type PeftModule, storedAxes } from "./peft-names";

export const ia3: FamilyReader = (source) =>
  everyModule(source, ["ia3_l"], async (module) => {
    const factor = needed(source, module, "ia3_l");
    const count = factor.tensor.parameters;
    const weight = baseShape(source, module, "weight");
    const forward = isFeedForward(source, module, factor, weight);
    const stored = weight?.length === 2 ? storedIn(source, module, factor, weight, forward) : undefined;
    const change = subtract(factor.expression, fill([1], 1));
    const along = (axes: number, axis: number): Expression => reshape(change, Array.from({ length: axes }, (_, i) => (i === axis ? count : 1)));
    const axis = forward !== (stored === "in_out") ? 1 : 0;
    const modules: AdapterModule[] = [
      await updatedOnBase(source, "IA3", module, "weight", (w) => hadamard(w, along(weight!.length, axis)), stored === undefined ? {} : { stored }),
    ];
    if (!forward && baseShape(source, module, "bias") !== undefined) modules.push(await updatedOnBase(source, "IA3", module, "bias", (b) => hadamard(b, along(1, 0))));
    return modules;
  });

/** Linear layers store l as (1, in) or (out, 1); convolutions as (1, n, 1, …) for both, so that n or the configuration decides. */
function isFeedForward(source: AdapterSource, { module, path }: PeftModule, { shape }: Factor, weight: readonly number[] | undefined): boolean {
  if (shape.length < 2 || shape.filter((length) => length !== 1).length > 1) throw new ShapeMismatch(`${bracketed(shape)} is no vector of scales`);
  const [rows = 1, columns = 1] = shape;
  if (shape.length === 2 && rows !== columns) return rows === 1;
  if (shape.length > 2 && weight !== undefined && weight[0] !== weight[1]) return columns === weight[1];
  const { feedforward_modules: names } = source.config;
  if (Array.isArray(names)) return names.some((name) => typeof name === "string" && (module.endsWith(name) || path.endsWith(name)));
  return typeof names === "string" && matchesName(source, "feedforward_modules", names, module);
}

function storedIn(source: AdapterSource, { module }: PeftModule, { tensor: { parameters: count } }: Factor, [rows = 0, columns = 0]: readonly number[], forward: boolean): "in_out" | undefined {
  // The vector gives one of the two lengths; the other one is what the base has besides.
  const other = rows === count ? columns : rows;
  return storedAxes(source, `${module}.weight`, forward ? [other, count] : [count, other]);
}
