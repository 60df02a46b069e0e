/**
 * FLoRA: ΔW = s·G ×₀ P₀ ×₁ P₁ …, a Tucker decomposition with core G (r_in, r_out, r_kernel…), P₀ (in, r_in), P₁ (out, r_out),
 * P₂ … (kernel, r); the first two axes are exchanged at the end. Keys as the authors' layers have them; the scale stands in
 * the training's settings only.
 */
import type { Expression } from "../../engine/protocol";
import type { Checkpoint } from "../checkpoint";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { permute, product, reshape, scale, shapeOf, ShapeMismatch, transpose } from "./build";
import { inModule, modulesWith, needed, numberSetting, type PeftModule } from "./peft-names";

/** Inputs, outputs, and the kernels of up to three dimensions. */
const MOST_AXES = 5;

export function isFlora({ tensors }: Checkpoint): boolean {
  return tensors.some(({ name }) => name.endsWith(".flora_layer.param_G"));
}

export async function flora(source: AdapterSource): Promise<FamilyAnswer> {
  const parameters = ["G", ...Array.from({ length: MOST_AXES }, (_, axis) => String(axis))].map((name) => `flora_layer.param_${name}`);
  const modules: AdapterModule[] = [];
  for (const group of modulesWith(source, parameters)) modules.push(await inModule(source, group.path, () => layer(source, group)));
  return modules;
}

function layer(source: AdapterSource, group: PeftModule): AdapterModule {
  const { module } = group;
  const core = needed(source, group, "flora_layer.param_G");
  const axes = core.shape.length;
  if (axes < 2 || axes > MOST_AXES) throw new ShapeMismatch(`a core of ${axes} axes is no layer's`);
  const sides = core.shape.map((_, axis) => needed(source, group, `flora_layer.param_${axis}`).expression);
  const update = axes === 2 ? product(sides[1]!, product(transpose(core.expression), transpose(sides[0]!))) : outputsFirst(sides.reduce(modeProduct, core.expression));
  const known = source.config.scale !== undefined;
  const s = known ? numberSetting(source, "scale", 1) : null;
  const common = { module, tensor: `${module}.weight`, type: "FLORA", rank: null, scale: s, shape: shapeOf(update), factors: [...group.factors.values()].map(({ index }) => index) };
  if (s === null) return { ...common, delta: null, refused: "its scale stands in the training's settings only, and there is no flora_config.json with it beside the file" };
  return { ...common, delta: scale(update, s) };
}

/** Axis `axis` of the tensor multiplied by the side's columns: (…, r, …) × (n, r) → (…, n, …). */
function modeProduct(of: Expression, side: Expression, axis: number): Expression {
  const shape = shapeOf(of);
  const order = [axis, ...shape.map((_, i) => i).filter((i) => i !== axis)];
  const moved = order.map((i) => shape[i]!);
  const rows = shapeOf(side)[0] ?? 0;
  const rest = moved.slice(1).reduce((count, length) => count * length, 1);
  const multiplied = reshape(product(side, reshape(permute(of, order), [moved[0]!, rest])), [rows, ...moved.slice(1)]);
  return permute(multiplied, shape.map((_, i) => order.indexOf(i)));
}

function outputsFirst(of: Expression): Expression {
  return permute(of, shapeOf(of).map((_, axis) => (axis < 2 ? 1 - axis : axis)));
}
