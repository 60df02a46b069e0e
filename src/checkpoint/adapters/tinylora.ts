/** TinyLoRA: ΔW = B·(Σ v_i·P_i)·A; A and B from the base's SVD, P random, v trained and shared by groups of layers. */
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { product, reshape } from "./build";
import { sizedByAdapter, torchSeed, weightFacts } from "./linear-layer";
import { baseName, factorOf, inModule, modulesWith, needed, numberSetting, type Factor, type PeftModule } from "./peft-names";
import { firstNormals, NORMAL_BLOCK } from "./torch-normal";

const PARAMETERS = ["tinylora_A", "tinylora_B", "tinylora_P"] as const;

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
  if (vectors === 1) return modules.map(() => 0);
  const n = modules.length;
  const tying = numberSetting(source, "weight_tying", 0);
  const groups = Math.max(1, roundHalfToEven(n * (1 - tying)));
  const size = Math.max(1, Math.floor(n / groups));
  const seed = torchSeed(source, "projection_seed", 42);
  const drawn = new Map<string, Float64Array>();
  const answer: number[] = [];
  for (const module of modules) {
    const place = await placeOf(source, module, n, (i, count, deviation) => {
      const key = `${i} ${count} ${deviation}`;
      let values = drawn.get(key);
      if (values === undefined) drawn.set(key, (values = firstNormals((seed + i) % 2 ** 32, count, deviation)));
      return values;
    });
    if (place === null) return null;
    answer.push(Math.min(Math.floor(place / size), groups - 1));
  }
  return answer;
}

/** By which of the first `n` seeds the module's projections were drawn; null when by none, or when too few are stored to tell. */
async function placeOf(source: AdapterSource, module: PeftModule, n: number, normals: (i: number, count: number, deviation: number) => Float64Array): Promise<number | null> {
  const projections = module.factors.get("tinylora_P");
  const expression = projections?.expression;
  if (expression?.kind !== "range" || projections === undefined) return null;
  const { parameters: count, shape } = projections.tensor;
  const deviation = 1 / Math.sqrt(shape.at(-1) ?? 1);
  if (count < NORMAL_BLOCK) return null;
  const stored = await firstValues(source, expression, NORMAL_BLOCK);
  if (stored === null) return null;
  for (let i = 0; i < n; i++) {
    if (normals(i, count, deviation).every((value, at) => Math.abs(value - stored[at]!) <= TOLERANCE * Math.max(deviation, Math.abs(value)))) return i;
  }
  return null;
}

/** The first values of a range of floating-point numbers; null for other types. */
async function firstValues(source: AdapterSource, { file, offset, dtype, order }: Extract<Factor["expression"], { kind: "range" }>, count: number): Promise<number[] | null> {
  const width = dtype === "F32" ? 4 : dtype === "BF16" ? 2 : 0;
  if (width === 0 || order === "big") return null;
  const opened = await source.sources.open(file);
  try {
    const bytes = await opened.read(offset, count * width);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const widened = new DataView(new ArrayBuffer(4));
    return Array.from({ length: count }, (_, i) => {
      if (width === 4) return view.getFloat32(4 * i, true);
      widened.setUint32(0, view.getUint16(2 * i, true) << 16);
      return widened.getFloat32(0);
    });
  } finally {
    await opened.close();
  }
}

/** Python's `round`. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
