/** TinyLoRA: ΔW = B·(Σ v_i·P_i)·A; A and B from the base's SVD, P random, v trained and shared by groups of layers. */
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { product, reshape } from "./build";
import { sizedByAdapter, torchSeed, weightFacts } from "./linear-layer";
import { baseName, factorOf, inModule, modulesWith, needed, numberSetting, type Factor, type PeftModule } from "./peft-names";
import { readStored, storedAt } from "./small-values";
import { firstNormals, NORMAL_BLOCK } from "./torch-normal";

const PARAMETERS = ["tinylora_A", "tinylora_B", "tinylora_P"] as const;

/** Far more than any model has; each is compared with every seed. */
const MOST_MODULES = 4096;

/** Stored projections may have been rounded to half precision. */
const TOLERANCE = 0.02;

export async function tinylora(source: AdapterSource): Promise<FamilyAnswer> {
  const modules = modulesWith(source, PARAMETERS);
  const vectors = sharedVectors(source);
  const groups = await groupsOf(source, modules, vectors.size);
  const read: AdapterModule[] = [];
  for (const [i, module] of modules.entries()) read.push(await inModule(source, module.path, () => update(source, module, groups === null ? null : (vectors.get(groups[i]!) ?? null))));
  return read;
}

function update(source: AdapterSource, module: PeftModule, vector: Factor | null): AdapterModule {
  const a = needed(source, module, "tinylora_A");
  const b = needed(source, module, "tinylora_B");
  const projections = module.factors.get("tinylora_P");
  const rank = a.shape[0] ?? 0;
  const facts = weightFacts(module, "TINYLORA", rank, 1);
  const whole = sizedByAdapter(source, facts, product(b.expression, a.expression));
  if (projections === undefined) return { ...whole, delta: null, refused: "the random projections are not stored (save_projection is off), and their seed depends on the order of the model's modules" };
  if (vector === null) return { ...whole, delta: null, refused: "which of the trained vectors belongs to the module depends on the order of the model's modules, which the stored projections do not show" };
  const trained = vector.tensor.parameters;
  const mixed = reshape(product(reshape(vector.expression, [1, trained]), reshape(projections.expression, [trained, rank * rank])), [rank, rank]);
  return sizedByAdapter(source, { ...facts, factors: [...facts.factors, vector.index] }, product(product(b.expression, mixed), a.expression));
}

/** `base_model.tinylora_v.<group>`, by group. */
function sharedVectors(source: AdapterSource): Map<number, Factor> {
  const vectors = new Map<number, Factor>();
  for (const [index, tensor] of source.checkpoint.tensors.entries()) {
    const group = /(?:^|\.)tinylora_v\.(?:[^.]+\.)?(\d{1,9})$/.exec(baseName(tensor.name))?.[1];
    if (group !== undefined) vectors.set(Number(group), factorOf(source, tensor, index));
  }
  return vectors;
}

/**
 * The group of each module, null when it cannot be told. PEFT numbers the adapted modules in the order of the model's code,
 * which no file keeps; but it draws the projections of module i with the seed `projection_seed` + i, so that the stored
 * values tell i. Modules i·n/groups … share a vector.
 */
async function groupsOf(source: AdapterSource, modules: readonly PeftModule[], vectors: number): Promise<number[] | null> {
  const n = modules.length;
  if (vectors === 1) return modules.map(() => 0);
  if (n > MOST_MODULES) return null;
  const tying = numberSetting(source, "weight_tying", 0);
  const groups = Math.max(1, roundHalfToEven(n * (1 - tying)));
  const size = Math.max(1, Math.floor(n / groups));
  const seed = torchSeed(source, "projection_seed", 42);
  // Of values from 32 on, the first block is the same whatever their number.
  const drawn = new Map<number, Float64Array[]>();
  const candidates = (count: number): Float64Array[] => {
    const kind = Math.min(count, 2 * NORMAL_BLOCK);
    let values = drawn.get(kind);
    if (values === undefined) drawn.set(kind, (values = modules.map((_, i) => firstNormals((seed + i) % 2 ** 32, kind))));
    return values;
  };
  const answer: number[] = [];
  for (const module of modules) {
    const projections = module.factors.get("tinylora_P");
    const place = projections === undefined || projections.tensor.parameters < NORMAL_BLOCK ? -1 : await placeAmong(source, projections, candidates(projections.tensor.parameters));
    if (place < 0) return null;
    answer.push(Math.min(Math.floor(place / size), groups - 1));
  }
  return answer;
}

/** Which of the candidates, normal values of deviation 1, the projections (u, r, r) of deviation 1/√r begin with; −1 for none. */
async function placeAmong(source: AdapterSource, projections: Factor, candidates: readonly Float64Array[]): Promise<number> {
  const unit = Math.sqrt(projections.shape.at(-1) ?? 1);
  const place = storedAt(projections.expression);
  if (place === undefined) return -1;
  const file = await source.sources.open(place.file);
  let stored: number[];
  try {
    stored = (await readStored(file, place, 0, NORMAL_BLOCK)).map((value) => value * unit);
  } finally {
    await file.close();
  }
  return candidates.findIndex((values) => values.every((value, at) => Math.abs(value - stored[at]!) <= TOLERANCE * Math.max(1, Math.abs(value))));
}

/** Python's `round`. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
