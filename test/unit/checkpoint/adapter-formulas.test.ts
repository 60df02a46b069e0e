/** Updates of adapters against their definitions, element by element, for shapes and options that the reference adapters leave out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { assertElements, at, randomTensor, readFamily, sum, tensorOf, updateOf } from "../../adapters";
import type { Values } from "../../expressions";

const small = fc.integer({ min: 1, max: 5 });
const seed = fc.nat(10_000);

/** Σ_ij core[i, j, k, l]·left[i, p]·right[j, q]. */
function tuckerAt(core: Values, left: Values, right: Values, p: number, q: number, k: number, l: number): number {
  return sum(core.shape[0]!, (i) => sum(core.shape[1]!, (j) => at(core, i, j, k, l) * at(left, i, p) * at(right, j, q)));
}

describe("updates of adapters", () => {
  it("LoHa of a convolution in Tucker form", () => fc.assert(fc.asyncProperty(small, small, small, small, small, seed, async (r, out, inputs, k, l, s) => {
    const tensors = {
      "c.hada_t1": randomTensor([r, r, k, l], s), "c.hada_w1_a": randomTensor([r, out], s + 1), "c.hada_w1_b": randomTensor([r, inputs], s + 2),
      "c.hada_t2": randomTensor([r, r, k, l], s + 3), "c.hada_w2_a": randomTensor([r, out], s + 4), "c.hada_w2_b": randomTensor([r, inputs], s + 5),
    };
    const half = (n: 1 | 2, ...[o, i, x, y]: number[]): number => tuckerAt(tensors[`c.hada_t${n}`], tensors[`c.hada_w${n}_a`], tensors[`c.hada_w${n}_b`], o!, i!, x!, y!);
    assertElements(await updateOf("LOHA", { alpha: 3 }, tensors), [out, inputs, k, l], (...index) => (3 / r) * half(1, ...index) * half(2, ...index));
  }), { numRuns: 30 }));

  it("LoKr of linear layers and two-dimensional convolutions", () => fc.assert(fc.asyncProperty(fc.tuple(small, small, small, small), fc.array(small, { minLength: 2, maxLength: 2 }), fc.boolean(), seed, async ([a, b, c, d], points, linear, s) => {
    const kernel = linear ? [] : points;
    const w1 = randomTensor([a, c], s);
    const w2 = randomTensor([b, d, ...kernel], s + 1);
    const found = await updateOf("LOKR", { alpha: 6, r: 4, rank_pattern: { "other": 1, "c": 2 } }, { "m.c.lokr_w1": w1, "m.c.lokr_w2": w2 });
    assertElements(found, [a * b, c * d, ...kernel], (o, i, ...rest) => 3 * at(w1, Math.floor(o / b), Math.floor(i / d)) * at(w2, o % b, i % d, ...rest));
  }), { numRuns: 40 }));

  it("LoKr of a one-dimensional convolution in Tucker form", () => fc.assert(fc.asyncProperty(small, small, small, small, small, small, seed, async (r, a, b, c, d, k, s) => {
    const w1 = randomTensor([a, c], s);
    const [core, left, right] = [randomTensor([r, r, k, 1], s + 1), randomTensor([r, b], s + 2), randomTensor([r, d], s + 3)];
    const base = { "c.weight": tensorOf([a * b, c * d, k], () => 0) };
    const found = await updateOf("LOKR", { alpha: 5 }, { "c.lokr_w1": w1, "c.lokr_t2": core, "c.lokr_w2_a": left, "c.lokr_w2_b": right }, base);
    assertElements(found, [a * b, c * d, k], (o, i, x) => (5 / r) * at(w1, Math.floor(o / b), Math.floor(i / d)) * tuckerAt(core, left, right, o % b, i % d, x, 0));
  }), { numRuns: 30 }));

  it("OFT: rotations keep the lengths of rows, and embeddings turn the other way", () => fc.assert(fc.asyncProperty(small, small, fc.integer({ min: 2, max: 5 }), seed, async (out, blocks, b, s) => {
    const q = randomTensor([blocks, b * (b - 1) / 2], s);
    const opposite = tensorOf(q.shape, (i) => -q.data[i]!);
    const inputs = blocks * b;
    const weight = randomTensor([out, inputs], s + 1);
    const config = { use_cayley_neumann: false };
    const layer = await updateOf("OFT", config, { "m.oft_R.weight": q }, { "m.weight": weight });
    const length = (row: number, of: (i: number) => number): number => sum(inputs, (i) => of(row * inputs + i) ** 2);
    for (let row = 0; row < out; row++) assert.ok(Math.abs(length(row, (i) => weight.data[i]! + layer.data[i]!) - length(row, (i) => weight.data[i]!)) < 1e-9);
    const embedding = await updateOf("OFT", config, { "m.oft_embedding_R.weight": opposite }, { "m.weight": weight });
    assertElements(embedding, layer.shape, (o, i) => at(layer, o, i));
  }), { numRuns: 30 }));

  it("OFT: the series comes to the exact rotation of −Q as its terms grow", async () => {
    const q = tensorOf([2, 3], (i) => 0.02 * (i - 2));
    const base = { "m.weight": randomTensor([3, 6], 1) };
    const exact = await updateOf("OFT", { use_cayley_neumann: false }, { "m.oft_R.weight": tensorOf(q.shape, (i) => -q.data[i]!) }, base);
    const errors = await Promise.all([1, 2, 3, 5, 7, 9].map(async (terms) => {
      const found = await updateOf("OFT", { num_cayley_neumann_terms: terms }, { "m.oft_R.weight": q }, base);
      return Math.max(...found.data.map((value, i) => Math.abs(value - exact.data[i]!)));
    }));
    for (let i = 1; i < errors.length; i++) assert.ok(errors[i]! < errors[i - 1]! / 2, `errors ${errors.join(", ")}`);
  });

  it("BOFT of a convolution is that of the flattened weight, its scales stored across", () => fc.assert(fc.asyncProperty(small, fc.integer({ min: 1, max: 3 }), seed, async (out, factors, s) => {
    const [b, blocks] = [2, 8];
    const r = randomTensor([factors, blocks, b, b], s);
    const scales = randomTensor([out], s + 1);
    const weight = randomTensor([out, 4, 2, 2], s + 2);
    const linear = await updateOf("BOFT", {}, { "m.boft_R": r, "m.boft_s": { ...scales, shape: [out, 1] } }, { "m.weight": { ...weight, shape: [out, 16] } });
    const convolution = await updateOf("BOFT", {}, { "m.boft_R": r, "m.boft_s": { ...scales, shape: [1, out] } }, { "m.weight": weight });
    assertElements(convolution, weight.shape, (o, i, y, x) => at(linear, o, 4 * i + 2 * y + x));
    // Every factor is orthogonal: only the scales change the length of a row.
    for (let row = 0; row < out; row++) {
      const before = sum(16, (i) => at(weight, row, i >> 2, (i >> 1) & 1, i & 1) ** 2);
      const after = sum(16, (i) => (at(linear, row, i) + at(weight, row, i >> 2, (i >> 1) & 1, i & 1)) ** 2);
      assert.ok(Math.abs(after - before * scales.data[row]! ** 2) < 1e-9 * (1 + before));
    }
  }), { numRuns: 30 }));

  it("BOFT: butterfly factors by their permutation matrices", () => fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.constantFrom(2, 4), seed, async (factors, b, s) => {
    const blocks = 4;
    const n = blocks * b;
    const x = randomTensor([factors, blocks, b, b], s);
    const weight = randomTensor([2, n], s + 1);
    const found = await updateOf("BOFT", {}, { "m.boft_R": x, "m.boft_s": tensorOf([2, 1], () => 1) }, { "m.weight": weight });
    const columns = Array.from({ length: 2 }, (_, row) => Array.from({ length: n }, (_, i) => at(weight, row, i)));
    for (let f = 0; f < factors; f++) {
      // Output place i takes input place from[i]: pieces of b/2, in each block first those at even places, then those at odd ones.
      const size = b * 2 ** f;
      const pieces = Array.from({ length: 2 * 2 ** f }, (_, i) => i);
      const order = [...pieces.filter((i) => i % 2 === 0), ...pieces.filter((i) => i % 2 === 1)];
      const from = Array.from({ length: n }, (_, i) => Math.floor(i / size) * size + order[Math.floor((i % size) / (b / 2))]! * (b / 2) + (i % (b / 2)));
      for (const column of columns) {
        const sorted = new Array<number>(n).fill(0);
        for (let i = 0; i < n; i++) sorted[from[i]!] = column[i]!;
        const turned = new Array<number>(n).fill(0);
        for (let block = 0; block < blocks; block++) cayleyTimes(x, f, block, b, sorted, turned);
        for (let i = 0; i < n; i++) column[i] = turned[from[i]!]!;
      }
    }
    assertElements(found, [2, n], (o, i) => columns[o]![i]! - at(weight, o, i));
  }), { numRuns: 30 }));

  it("MiSS repeats its block over inputs and, narrower, over outputs", () => fc.assert(fc.asyncProperty(small, small, small, fc.integer({ min: 1, max: 17 }), seed, async (r, width, times, inputs, s) => {
    const out = width * times;
    const block = randomTensor([r, width], s);
    const found = await updateOf("MISS", { init_weights: "mini" }, { "m.miss_block": block }, { "m.weight": tensorOf([out, inputs], () => 7) });
    assertElements(found, [out, inputs], (o, i) => at(block, i % r, o % width));
  }), { numRuns: 40 }));

  it("MiSS with blocks of its own for each row of blocks", () => fc.assert(fc.asyncProperty(small, small, small, seed, async (r, rows, columns, s) => {
    const blocks = randomTensor([rows, r, r], s);
    const weight = randomTensor([rows * r, columns * r], s + 1);
    const found = await updateOf("MISS", { init_weights: "bat" }, { "m.miss_block": blocks }, { "m.weight": weight });
    assertElements(found, weight.shape, (o, i) => at(blocks, Math.floor(o / r), o % r, i % r) + sum(r, (t) => at(weight, o, i - (i % r) + t) * at(blocks, Math.floor(o / r), t, i % r)));
  }), { numRuns: 40 }));

  it("HRA applies its reflections one after the other", () => fc.assert(fc.asyncProperty(small, fc.integer({ min: 2, max: 6 }), small, fc.boolean(), seed, async (out, inputs, rank, orthonormal, s) => {
    const r = orthonormal ? Math.min(rank, inputs) : rank;
    const u = randomTensor([inputs, r], s);
    const weight = randomTensor([out, inputs], s + 1);
    const vectors: number[][] = [];
    for (let i = 0; i < r; i++) {
      const vector = Array.from({ length: inputs }, (_, row) => at(u, row, i));
      if (orthonormal) for (const other of vectors) {
        const overlap = sum(inputs, (t) => other[t]! * vector[t]!);
        for (let t = 0; t < inputs; t++) vector[t]! -= overlap * other[t]!;
      }
      const length = Math.sqrt(sum(inputs, (t) => vector[t]! ** 2));
      fc.pre(length > 1e-3);
      vectors.push(vector.map((value) => value / length));
    }
    const rows = Array.from({ length: out }, (_, o) => Array.from({ length: inputs }, (_, i) => at(weight, o, i)));
    for (const row of rows) for (const vector of vectors) {
      const overlap = sum(inputs, (t) => row[t]! * vector[t]!);
      for (let t = 0; t < inputs; t++) row[t]! -= 2 * overlap * vector[t]!;
    }
    const found = await updateOf("HRA", { apply_GS: orthonormal }, { "m.hra_u": u }, { "m.weight": weight });
    assertElements(found, weight.shape, (o, i) => rows[o]![i]! - at(weight, o, i));
  }), { numRuns: 40 }));

  it("HiRA of transposed layers and embeddings", () => fc.assert(fc.asyncProperty(small, small, small, seed, async (r, out, inputs, s) => {
    const [a, b] = [randomTensor([r, inputs], s), randomTensor([out, r], s + 1)];
    const weight = randomTensor([inputs, out], s + 2);
    const wanted = (i: number, o: number): number => at(weight, i, o) * sum(r, (t) => at(b, o, t) * at(a, t, i));
    const layer = await readFamily("HIRA", { fan_in_fan_out: true }, { "m.hira_A": a, "m.hira_B": b }, { "m.weight": weight });
    assert.equal(layer[0]!.stored, "in_out");
    assertElements(await updateOf("HIRA", { fan_in_fan_out: true }, { "m.hira_A": a, "m.hira_B": b }, { "m.weight": weight }), [inputs, out], (i, o) => wanted(i, o));
    assertElements(await updateOf("HIRA", {}, { "m.hira_embedding_A": a, "m.hira_embedding_B": b }, { "m.weight": weight }), [inputs, out], (i, o) => wanted(i, o));
  }), { numRuns: 30 }));

  it("RoAd rotates pairs of outputs in each variant, biases too", () => fc.assert(fc.asyncProperty(fc.constantFrom("road_1", "road_2", "road_4"), small, fc.integer({ min: 1, max: 3 }), small, seed, async (variant, groups, half, inputs, s) => {
    const g = 2 * half;
    const size = groups * half * { road_1: 1, road_2: 2, road_4: 4 }[variant];
    const [theta, alpha] = [randomTensor([size], s), randomTensor([size], s + 1)];
    const base = { "m.weight": randomTensor([groups * g, inputs], s + 2), "m.bias": randomTensor([groups * g], s + 3) };
    const entry = (p: number, second: 0 | 1): number => {
      const [group, place] = [Math.floor(p / g), p % g];
      if (variant === "road_1") return group * half + (place % half);
      return variant === "road_2" ? p : group * 2 * g + second * g + place;
    };
    const turned = (p: number, of: (o: number) => number): number => {
      const place = p % g;
      const partner = place < half ? p + half : p - half;
      const cosine = alpha.data[entry(p, 0)]! * Math.cos(theta.data[entry(p, 0)]!);
      const sine = alpha.data[entry(p, 1)]! * Math.sin(theta.data[entry(p, 1)]!);
      return cosine * of(p) + (place < half ? -sine : sine) * of(partner) - of(p);
    };
    const config = { variant, group_size: g };
    const tensors = { "m.road_theta": theta, "m.road_alpha": alpha };
    assertElements(await updateOf("ROAD", config, tensors, base), base["m.weight"].shape, (o, i) => turned(o, (p) => at(base["m.weight"], p, i)));
    const modules = await readFamily("ROAD", config, tensors, base);
    assert.deepEqual(modules.map(({ tensor }) => tensor), ["m.weight", "m.bias"]);
    const biasOnly = { "m.weight": { ...base["m.bias"], shape: [groups * g] } };
    assertElements(await updateOf("ROAD", config, tensors, biasOnly), [groups * g], (o) => turned(o, (p) => at(base["m.bias"], p)));
  }), { numRuns: 40 }));

  it("(IA)³ of convolutions: which axis is scaled where the channels alone do not say", async () => {
    const l = randomTensor([1, 4, 1, 1, 1], 1);
    const weight = randomTensor([4, 4, 1, 2, 3], 2);
    const base = { "m.conv.weight": weight, "m.conv.bias": randomTensor([4], 3) };
    for (const feedforward of [["conv"], "m\\.con[v]"]) {
      const modules = await readFamily("IA3", { feedforward_modules: feedforward }, { "m.conv.ia3_l": l }, base);
      assert.deepEqual(modules.map(({ tensor }) => tensor), ["m.conv.weight"]);
      assertElements(await updateOf("IA3", { feedforward_modules: feedforward }, { "m.conv.ia3_l": l }, base), weight.shape, (...index) => at(weight, ...index) * (l.data[index[1]!]! - 1));
    }
    for (const other of [[], "con", ["m.other"]]) {
      const modules = await readFamily("IA3", { feedforward_modules: other }, { "m.conv.ia3_l": l }, base);
      assert.deepEqual(modules.map(({ tensor }) => tensor), ["m.conv.weight", "m.conv.bias"]);
      assertElements(await updateOf("IA3", { feedforward_modules: other }, { "m.conv.ia3_l": l }, base), weight.shape, (...index) => at(weight, ...index) * (l.data[index[0]!]! - 1));
    }
  });

  it("C³A: each block is circulant", () => fc.assert(fc.asyncProperty(small, small, small, seed, async (m, n, b, s) => {
    const kernel = randomTensor([m, n, b], s);
    const found = await updateOf("C3A", {}, { "m.c3a_kernel": kernel });
    assertElements(found, [m * b, n * b], (o, i) => at(kernel, Math.floor(o / b), Math.floor(i / b), ((i % b) - (o % b) + b) % b) / (n * b));
  }), { numRuns: 40 }));

  it("GraLoRA, hybrid, of a transposed layer", () => fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 3 }), small, small, small, small, seed, async (k, t, i, o, hybrid, s) => {
    const r = k * t;
    const [a, b] = [randomTensor([k, i, r], s), randomTensor([k, r, o], s + 1)];
    const [generalA, generalB] = [randomTensor([hybrid, k * i], s + 2), randomTensor([k * o, hybrid], s + 3)];
    const tensors = { "m.gralora_A": a, "m.gralora_B": b, "m.gralora_A_general.weight": generalA, "m.gralora_B_general.weight": generalB };
    const found = await updateOf("GRALORA", { alpha: 5, fan_in_fan_out: true }, tensors, { "m.weight": tensorOf([k * i, k * o], () => 0) });
    assertElements(found, [k * i, k * o], (x, y) => {
      const [n, j] = [Math.floor(x / i), Math.floor(y / o)];
      const block = sum(t, (c) => at(a, n, x % i, j * t + c) * at(b, j, n * t + c, y % o));
      return (5 / (r + hybrid)) * (block + sum(hybrid, (c) => at(generalB, y, c) * at(generalA, c, x)));
    });
  }), { numRuns: 30 }));

  it("DeLoRA: short factors count as 1e-4 long", async () => {
    const tensors = { "m.delora_A": tensorOf([2, 2], (i) => [3, 4, 0, 1e-6][i]!), "m.delora_B": tensorOf([1, 2], (i) => [2, 1][i]!), "m.delora_lambda": tensorOf([1], () => 8), "m.delora_w_norm": tensorOf([2], (i) => i + 1) };
    const long = 8 / 2 / (5 * 2);
    const short = 8 / 2 / (1e-4 * 1);
    assertElements(await updateOf("DELORA", {}, tensors), [1, 2], (_, i) => (i + 1) * (2 * long * [3, 4][i]! + short * [0, 1e-6][i]!));
  });

  it("Super-Tuning finds the largest or smallest magnitudes again, but not among 16-bit values", async () => {
    const base = { "m.weight": tensorOf([2, 3], (i) => [5, -1, 4, 0.5, -3, 2][i]!) };
    const tensors = { "m.supertuning_values": tensorOf([3], (i) => 10 * (i + 1)) };
    assertElements(await updateOf("SUPERTUNING", { select_top: false }, tensors, base), [2, 3], (o, i) => [[0, 20, 0], [10, 0, 30]][o]![i]!);
    assertElements(await updateOf("SUPERTUNING", {}, tensors, base), [2, 3], (o, i) => [[10, 0, 20], [0, 30, 0]][o]![i]!);
    const [narrow] = await readFamily("SUPERTUNING", {}, tensors, base, "BF16");
    assert.equal(narrow!.delta, null);
    assert.match(narrow!.refused ?? "", /positions are not stored/);
    const stored = { ...tensors, "m.supertuning_indices": tensorOf([3], (i) => i + 2) };
    assert.notEqual((await readFamily("SUPERTUNING", {}, stored, base, "BF16"))[0]!.delta, null);
  });

  it("the deepest updates nest no deeper than the engine reads", async () => {
    const depth = (value: unknown): number => (typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0);
    const base = { "m.weight": tensorOf([2, 512], () => 1) };
    const deepest = [
      await readFamily("BOFT", {}, { "m.boft_R": tensorOf([8, 256, 2, 2], () => 0.1), "m.boft_s": tensorOf([2, 1], () => 1) }, base),
      await readFamily("OFT", { num_cayley_neumann_terms: 16, coft: true }, { "m.oft_R.weight": tensorOf([256, 1], () => 0.1) }, base),
    ];
    // The engine's JSON reader stops at 128 levels; a request puts a few around the expression.
    for (const [module] of deepest) assert.ok(depth(module!.delta) <= 100, String(depth(module!.delta)));
  });

  it("what takes the base says so without one", async () => {
    const one = (name: string, shape: number[]): Record<string, Values> => ({ [name]: tensorOf(shape, () => 0.5) });
    const cases: [string, Record<string, unknown>, Record<string, Values>][] = [
      ["OFT", {}, one("m.oft_R.weight", [2, 1])],
      ["BOFT", {}, { ...one("m.boft_R", [1, 2, 2, 2]), ...one("m.boft_s", [3, 1]) }],
      ["MISS", {}, one("m.miss_block", [2, 3])],
      ["HIRA", {}, { ...one("m.hira_A", [1, 2]), ...one("m.hira_B", [3, 1]) }],
      ["HRA", {}, one("m.hra_u", [4, 2])],
      ["ROAD", { group_size: 2 }, { ...one("m.road_theta", [2]), ...one("m.road_alpha", [2]) }],
      ["IA3", {}, one("m.ia3_l", [1, 4])],
      ["LN_TUNING", {}, one("m.ln_tuning_layers.weight", [4])],
      ["TRAINABLE_TOKENS", { token_indices: [1] }, one("m.trainable_tokens_delta", [1, 4])],
      ["SHIRA", {}, { ...one("m.shira_weight", [2]), ...one("m.shira_indices", [2, 2]) }],
      ["SUPERTUNING", {}, one("m.supertuning_values", [2])],
    ];
    for (const [type, config, tensors] of cases) {
      const [alone] = await readFamily(type, config, tensors);
      assert.deepEqual([alone?.delta, alone?.needsBase, alone?.refused], [null, true, undefined], type);
      const [elsewhere] = await readFamily(type, config, tensors, { "other.tensor": tensorOf([1], () => 0) });
      assert.match(elsewhere?.refused ?? "", /the base model has no tensor/, type);
    }
  });
});

/** target += values·R for one block, R = (I − K)(I + K)⁻¹ transposed, K = (X − Xᵀ)/2; by elimination, b being small. */
function cayleyTimes(x: Values, factor: number, block: number, b: number, values: readonly number[], target: number[]): void {
  const k = (i: number, j: number): number => (at(x, factor, block, i, j) - at(x, factor, block, j, i)) / 2;
  // v·Rᵀ = v·(I + K)⁻ᵀ·(I − K)ᵀ = v·(I − K)⁻¹·(I + K): solve y·(I − K) = v, then multiply.
  const rows = Array.from({ length: b }, (_, i) => [...Array.from({ length: b }, (_, j) => (i === j ? 1 : 0) - k(j, i)), values[block * b + i]!]);
  for (let i = 0; i < b; i++) {
    const pivot = rows.slice(i).reduce((best, row) => (Math.abs(row[i]!) > Math.abs(best[i]!) ? row : best));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(i, 0, pivot);
    for (const row of rows) {
      if (row === pivot) continue;
      const ratio = row[i]! / pivot[i]!;
      for (let j = i; j <= b; j++) row[j]! -= ratio * pivot[j]!;
    }
  }
  const y = rows.map((row, i) => row[b]! / row[i]!);
  for (let j = 0; j < b; j++) target[block * b + j] = sum(b, (i) => y[i]! * ((i === j ? 1 : 0) + k(i, j)));
}
