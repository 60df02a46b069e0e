/** Layers that some models keep in one tensor and others in several: which is which, by name. */

/** The parts of a fused layer, in the order of its rows. */
export const PARTS = { qkv: ["q", "k", "v"], kv: ["k", "v"], gate_up: ["gate", "up"] } as const;
export type FusedKind = keyof typeof PARTS;
export type Part = (typeof PARTS)[FusedKind][number];

const FUSED: readonly (readonly [FusedKind, string])[] = [
  ["qkv", "qkv_proj query_key_value Wqkv wqkv W_pack c_attn in_proj attn_qkv qkv to_qkv qkv_lin qkv_linear linear_qkv mixed_qkv"],
  ["kv", "kv_proj to_kv kv key_value wkv Wkv"],
  ["gate_up", "gate_up_proj w12 gate_up gate_and_up_proj ffn_gate_up ffn_gate_up_exps wi_fused linear_fc1 dense_h_to_4h"],
];
const SPLIT: readonly (readonly [Part, string])[] = [
  ["q", "q_proj query wq Wq attn_q q to_q q_lin linear_q query_proj"],
  ["k", "k_proj key wk Wk attn_k k to_k k_lin linear_k key_proj"],
  ["v", "v_proj value wv Wv attn_v v to_v v_lin linear_v value_proj"],
  ["gate", "gate_proj w1 ffn_gate ffn_gate_exps wi_0 gate"],
  ["up", "up_proj w3 ffn_up ffn_up_exps wi_1 up"],
];
/** The names that families give to the same place in a layer. */
const PLACES: readonly (readonly [string, string])[] = [
  ["@attention", "attn self_attn attention self_attention mixer mha"],
  ["@mlp", "mlp feed_forward ffn ff block_sparse_moe moe"],
];

function byLeaf<T>(rows: readonly (readonly [T, string])[]): Map<string, T> {
  return new Map(rows.flatMap(([value, names]) => names.split(" ").map((name): [string, T] => [name, value])));
}
const fused = byLeaf(FUSED);
const split = byLeaf(SPLIT);
const places = byLeaf(PLACES);

export interface Leaf {
  /** The module around it, in words that are the same whatever the family calls it. */
  place: string;
  name: string;
  /** `weight` or `bias`. */
  parameter: string;
}

const LONGEST_NAME = 1000;

/** A layer's own name, which must be `known`, and its surroundings; undefined for what is no weight or bias of one. */
function leafOf(key: string, known: (name: string) => boolean): Leaf | undefined {
  if (key.length > LONGEST_NAME) return undefined;
  let end = key.length;
  let parameter = "weight";
  for (const last of ["weight", "bias"]) {
    // torch's MultiheadAttention names parameters without a module of their own.
    if (!key.endsWith(`.${last}`) && !key.endsWith(`_${last}`)) continue;
    end -= last.length + 1;
    parameter = last;
  }
  const start = key.lastIndexOf(".", end - 1) + 1;
  const name = key.slice(start, end);
  if (end <= start || !known(name)) return undefined;
  const outer = key.lastIndexOf(".", start - 2) + 1;
  const inner = key.slice(outer, Math.max(start - 1, outer));
  return { place: key.slice(0, outer) + (places.get(inner) ?? inner), name, parameter };
}

/** Of a fused layer's tensor: the key that its parts' tensors have too, and what it holds. */
export function fusedLayer(key: string): { group: string; kind: FusedKind; name: string } | undefined {
  const leaf = leafOf(key, (name) => fused.has(name));
  if (leaf === undefined) return undefined;
  const kind = fused.get(leaf.name)!;
  return { group: groupOf(kind, leaf), kind, name: leaf.name };
}

/** Of a part's tensor: the groups that it may belong to, as which part. */
export function partLayers(key: string): { group: string; part: Part }[] {
  // Up is w2 only beside a w1 of SwiGLU layers.
  const leaf = leafOf(key, (name) => split.has(name) || name === "w2");
  if (leaf === undefined) return [];
  const found: { group: string; part: Part }[] = [];
  const part = split.get(leaf.name);
  if (part === "gate" || part === "up") found.push({ group: groupOf("gate_up", leaf), part });
  else if (part !== undefined) {
    found.push({ group: groupOf("qkv", leaf), part });
    if (part !== "q") found.push({ group: groupOf("kv", leaf), part });
  }
  // SwiGLU layers whose gate and up are w1 and w2 name them w12 together.
  if (leaf.name === "w1" || leaf.name === "w2") found.push({ group: groupOf("gate_up", { ...leaf, name: "w12" }), part: leaf.name === "w1" ? "gate" : "up" });
  return found;
}

function groupOf(kind: FusedKind, { place, name, parameter }: Leaf): string {
  return `${kind}${name === "w12" ? " w12" : ""} ${parameter} ${place}`;
}
