/** GLoRA as PEFT has it: ΔW = W⊙A + B and Δb = b⊙D + E + W·C, each of A … E low-rank, a vector, a number or absent. */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { add, fill, hadamard, product, reshape, shapeOf } from "./build";
import { eachModule, weightFacts } from "./linear-layer";
import { numberSetting, type PeftModule } from "./peft-names";

const PATHS = ["A", "B", "C", "D", "E"] as const;
type Path = (typeof PATHS)[number];
const PARAMETERS = PATHS.flatMap((path) => ["X", "Xd", "Xu"].map((part) => `glora_${path}.${part}`));

export async function glora(source: AdapterSource): Promise<FamilyAnswer> {
  const rank = numberSetting(source, "r", 8);
  return eachModule(source, PARAMETERS, async (module): Promise<AdapterModule[]> => {
    const [a, b, c, d, e] = PATHS.map((path) => valueOf(module, path));
    const facts = weightFacts(module, "GLORA", rank, 1);
    const changed: AdapterModule[] = [];
    if (a !== undefined || b !== undefined) {
      const delta = await deltaOnBase(source, facts.tensor, (weight) => total(weight, a === undefined ? undefined : hadamard(weight, a), b));
      const lowRank = [a, b].map((value) => (value === undefined ? [] : shapeOf(value))).find((shape) => shape.length === 2 && shape[1] !== 1);
      changed.push({ ...facts, factors: factorsOf(module, "A", "B"), shape: shapeOfBase(source, facts.tensor) ?? lowRank ?? [], ...delta });
    }
    if (c !== undefined || d !== undefined || e !== undefined) {
      const tensor = `${module.module}.bias`;
      const weight = await deltaOnBase(source, facts.tensor, (base) => base);
      const delta = await deltaOnBase(source, tensor, (bias) => {
        const ofWeight = c === undefined || weight.delta === null ? undefined : reshape(product(weight.delta, c), shapeOf(bias));
        return total(bias, ofWeight, d === undefined ? undefined : hadamard(bias, d), e);
      });
      const missing = c !== undefined && weight.delta === null && delta.delta !== null ? { ...delta, ...weight } : delta;
      changed.push({ ...facts, tensor, factors: factorsOf(module, "C", "D", "E"), shape: shapeOfBase(source, tensor) ?? [], ...missing });
    }
    return changed;
  });
}

/** The value of a path: Xd·Xu, or X (a column, a vector, one number), which broadcasts. */
function valueOf({ factors }: PeftModule, path: Path): Expression | undefined {
  const [x, down, up] = ["X", "Xd", "Xu"].map((part) => factors.get(`glora_${path}.${part}`));
  return down === undefined || up === undefined ? x?.expression : product(down.expression, up.expression);
}

/** The sum of the terms, in the shape of the base's tensor. */
function total(base: Expression, ...terms: (Expression | undefined)[]): Expression {
  const present = terms.filter((term) => term !== undefined);
  const whole = present.some((term) => shapeOf(term).join() === shapeOf(base).join());
  return [...(whole ? [] : [fill(shapeOf(base), 0)]), ...present].reduce((sum, term) => add(sum, term));
}

function factorsOf({ factors }: PeftModule, ...paths: Path[]): number[] {
  return [...factors].filter(([name]) => paths.some((path) => name.startsWith(`glora_${path}.`))).map(([, { index }]) => index);
}

function shapeOfBase(source: AdapterSource, tensor: string): number[] | undefined {
  return source.base?.find(tensor)?.shape;
}
