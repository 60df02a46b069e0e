/** Shared, mixed and base-dependent updates against their definitions, for shapes and options that the reference adapters leave out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { assertElements, at, randomTensor, readFamily, sum, tensorOf, updateOf } from "../../adapters";
import { evaluate, type Values } from "../../expressions";

const small = fc.integer({ min: 1, max: 5 });
const seed = fc.nat(10_000);
const runs = { numRuns: 30 };

const matrix = (rows: number, columns: number, value: (i: number, j: number) => number): Values => tensorOf([rows, columns], (flat) => value(Math.floor(flat / columns), flat % columns));
const transposed = (values: Values): Values => matrix(values.shape[1]!, values.shape[0]!, (i, j) => at(values, j, i));
const times = (a: Values, b: Values): Values => matrix(a.shape[0]!, b.shape[1]!, (i, j) => sum(a.shape[1]!, (k) => at(a, i, k) * at(b, k, j)));
const each = (values: Values, map: (x: number) => number): Values => tensorOf(values.shape, (i) => map(values.data[i]!));

describe("updates that are shared, mixed or depend on the base", () => {
  it("RandLoRA on either orientation, with bases larger than the layer", () => fc.assert(fc.asyncProperty(small, small, small, small, fc.boolean(), seed, async (out, inputs, r, n, conv1d, s) => {
    fc.pre(!conv1d || out !== inputs);
    const [smaller, larger] = [Math.min(out, inputs), Math.max(out, inputs)];
    const [lambda, gamma] = [randomTensor([r, n], s), randomTensor([n, smaller], s + 1)];
    const [a, b] = [randomTensor([r, 1, smaller + 1], s + 2), randomTensor([larger + 2, n + 1, r], s + 3)];
    const base = { "m.weight": tensorOf(conv1d ? [inputs, out] : [out, inputs], () => 0) };
    // As PEFT computes it: λ·A·γ flattened by (r, n), B flattened by (n, r).
    const right = matrix(r * n, smaller, (k, j) => at(lambda, Math.floor(k / n), k % n) * at(a, Math.floor(k / n), 0, j) * at(gamma, k % n, j));
    const left = matrix(larger, n * r, (i, k) => at(b, i, Math.floor(k / r), k % r));
    const product = times(left, right);
    const tensors = { "m.randlora_lambda": lambda, "m.randlora_gamma": gamma, "m.randlora_A": a, "m.randlora_B": b };
    const found = await updateOf("RANDLORA", { randlora_alpha: 3, fan_in_fan_out: conv1d }, tensors, base);
    const wanted = (o: number, i: number): number => (3 / r) * (inputs <= out ? at(product, o, i) : at(product, i, o));
    assertElements(found, conv1d ? [inputs, out] : [out, inputs], (i, j) => (conv1d ? wanted(j, i) : wanted(i, j)));
  }), runs));

  it("VB-LoRA: stored weights of one vector, or of several", () => fc.assert(fc.asyncProperty(small, small, small, small, fc.integer({ min: 1, max: 4 }), seed, async (r, outTiles, inTiles, length, k, s) => {
    const vectors = 7;
    const bank = randomTensor([vectors, length], s);
    const side = (first: number, second: number, at0: number) => {
      const indices = tensorOf([first, second, k], (i) => (i * 5 + at0) % vectors);
      const weights = randomTensor([first, second, k - 1], at0);
      const value = (i: number, j: number, c: number): number => sum(k, (m) => {
        const weight = m < k - 1 ? at(weights, i, j, m) : 1 - sum(k - 1, (l) => at(weights, i, j, l));
        return weight * at(bank, at(indices, i, j, m), c);
      });
      return { indices, weights, value };
    };
    const [a, b] = [side(r, inTiles, s + 1), side(outTiles, r, s + 2)];
    const found = await updateOf("VBLORA", {}, {
      "m.vblora_logits_A_topk_indices": a.indices, "m.vblora_logits_A_topk_weights": a.weights,
      "m.vblora_logits_B_topk_indices": b.indices, "m.vblora_logits_B_topk_weights": b.weights, "vblora_vector_bank": bank,
    });
    assertElements(found, [outTiles * length, inTiles * length], (o, i) => sum(r, (m) => b.value(Math.floor(o / length), m, o % length) * a.value(m, Math.floor(i / length), i % length)));
  }), runs));

  it("DEFT and PaRa, scaled, of layers stored either way", () => fc.assert(fc.asyncProperty(small, small, small, fc.boolean(), fc.boolean(), seed, async (out, inputs, r, para, conv1d, s) => {
    fc.pre(!conv1d || out !== inputs);
    const [p, injected, weight] = [randomTensor([out, r], s), randomTensor([r, inputs], s + 1), randomTensor([out, inputs], s + 2)];
    const removed = times(transposed(each(p, (x) => Math.max(x, 0))), weight);
    const inner = matrix(r, inputs, (i, j) => (para ? 0 : (5 / r) * at(injected, i, j)) - at(removed, i, j));
    const wanted = times(p, inner);
    const tensors = { "m.deft_P": p, ...(para ? {} : { "m.deft_R": injected }) };
    const found = await updateOf("DEFT", { alpha: 5, para, fan_in_fan_out: conv1d }, tensors, { "m.weight": conv1d ? transposed(weight) : weight });
    assertElements(found, conv1d ? [inputs, out] : [out, inputs], (i, j) => (conv1d ? at(wanted, j, i) : at(wanted, i, j)));
  }), runs));

  it("PEANuT of any depth and activation", () => fc.assert(fc.asyncProperty(small, small, small, fc.integer({ min: 0, max: 3 }), fc.constantFrom("relu", "silu", "tanh", "relu2", "relu6", "linear", undefined), seed, async (out, inputs, r, depth, name, s) => {
    const activation: Record<string, (x: number) => number> = {
      relu: (x) => Math.max(x, 0), silu: (x) => x / (1 + Math.exp(-x)), tanh: Math.tanh, relu2: (x) => Math.max(x, 0) ** 2, relu6: (x) => Math.min(Math.max(x, 0), 6), linear: (x) => x,
    };
    const act = (values: Values): Values => each(values, activation[name ?? "relu"]!);
    const weight = each(randomTensor([out, inputs], s), (x) => 9 * x);
    const [a, b] = [randomTensor([r, out], s + 1), randomTensor([out, r], s + 2)];
    const hidden = Array.from({ length: depth }, (_, i) => [randomTensor([r, r], s + 3 + i), randomTensor([r, r], s + 30 + i)] as const);
    // As PEFT writes it: rows are the inputs of the layer.
    let value = act(times(transposed(weight), transposed(a)));
    const residuals: Values[] = [];
    for (const [encoder] of hidden) {
      residuals.push(value);
      value = act(times(value, transposed(encoder)));
    }
    for (const [, decoder] of hidden) {
      const residual = residuals.pop()!;
      const decoded = act(times(value, transposed(decoder)));
      value = tensorOf(decoded.shape, (i) => decoded.data[i]! + residual.data[i]!);
    }
    const wanted = times(value, transposed(b));
    const tensors = Object.fromEntries([["m.peanut_A.weight", a], ["m.peanut_B.weight", b], ...hidden.flatMap(([encoder, decoder], i) => [[`m.peanut_encoders.${i}.weight`, encoder], [`m.peanut_decoders.${i}.weight`, decoder]] as const)]) as Record<string, Values>;
    const found = await updateOf("PEANUT", { depth, scaling: 0.25, ...(name === undefined ? {} : { act_fn: name }) }, tensors, { "m.weight": weight });
    assertElements(found, [out, inputs], (i, j) => 0.25 * at(wanted, j, i));
  }), runs));

  it("GLoRA of numbers and of absent paths", async () => {
    const [weight, bias, c] = [randomTensor([3, 2], 1), randomTensor([3], 2), randomTensor([2, 1], 3)];
    const number = (value: number): Values => tensorOf([1], () => value);
    const base = { "m.weight": weight, "m.bias": bias };
    const modules = await readFamily("GLORA", {}, { "m.glora_A.X": number(0.5), "m.glora_B.X": number(-2), "m.glora_C.X": c }, base);
    const [first, second] = modules.map(({ delta }) => evaluate(delta!));
    assert.deepEqual(modules.map(({ tensor }) => tensor), ["m.weight", "m.bias"]);
    assertElements(first, [3, 2], (i, j) => 0.5 * at(weight, i, j) - 2);
    assertElements(second, [3], (i) => sum(2, (j) => at(weight, i, j) * at(c, j, 0)));
    const onlyBias = await readFamily("GLORA", {}, { "m.glora_D.X": number(0.25), "m.glora_E.X": number(4) }, base);
    assert.deepEqual(onlyBias.map(({ tensor }) => tensor), ["m.bias"]);
    assertElements(evaluate(onlyBias[0]!.delta!), [3], (i) => 0.25 * at(bias, i) + 4);
    const none = await readFamily("GLORA", {}, { "m.glora_A.X": number(0.5), "m.glora_C.X": c });
    assert.deepEqual(none.map(({ delta, needsBase, shape }) => ({ delta, needsBase, shape })), [{ delta: null, needsBase: true, shape: [] }, { delta: null, needsBase: true, shape: [] }]);
  });

  it("FRoD: without a sparse part and with the lengths of its own columns, nothing changes", () => fc.assert(fc.asyncProperty(small, small, seed, async (out, inputs, s) => {
    const weight = randomTensor([out, inputs], s);
    // A well-conditioned basis of determinant 1: unit upper triangular.
    const v = matrix(inputs, inputs, (i, j) => (i === j ? 1 : i < j ? 0.3 : 0));
    const inverseOfTransposed = async (): Promise<Values> => {
      const e = matrix(inputs, inputs, (i, j) => (i === j ? 1 : 0));
      for (let column = 0; column < inputs; column++) {
        // V·x = e, from the last row up; the transposed inverse has x as its row.
        const x = new Array<number>(inputs).fill(0);
        for (let i = inputs - 1; i >= 0; i--) x[i] = (i === column ? 1 : 0) - sum(inputs - i - 1, (d) => at(v, i, i + 1 + d) * x[i + 1 + d]!);
        x.forEach((value, i) => (e.data[column * inputs + i] = value));
      }
      return Promise.resolve(e);
    };
    const coordinates = times(weight, await inverseOfTransposed());
    const lengths = tensorOf([inputs], (j) => Math.hypot(...Array.from({ length: out }, (_, i) => at(coordinates, i, j))));
    const tensors = {
      "encoder.layer.0.attention.output.dense.frod_lambda_l": lengths, "encoder.layer.0.attention.output.dense.frod_lambda_s_values": tensorOf([1], () => 0),
      "frod_V.attention_output": v, "frod_s_indices.attention_output": tensorOf([2, 1], () => 0),
    };
    const found = await updateOf("FROD", {}, tensors, { "encoder.layer.0.attention.output.dense.weight": weight });
    assertElements(found, [out, inputs], () => 0);
  }), runs));

  it("OSF: the trained part takes the place of the smallest components", () => fc.assert(fc.asyncProperty(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 2, max: 5 }), seed, async (rows, columns, s) => {
    // A diagonal W has the unit vectors as its singular vectors: the smallest component is its last entry.
    const all = Math.min(rows, columns);
    const weight = matrix(rows, columns, (i, j) => (i === j ? all + 1 - i : 0));
    const [u, sigma, v] = [randomTensor([rows, 1], s), randomTensor([1], s + 1), randomTensor([1, columns], s + 2)];
    const tensors = { "m.osf_svd_params.U_low": u, "m.osf_svd_params.S_low": sigma, "m.osf_svd_params.V_low": v };
    const [module] = await readFamily("OSF", { effective_rank: 99 }, tensors, { "m.weight": weight });
    assert.equal(module!.rank, all - 1);
    assertElements(evaluate(module!.delta!), [rows, columns], (i, j) => at(u, i, 0) * at(sigma, 0) * at(v, 0, j) - (i === all - 1 && j === all - 1 ? at(weight, i, j) : 0));
  }), runs));

  it("FourierFT: one coefficient is one wave, and Conv1D stores it transposed", async () => {
    const values = tensorOf([1], () => 3);
    const [plain] = await readFamily("FOURIERFT", { scaling: 2 }, { "m.fourierft_spectrum": values }, { "m.weight": tensorOf([4, 6], () => 0) });
    const [turned] = await readFamily("FOURIERFT", { scaling: 2, fan_in_fan_out: true }, { "m.fourierft_spectrum": values }, { "m.weight": tensorOf([6, 4], () => 0) });
    const wave = evaluate(plain!.delta!);
    assert.ok(Math.abs(wave.data[0]! - (2 * 3) / 24) < 1e-12, "a wave begins at its height");
    assert.ok(wave.data.every((value) => Math.abs(value) <= (2 * 3) / 24 + 1e-12));
    assert.equal(turned!.stored, "in_out");
    assertElements(evaluate(turned!.delta!), [6, 4], (i, j) => at(wave, j, i));
  });

  it("a base that does not fit is refused, and one that lacks the layer", async () => {
    const tensors = { "m.deft_P": randomTensor([4, 2], 1), "m.deft_R": randomTensor([2, 3], 2) };
    const [other] = await readFamily("DEFT", {}, tensors, { "m.weight": randomTensor([7, 5], 3) });
    assert.match(other!.refused!, /^the base model's tensor \[7, 5\] does not fit the adapter/);
    const [absent] = await readFamily("WAVEFT", {}, { "m.waveft_spectrum": randomTensor([4], 1) }, { "n.weight": randomTensor([2, 2], 3) });
    assert.match(absent!.refused!, /^the base model has no/);
    const [few] = await readFamily("WAVEFT", {}, { "m.waveft_spectrum": randomTensor([9], 1) }, { "m.weight": randomTensor([2, 2], 3) });
    assert.match(few!.refused!, /9 coefficients are stored for 4 positions/);
  });
});
