/**
 * LyCORIS's algorithms, and kohya's LoRA files, which use the same names. Formulas as LyCORIS 4.1's forward pass computes
 * them, with multiplier 1: α/r once, 1 where the file has no α.
 */
import type { Expression } from "../../engine/protocol";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { add, flatten, hadamard, kronecker, permute, product, reshape, scale, shapeOf, ShapeMismatch, transpose } from "./build";
import { kohyaModules, type KohyaModule } from "./kohya-names";
import { MOST_FACTORS, onOutputs } from "./kohya-rotations";
import { withMagnitude } from "./lora-variants";
import { inModule, type Factor } from "./peft-names";
import { readScalar } from "./small-values";
import { tucker } from "./tucker";

/** ΔW before α/r, from the factors alone. */
interface Update {
  type: string;
  rank: number | null;
  delta: Expression;
}

/** The changed tensors of a file in kohya's layout. */
export async function kohya(source: AdapterSource): Promise<FamilyAnswer> {
  const all: AdapterModule[] = [];
  for (const module of kohyaModules(source)) all.push(...(await inModule(module.source, module.key, () => describe(module))));
  return all;
}

async function describe(group: KohyaModule): Promise<AdapterModule[]> {
  const { factors, module, source } = group;
  const own = (type: string, parameter: string, name: string): AdapterModule[] => {
    const factor = factors.get(name);
    return factor === undefined ? [] : [{ module, tensor: `${module}.${parameter}`, type, rank: null, scale: 1, shape: factor.shape, factors: [factor.index], delta: factor.expression }];
  };
  const differences = [
    ...own("Full", "weight", "diff"), ...own("Full", "bias", "diff_b"),
    ...own("Norm", "weight", "w_norm"), ...own("Norm", "bias", "b_norm"),
  ];
  if (factors.has("oft_blocks")) return [await rotation(group), ...differences];
  if (factors.has("on_input")) return [await scaling(group), ...differences];
  if (factors.has("a1.weight")) return [await glora(group), ...differences];
  const update = factors.has("lora_down.weight") ? locon(group) : factors.has("hada_w1_a") ? loha(group) : factors.has("lokr_w1") || factors.has("lokr_w1_a") ? lokr(group) : undefined;
  return update === undefined ? differences : [await scaled(source, group, update), ...differences];
}

/** The update with its scale, in the base's shape, and with DoRA's magnitudes where the file has them. */
async function scaled(source: AdapterSource, group: KohyaModule, { type, rank, delta }: Update): Promise<AdapterModule> {
  const s = await scaleOf(group, rank);
  const tensor = `${group.module}.weight`;
  const shape = source.base?.find(tensor)?.shape ?? shapeOf(delta);
  const update = reshape(scale(delta, s), shape);
  const magnitude = group.factors.get("dora_scale");
  const common = { module: group.module, tensor, type, rank, scale: s, shape, factors: indices(group) };
  if (magnitude === undefined) return { ...common, delta: update };
  // [out, 1…] runs along the outputs, [1, in, 1…] along the inputs, as older versions have it.
  const axis = magnitude.shape[0] === 1 && magnitude.tensor.parameters !== 1 ? 1 : 0;
  return { ...common, ...(await deltaOnBase(source, tensor, (weight) => withMagnitude(weight, update, magnitude.expression, axis))) };
}

/** α/r, times the trained scalar where one is stored; 1 without α, or without a rank. */
async function scaleOf({ factors, source }: KohyaModule, rank: number | null): Promise<number> {
  const alpha = factors.get("alpha");
  const scalar = factors.get("scalar");
  const s = alpha === undefined || rank === null ? 1 : (await readScalar(source, alpha)) / rank;
  return scalar === undefined ? s : s * (await readScalar(source, scalar));
}

function indices({ factors }: KohyaModule): number[] {
  return [...factors.values()].map(({ index }) => index);
}

function factor({ factors }: KohyaModule, name: string): Factor {
  const found = factors.get(name);
  if (found === undefined) throw new ShapeMismatch(`"${name}" is missing`);
  return found;
}

/** LoRA and LoCon: up (out, r, 1…)·down (r, in, k…); with `lora_mid` (r, r, k…) its Tucker form. DyLoRA's `lora_up` has two axes. */
function locon(group: KohyaModule): Update {
  const [up, down] = [factor(group, "lora_up.weight"), factor(group, "lora_down.weight")];
  const [rank = 0, inputs = 0, ...kernel] = down.shape;
  const mid = group.factors.get("lora_mid.weight");
  const type = kernel.length > 0 && up.shape.length === 2 ? "DyLora" : "LoCon";
  if (mid !== undefined) return { type, rank, delta: tucker(mid.expression, transpose(flatten(up.expression)), flatten(down.expression)) };
  return { type, rank, delta: reshape(product(flatten(up.expression), flatten(down.expression)), [up.shape[0] ?? 0, inputs, ...kernel]) };
}

/** (w1a·w1b) ⊙ (w2a·w2b), or of two Tucker forms; a convolution's (out, in·k…) takes its shape from the base. */
function loha(group: KohyaModule): Update {
  const half = (i: 1 | 2): Expression => {
    const [a, b, core] = [factor(group, `hada_w${i}_a`), factor(group, `hada_w${i}_b`), group.factors.get(`hada_t${i}`)];
    return core === undefined ? product(a.expression, b.expression) : tucker(core.expression, a.expression, b.expression);
  };
  return { type: "Loha", rank: factor(group, "hada_w1_b").shape[0] ?? 0, delta: hadamard(half(1), half(2)) };
}

/** w1 ⊗ w2, each whole or a product of two, w2 also in Tucker form. With both whole α has no effect. */
function lokr(group: KohyaModule): Update {
  const { factors } = group;
  const whole = (i: 1 | 2): Expression => {
    const own = factors.get(`lokr_w${i}`);
    if (own !== undefined) return flatten(own.expression);
    const [a, b, core] = [factor(group, `lokr_w${i}_a`), factor(group, `lokr_w${i}_b`), i === 2 ? factors.get("lokr_t2") : undefined];
    return flatten(core === undefined ? product(a.expression, b.expression) : tucker(core.expression, a.expression, b.expression));
  };
  const decomposed = factors.get("lokr_t2") ?? factors.get("lokr_w2_b") ?? factors.get("lokr_w1_b");
  const [w1, w2] = [whole(1), whole(2)];
  const flat = kronecker(w1, w2);
  const kernel = (factors.get("lokr_t2") ?? factors.get("lokr_w2"))?.shape.slice(2) ?? [];
  const points = kernel.reduce((count, length) => count * length, 1);
  const [out = 0, columns = 0] = shapeOf(flat);
  return { type: "Lokr", rank: decomposed?.shape[0] ?? null, delta: reshape(flat, [out, columns / points, ...kernel]) };
}

/** GLoRA: s·(W·a1·a2 + b1·b2), a1 (in, r, 1…), a2 (r, in, 1…), b1 (out, r, 1…), b2 (r, in, k…). */
async function glora(group: KohyaModule): Promise<AdapterModule> {
  const { module, source } = group;
  const [a1, a2, b1, b2] = ["a1.weight", "a2.weight", "b1.weight", "b2.weight"].map((name) => factor(group, name)) as [Factor, Factor, Factor, Factor];
  const rank = b2.shape[0] ?? 0;
  const s = await scaleOf(group, rank);
  const shape = [b1.shape[0] ?? 0, ...b2.shape.slice(1)];
  const tensor = `${module}.weight`;
  const mixing = product(flatten(a1.expression), flatten(a2.expression));
  const delta = await deltaOnBase(source, tensor, (weight) => {
    const axes = shapeOf(weight).map((_, axis) => axis);
    // Inputs last, times the mixing matrix, and back.
    const last = [0, ...axes.slice(2), 1];
    const mixed = product(weightRows(permute(weight, last)), mixing);
    const back = [0, axes.length - 1, ...axes.slice(1, -1)];
    const own = permute(reshape(mixed, last.map((axis) => shapeOf(weight)[axis]!)), back);
    return scale(add(own, reshape(product(flatten(b1.expression), flatten(b2.expression)), shape)), s);
  });
  return { module, tensor, type: "GLoRA", rank, scale: s, shape, factors: indices(group), ...delta };
}

/** All axes but the last as rows. */
function weightRows(of: Expression): Expression {
  const shape = shapeOf(of);
  return reshape(of, [shape.slice(0, -1).reduce((count, length) => count * length, 1), shape.at(-1) ?? 0]);
}

/** (IA)³: W ⊙ w, w per input channel where `on_input` is 1, else per output channel. */
async function scaling(group: KohyaModule): Promise<AdapterModule> {
  const { module, source } = group;
  const weights = factor(group, "weight");
  const axis = (await readScalar(source, factor(group, "on_input"))) === 0 ? 0 : 1;
  const tensor = `${module}.weight`;
  const delta = await deltaOnBase(source, tensor, (weight) => {
    const along = shapeOf(weight).map((_, i) => (i === axis ? weights.tensor.parameters : 1));
    return hadamard(weight, reshape(weights.expression, along));
  });
  return { module, tensor, type: "IA3", rank: null, scale: 1, shape: source.base?.find(tensor)?.shape ?? [], factors: indices(group), ...delta };
}

/** Diagonal OFT (blocks, b, b) and butterfly OFT (factors, blocks, b, b) over the output channels. */
async function rotation(group: KohyaModule): Promise<AdapterModule> {
  const { module, factors, source } = group;
  const blocks = factor(group, "oft_blocks");
  const alpha = factors.get("alpha");
  const constraint = alpha === undefined ? 0 : await readScalar(source, alpha);
  const tensor = `${module}.weight`;
  const type = blocks.shape.length === 4 ? "ButterflyOFT" : "DiagOFT";
  const factorCount = type === "ButterflyOFT" ? blocks.shape[0]! : 1;
  const common = { module, tensor, type, rank: null, scale: 1, shape: source.base?.find(tensor)?.shape ?? [], factors: indices(group) };
  if (factorCount > MOST_FACTORS) return { ...common, delta: null, refused: `${factorCount} butterfly factors are more than the ${MOST_FACTORS} that can be computed` };
  const delta = await deltaOnBase(source, tensor, (weight) => onOutputs(weight, blocks.expression, factors.get("rescale")?.expression, constraint));
  return { ...common, ...delta };
}
