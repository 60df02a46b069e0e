/**
 * LoRA on a parameter of stacked experts (`target_parameters`): A's rows are (expert, rank), B's columns (rank, expert), and
 * ΔW_e = s·B[:, :, e]·A[e]. Keys name the module only; of several parameters the first registered has the most `base_layer.`
 */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource } from "./adapter";
import { permute, product, reshape, scale, shapeOf, ShapeMismatch, slice, transpose } from "./build";
import { loraScale } from "./lora-variants";
import { needed, numberSetting, patternNumber, type PeftModule } from "./peft-names";

/** Classes whose experts are stored (experts, in, out). */
const TRANSPOSED = /^(?:GptOss|Llama4)/;

/** The parameter names that the configuration targets in this module, in its order. */
function parametersOf({ config }: AdapterSource, module: string): string[] {
  const targets = config.target_parameters;
  if (!Array.isArray(targets)) return [];
  const names: string[] = [];
  for (const target of targets) {
    if (typeof target !== "string") continue;
    const dot = target.lastIndexOf(".");
    const holder = target.slice(0, Math.max(dot, 0));
    if (dot < 0 || module === holder || module.endsWith(`.${holder}`)) names.push(target.slice(dot + 1));
  }
  // The order in which transformers registers them.
  return names.sort((x, y) => registration(x) - registration(y));
}

function registration(name: string): number {
  return /gate_up/.test(name) ? 0 : /gate/.test(name) ? 1 : /up/.test(name) ? 2 : /down/.test(name) ? 3 : 4;
}

export function isExpertParameter(source: AdapterSource, group: PeftModule): boolean {
  return group.factors.has("lora_A.weight") && parametersOf(source, group.module).length > 0 && !isTargetModule(source, group);
}

/** A linear layer beside the experts whose name ends the same way: listed in `target_modules` itself. */
function isTargetModule({ config }: AdapterSource, { module }: PeftModule): boolean {
  const targets = config.target_modules;
  return Array.isArray(targets) && targets.some((target) => typeof target === "string" && (module === target || module.endsWith(`.${target}`)));
}

export function loraOnExperts(source: AdapterSource, group: PeftModule, groups: readonly PeftModule[]): AdapterModule[] {
  const { module } = group;
  const a = needed(source, group, "lora_A.weight");
  const b = needed(source, group, "lora_B.weight");
  const parameter = parameterOf(source, group, groups);
  const tensor = `${module}.${parameter}`;
  const rank = patternNumber(source, "rank_pattern", tensor, numberSetting(source, "r", 8));
  const [rows = 0, inputs = 0] = a.shape;
  const out = b.shape[0] ?? 0;
  const experts = rows / rank;
  if (!Number.isInteger(experts) || rank < 1) throw new ShapeMismatch(`${rows} rows of A do not divide into ranks of ${rank}`);
  const s = loraScale(source, tensor, rank);
  const left = permute(reshape(b.expression, [out, rank, experts]), [2, 0, 1]);
  const update = scale(product(left, reshape(a.expression, [experts, rank, inputs])), s);
  const common = { module, type: "LORA", rank, scale: s, factors: [a.index, b.index] };
  const single = perExpert(source, module, parameter, update);
  if (single !== undefined) return single.map((each) => ({ ...common, ...each }));
  const stored = axesOfExperts(source, tensor, [experts, out, inputs]);
  if (stored === null) {
    return [{ ...common, tensor, shape: [experts, out, inputs], delta: null, needsBase: true }];
  }
  const delta = stored === "in_out" ? transpose(update) : update;
  return [{ ...common, tensor, shape: shapeOf(delta), ...(stored === undefined ? {} : { stored }), delta }];
}

/** Which of the module's targeted parameters these factors are for: by the depth of `base_layer`, the deepest first. */
function parameterOf(source: AdapterSource, group: PeftModule, groups: readonly PeftModule[]): string {
  const depth = ({ path }: PeftModule): number => path.split(".").filter((part) => part === "base_layer").length;
  const names = parametersOf(source, group.module);
  const depths = groups.filter(({ module, factors }) => module === group.module && factors.has("lora_A.weight")).map(depth).sort((x, y) => y - x);
  const name = depths.length === names.length ? names[depths.indexOf(depth(group))] : undefined;
  if (name === undefined) throw new ShapeMismatch(`the configuration targets ${names.length} parameters and the file has factors for ${depths.length}`);
  return name;
}

/**
 * Whether the base stores an expert's matrix as (in, out): by its own shape, else by the class that the adapter names. Null when
 * neither says.
 */
function axesOfExperts(source: AdapterSource, tensor: string, [, out, inputs]: [number, number, number]): "in_out" | undefined | null {
  const shape = source.base?.find(tensor)?.shape;
  if (shape?.length === 3 && out !== inputs) {
    if (shape[1] === out && shape[2] === inputs) return undefined;
    if (shape[1] === inputs && shape[2] === out) return "in_out";
  }
  const mapping = source.config.auto_mapping;
  const named = typeof mapping === "object" && mapping !== null ? (mapping as Record<string, unknown>).base_model_class : undefined;
  const type = typeof named === "string" ? named : source.base?.checkpoints[0]?.architecture?.name;
  if (type === undefined) return null;
  return TRANSPOSED.test(type) ? "in_out" : undefined;
}

/**
 * The same update by the names of a base that keeps one tensor per expert and projection: Mixtral's w1, w3 (gate, up: the two
 * halves of `gate_up_proj`) and w2 (down), and the `gate_proj`, `up_proj`, `down_proj` of the Qwen and DeepSeek families.
 * Undefined when the base has the stacked tensor, or none of these.
 */
function perExpert(source: AdapterSource, module: string, parameter: string, update: Expression): Pick<AdapterModule, "module" | "tensor" | "shape" | "delta">[] | undefined {
  const { base } = source;
  if (base === undefined || base.find(`${module}.${parameter}`) !== undefined) return undefined;
  const [experts = 0, out = 0] = shapeOf(update);
  const parts: [string[], number, number][] =
    parameter === "gate_up_proj" ? [[["w1", "gate_proj"], 0, out / 2], [["w3", "up_proj"], out / 2, out]] : parameter === "down_proj" ? [[["w2", "down_proj"], 0, out]] : [];
  const roots = [module, module.replace(/\.mlp\.experts$/, ".block_sparse_moe.experts")];
  const answer: Pick<AdapterModule, "module" | "tensor" | "shape" | "delta">[] = [];
  for (let expert = 0; expert < experts; expert++) {
    for (const [names, start, stop] of parts) {
      const own = roots.flatMap((root) => names.map((name) => `${root}.${expert}.${name}`)).find((name) => base.find(`${name}.weight`) !== undefined);
      if (own === undefined) return undefined;
      const matrix = slice(slice(update, 0, expert, expert + 1), 1, start, stop);
      const shape = shapeOf(matrix).slice(1);
      answer.push({ module: own, tensor: `${own}.weight`, shape, delta: reshape(matrix, shape) });
    }
  }
  return answer.length === 0 ? undefined : answer;
}
