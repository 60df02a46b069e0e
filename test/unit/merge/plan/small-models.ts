/** Small models written on the spot, and plans over them. Shapes and names are of real families; the data are zeros, which plans never read. */
import { LocalFiles } from "../../../../src/checkpoint/file-source";
import type { Expression } from "../../../../src/engine/protocol";
import { ModelStore } from "../../../../src/merge/models/store";
import { planMerges } from "../../../../src/merge/plan/plan-merges";
import type { MergePlan, PlannedTensor, PlanOptions } from "../../../../src/merge/plan/plan";
import type { Problem } from "../../../../src/merge/problem";
import { readRecipe } from "../../../../src/merge/recipe/read";
import { headerOf, safetensorsBytes, Scratch } from "../../../files";

export type Tensors = Record<string, { dtype: string; shape: number[] }>;

const WIDTHS: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, I64: 8, I32: 4, U8: 1, BOOL: 1 };

/** Tensors of one type by their shapes. */
export function typed(dtype: string, shapes: Record<string, number[]>): Tensors {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { dtype, shape }]));
}

export interface LlamaOptions {
  layers?: number;
  dtype?: string;
  hidden?: number;
  vocabulary?: number;
  head?: boolean;
  /** Tensors to leave out and to add. */
  without?: (name: string) => boolean;
  more?: Tensors;
}

/** Llama's tensors, without a head unless asked for. */
export function llama({ layers = 2, dtype = "BF16", hidden = 4, vocabulary = 8, head = false, without = () => false, more = {} }: LlamaOptions = {}): Tensors {
  const shapes: Record<string, number[]> = { "model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden] };
  if (head) shapes["lm_head.weight"] = [vocabulary, hidden];
  for (let i = 0; i < layers; i++) {
    for (const name of ["q_proj", "k_proj", "v_proj", "o_proj"]) shapes[`model.layers.${i}.self_attn.${name}.weight`] = [hidden, hidden];
    for (const name of ["gate_proj", "up_proj"]) shapes[`model.layers.${i}.mlp.${name}.weight`] = [6, hidden];
    shapes[`model.layers.${i}.mlp.down_proj.weight`] = [hidden, 6];
    for (const name of ["input_layernorm", "post_attention_layernorm"]) shapes[`model.layers.${i}.${name}.weight`] = [hidden];
  }
  return Object.fromEntries(Object.entries({ ...typed(dtype, shapes), ...more }).filter(([name]) => !without(name)));
}

export function llamaConfig(layers = 2, more: object = {}): object {
  return { architectures: ["LlamaForCausalLM"], model_type: "llama", num_hidden_layers: layers, vocab_size: 8, dtype: "bfloat16", ...more };
}

export class SmallModels {
  readonly scratch = new Scratch();
  readonly store = new ModelStore();

  /** A folder with weights and a configuration; null: without one. */
  add(name: string, tensors: Tensors, config: object | null = llamaConfig()): this {
    const sized = Object.fromEntries(Object.entries(tensors).map(([key, { dtype, shape }]) => [key, { dtype, shape, bytes: WIDTHS[dtype]! * shape.reduce((product, length) => product * length, 1) }]));
    const bytes = Object.values(sized).reduce((sum, each) => sum + each.bytes, 0);
    this.scratch.write(`${name}/model.safetensors`, safetensorsBytes(headerOf(sized), bytes));
    if (config !== null) this.scratch.write(`${name}/config.json`, config);
    return this;
  }

  async plans(text: string, options: Partial<PlanOptions> = {}): Promise<MergePlan[]> {
    const recipe = readRecipe(text, "test.yml");
    return planMerges(recipe, { folders: [this.scratch.folder], copyTokenizer: false, shardBytes: 0, models: this.store, ...options }, new LocalFiles());
  }

  /** Of a recipe with one document. */
  async plan(text: string, options: Partial<PlanOptions> = {}): Promise<MergePlan> {
    const [plan] = await this.plans(text, options);
    return plan!;
  }

  remove(): void {
    this.scratch.remove();
  }
}

/** `error missing-tensor 3` for each. */
export function told(problems: readonly Problem[]): string[] {
  return problems.map(({ severity, code, at }) => `${severity} ${code} ${at.line}`);
}

export function named(plan: MergePlan, name: string): PlannedTensor {
  const found = plan.tensors.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`no tensor ${name} is planned; problems: ${plan.problems.map(({ message }) => message).join("; ")}`);
  return found;
}

/** The tensor as a merge. */
export async function merge(plan: MergePlan, name: string): Promise<Extract<Expression, { kind: "merge" }>> {
  const expression = await named(plan, name).read();
  if (expression.kind !== "merge") throw new Error(`${name} is read as ${expression.kind}`);
  return expression;
}

/** Offset of stored bytes, to tell tensors of one file apart; those under views of them too. */
export function offsetOf(expression: Expression): number {
  if (expression.kind === "range") return expression.offset;
  if (expression.kind === "concatenate") return offsetOf(expression.of[0]!);
  if ("of" in expression && !Array.isArray(expression.of)) return offsetOf(expression.of);
  throw new Error(`${expression.kind} is no view of stored bytes`);
}

/** Other families' tensors. */
export const LISTS = {
  t5(layers: number): Tensors {
    const shapes: Record<string, number[]> = { "shared.weight": [8, 4], "encoder.final_layer_norm.weight": [4], "decoder.final_layer_norm.weight": [4] };
    for (const side of ["encoder", "decoder"]) {
      for (let i = 0; i < layers; i++) for (const name of ["q", "k", "v", "o"]) shapes[`${side}.block.${i}.layer.0.SelfAttention.${name}.weight`] = [4, 4];
      shapes[`${side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`] = [8, 2];
    }
    return typed("F32", shapes);
  },
  /** A mixture of `experts` with feed-forward layers of 6, as files have it. */
  mixtral(experts: number): Tensors {
    const moe: Tensors = { "model.layers.0.block_sparse_moe.gate.weight": { dtype: "BF16", shape: [experts, 4] } };
    for (let e = 0; e < experts; e++) {
      for (const name of ["w1", "w3"]) moe[`model.layers.0.block_sparse_moe.experts.${e}.${name}.weight`] = { dtype: "BF16", shape: [6, 4] };
      moe[`model.layers.0.block_sparse_moe.experts.${e}.w2.weight`] = { dtype: "BF16", shape: [4, 6] };
    }
    return llama({ layers: 1, without: (name) => /\.mlp\.\w+_proj/.test(name), more: moe });
  },
};
