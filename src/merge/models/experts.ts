/**
 * Experts of a mixture as one tensor: families whose library packs them on loading are merged packed, so that trims, angles and norms are over all
 * experts, and are written so. Per expert, the gate's rows and then those of the up projection.
 */
import type { Expression } from "../../engine/protocol";
import { layerPlace, type ModelTensor } from "./model";

/** Model types whose experts transformers 5 packs on loading. */
const PACKED = new Set([
  "afmoe", "cohere2_moe", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots1", "ernie4_5_moe", "exaone_moe", "flex_olmo", "glm4_moe", "glm4_moe_lite", "glm4v_moe",
  "glm_moe_dsa", "hunyuan_v1_moe", "jamba", "lfm2_moe", "longcat_flash", "minimax", "minimax_m2", "mixtral", "olmoe", "phimoe", "qwen2_moe", "qwen3_moe", "qwen3_next",
  "qwen3_omni_moe", "solar_open",
]);

const EXPERT = /^(.{0,500})\.(block_sparse_moe|mlp|feed_forward)\.experts\.(\d{1,6})\.(w1|w2|w3|gate_proj|up_proj|down_proj)\.weight$/s;
const GATE = /^(.{0,500})\.block_sparse_moe\.gate\.weight$/s;
const ROLES: Readonly<Record<string, "gate" | "up" | "down">> = { w1: "gate", gate_proj: "gate", w3: "up", up_proj: "up", w2: "down", down_proj: "down" };

interface Stack {
  gate: Map<number, ModelTensor>;
  up: Map<number, ModelTensor>;
  down: Map<number, ModelTensor>;
}

/** The tensors with the experts of such families packed, the others as they are. Stacks that are not whole stay in parts. */
export function packExperts(tensors: readonly ModelTensor[], modelType: unknown): ModelTensor[] {
  if (typeof modelType !== "string" || !PACKED.has(modelType)) return [...tensors];
  const stacks = new Map<string, Stack>();
  for (const tensor of tensors) {
    const match = EXPERT.exec(tensor.name);
    if (match === null) continue;
    const key = `${match[1]}.${match[2] === "block_sparse_moe" ? "mlp" : match[2]}.experts`;
    let stack = stacks.get(key);
    if (stack === undefined) stacks.set(key, (stack = { gate: new Map(), up: new Map(), down: new Map() }));
    stack[ROLES[match[4]!]!].set(Number(match[3]), tensor);
  }
  const replaced = new Set<ModelTensor>();
  const packed: ModelTensor[] = [];
  for (const [key, { gate, up, down }] of stacks) {
    const experts = [...gate.keys()].sort((a, b) => a - b);
    const gateUp = packing(`${key}.gate_up_proj`, experts.map((expert) => [gate.get(expert), up.get(expert)]));
    const downs = packing(`${key}.down_proj`, experts.map((expert) => [down.get(expert)]));
    if (gateUp === null || downs === null || up.size !== gate.size || down.size !== gate.size || experts.some((expert, i) => expert !== i)) continue;
    packed.push(gateUp, downs);
    for (const side of [gate, up, down]) for (const tensor of side.values()) replaced.add(tensor);
  }
  const rest = tensors.filter((tensor) => !replaced.has(tensor)).map((tensor) => {
    const match = GATE.exec(tensor.name);
    return match === null ? tensor : renamed(tensor, `${match[1]}.mlp.${modelType === "phimoe" ? "router" : "gate"}.weight`);
  });
  return [...rest, ...packed];
}

/** One tensor of the matrices of all experts: axis 0 counts experts, axis 1 the rows of each one's matrices in turn. */
function packing(name: string, experts: readonly (readonly (ModelTensor | undefined)[])[]): ModelTensor | null {
  const parts = experts.flat();
  const [first] = parts;
  if (first === undefined || first.shape.length !== 2) return null;
  const whole: ModelTensor[] = [];
  for (const part of parts) {
    if (part === undefined || part.dtype !== first.dtype || part.shape.length !== 2 || part.shape[0] !== first.shape[0] || part.shape[1] !== first.shape[1]) return null;
    whole.push(part);
  }
  const [rows, columns] = first.shape as readonly [number, number];
  const shape = [experts.length, rows * experts[0]!.length, columns];
  const unreadable = whole.find((part) => part.unreadable !== undefined)?.unreadable;
  return {
    name,
    dtype: first.dtype,
    shape,
    parameters: whole.reduce((sum, { parameters }) => sum + parameters, 0),
    bytes: whole.reduce((sum, { bytes }) => sum + bytes, 0),
    place: layerPlace(name),
    ...(unreadable === undefined ? {} : { unreadable }),
    async read(signal) {
      const of: Expression[] = [];
      for (const part of whole) of.push(await part.read(signal));
      return { kind: "reshape", of: { kind: "concatenate", of }, shape };
    },
  };
}

/** The tensor under another name. */
export function renamed(tensor: ModelTensor, name: string): ModelTensor {
  return name === tensor.name ? tensor : { ...tensor, name, place: layerPlace(name) };
}
