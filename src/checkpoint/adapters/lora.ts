/** LoRA: ΔW = s·B·A, and its variants. Formulas as PEFT 0.21 computes them. */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { add, flatten, hadamard, product, reshape, scale, shapeOf, transpose } from "./build";
import { isExpertParameter, loraOnExperts } from "./lora-experts";
import { blockFactors, initialComponent, loraScale, notFixed, unknownBase, withMagnitude } from "./lora-variants";
import { asStored, inModule, modulesWith, needed, storedAxes, type Factor, type PeftModule } from "./peft-names";

const PARAMETERS = [
  "lora_A.weight", "lora_B.weight", "lora_B.bias", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "lora_magnitude_vector.weight", "lora_diag",
];

export async function lora(source: AdapterSource): Promise<FamilyAnswer> {
  const reason = notFixed(source);
  if (reason !== undefined) return { notMergeable: reason };
  const groups = modulesWith(source, PARAMETERS);
  const paths = new Set(groups.map(({ path }) => path));
  const modules: AdapterModule[] = [];
  for (const group of groups) {
    const read = (): AdapterModule[] | Promise<AdapterModule[]> =>
      group.factors.has("lora_embedding_A")
        ? embedding(source, group)
        : isExpertParameter(source, group)
          ? loraOnExperts(source, group, groups)
          : layer(source, group, paths);
    modules.push(...(await inModule(source, group.path, read)));
  }
  const refused = unknownBase(source);
  return refused === undefined ? modules : modules.map((module) => ({ ...module, delta: null, refused }));
}

/** Linear layers and convolutions of any dimension: A (r, in, k…), B (out, r, 1…). */
async function layer(source: AdapterSource, group: PeftModule, paths: ReadonlySet<string>): Promise<AdapterModule[]> {
  const { module } = group;
  const a = needed(source, group, "lora_A.weight");
  const b = needed(source, group, "lora_B.weight");
  const [rank = 0, ...inputs] = a.shape;
  const out = b.shape[0] ?? 0;
  const s = loraScale(source, module, rank);
  const factors = [a, b];
  const diagonal = group.factors.get("lora_diag");
  if (diagonal !== undefined) factors.push(diagonal);
  const [left, right] = blockFactors(source, module, flatten(b.expression), flatten(a.expression), rank);
  const middle = diagonal === undefined ? right : hadamard(reshape(diagonal.expression, [rank, 1]), right);
  const tensor = tensorOf(module, paths);
  const doubled = isOutputOfAttention(group, paths);
  const width = shapeOf(right)[1]!;
  let update = scale(product(left, middle), doubled ? 2 * s : s);
  const stored = inputs.length === 1 ? storedAxes(source, tensor, [out, width]) : undefined;
  update = inputs.length === 1 ? asStored(update, stored) : reshape(update, [out, ...inputs]);
  const common = { module, type: "LORA", rank, scale: s };
  const change = await changeOf(source, group, tensor, update, stored === "in_out" ? 1 : 0, rank, s, factors);
  const answer: AdapterModule[] = [{
    ...common,
    tensor,
    shape: shapeOf(update),
    ...(stored === undefined ? {} : { stored }),
    factors: factors.map(({ index }) => index),
    ...(doubled ? { note: "PEFT adds the update of an attention's out_proj twice, merged and unmerged alike: ΔW is 2·s·B·A" } : {}),
    ...change,
  }];
  const bias = group.factors.get("lora_B.bias");
  if (bias !== undefined) answer.push({ ...common, tensor: `${module}.bias`, shape: bias.shape, factors: [bias.index], delta: scale(bias.expression, s) });
  return answer;
}

/** A (r, vocabulary), B (dimension, r): s·(B·A)ᵀ, as embeddings are stored. */
async function embedding(source: AdapterSource, group: PeftModule): Promise<AdapterModule[]> {
  const { module } = group;
  const a = needed(source, group, "lora_embedding_A");
  const b = needed(source, group, "lora_embedding_B");
  const [rank = 0] = a.shape;
  const s = loraScale(source, module, rank);
  const factors = [a, b];
  const update = scale(transpose(product(b.expression, a.expression)), s);
  const tensor = `${module}.weight`;
  // PEFT's norms of an embedding are one per dimension: a column of the stored matrix.
  const change = await changeOf(source, group, tensor, update, 1, rank, s, factors);
  return [{ module, tensor, type: "LORA", rank, scale: s, shape: shapeOf(update), stored: "vocabulary_first", factors: factors.map(({ index }) => index), ...change }];
}

/**
 * `update` as the change of the base: itself, or with what DoRA, PiSSA, OLoRA and KaSA take from the base's weights.
 * @param axis of the stored tensor that DoRA's magnitudes run along.
 */
async function changeOf(
  source: AdapterSource, group: PeftModule, tensor: string, update: Expression, axis: number, rank: number, s: number, factors: Factor[],
): Promise<Pick<AdapterModule, "delta" | "needsBase" | "refused">> {
  const magnitude = group.factors.get("lora_magnitude_vector") ?? group.factors.get("lora_magnitude_vector.weight");
  const initial = initialComponent(source, rank, s);
  if (magnitude === undefined && initial === undefined) return { delta: update };
  if (magnitude !== undefined) factors.push(magnitude);
  return deltaOnBase(source, tensor, (weight) => {
    const change = initial === undefined ? update : add(update, scale(initial(weight), -1));
    return magnitude === undefined ? change : withMagnitude(weight, change, magnitude.expression, axis);
  });
}

/** torch's MultiheadAttention keeps q, k and v in one tensor, and its `out_proj` is adapted under the attention's own wrapper. */
function tensorOf(module: string, paths: ReadonlySet<string>): string {
  return paths.has(`${module}.base_layer.out_proj`) ? `${module}.in_proj_weight` : `${module}.weight`;
}

function isOutputOfAttention({ path }: PeftModule, paths: ReadonlySet<string>): boolean {
  const suffix = ".base_layer.out_proj";
  return path.endsWith(suffix) && paths.has(path.slice(0, -suffix.length));
}
