/** Query, key and value, gate and up in one tensor, in every order that models use; experts of a mixture in a stack. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ModelFacts } from "../../../src/checkpoint/pairing/model-facts";
import { pairTensors, type PairingOptions } from "../../../src/checkpoint/pairing/pairing";
import { settledAlternatives } from "../../../src/checkpoint/pairing/settle";
import { checkpointOf, randomTensor, type Tensors } from "../../adapters";
import type { Values } from "../../expressions";
import { assertEqualValues, described, probe, rowsAt, stacked, transposed, type Paired } from "../../pairs";

const HIDDEN = 12;
const range = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

/** Rows of q, k and v, group by group of heads: the queries of the group, its key, its value. */
function interleaved(q: Values, k: Values, v: Values, groups: number): Values {
  const [perQ, perK] = [q.shape[0]! / groups, k.shape[0]! / groups];
  return stacked(...range(0, groups).flatMap((g) => [rowsAt(q, range(g * perQ, perQ)), rowsAt(k, range(g * perK, perK)), rowsAt(v, range(g * perK, perK))]));
}

/** Projections of `heads` query and `groups` key heads of `size` rows, as `self_attn.q_proj` …, for two layers. */
function attention(heads: number, groups: number, size: number, bias = false): Tensors {
  const tensors: Tensors = {};
  for (const layer of [0, 1]) {
    for (const [i, [name, count]] of ([["q", heads], ["k", groups], ["v", groups]] as const).entries()) {
      const module = `model.layers.${layer}.self_attn.${name}_proj`;
      tensors[`${module}.weight`] = randomTensor([count * size, HIDDEN], 10 * layer + i + 1);
      if (bias) tensors[`${module}.bias`] = randomTensor([count * size], 100 + 10 * layer + i);
    }
  }
  return tensors;
}

function fusedWith(split: Tensors, name: string, fuse: (q: Values, k: Values, v: Values) => Values): Tensors {
  const part = (layer: number, which: string, parameter: string): Values | undefined => split[`model.layers.${layer}.self_attn.${which}_proj.${parameter}`];
  const fused: Tensors = {};
  for (const layer of [0, 1]) {
    for (const parameter of ["weight", "bias"]) {
      const [q, k, v] = ["q", "k", "v"].map((which) => part(layer, which, parameter));
      if (q !== undefined) fused[`model.layers.${layer}.${name}.${parameter}`] = fuse(q, k!, v!);
    }
  }
  return fused;
}

function paired(a: Tensors, b: Tensors, options: PairingOptions = {}): Paired {
  const [x, y] = [checkpointOf(a), checkpointOf(b)];
  return { a: x, b: y, pairing: pairTensors(x, y, options) };
}

/** Paired, and paired again by what values tell. */
async function settled(a: Tensors, b: Tensors, options: PairingOptions = {}): Promise<Paired> {
  const first = paired(a, b, options);
  return paired(a, b, { ...options, preferred: await settledAlternatives(first.pairing, first.a, first.b, probe) });
}

/** All of both sides is paired, and bit-equal. */
function assertWhole(found: Paired): void {
  assert.deepEqual([found.pairing.onlyInA, found.pairing.onlyInB, found.pairing.reshaped], [[], [], []]);
  assertEqualValues(found);
}

describe("fused attention", () => {
  const facts = (heads: number, groups: number): { a: ModelFacts; b: ModelFacts } => ({ a: { heads, keyValueHeads: groups }, b: { heads, keyValueHeads: groups } });

  it("is told interleaved from concatenated by values, for any number of heads, on either side, biases included", async () => {
    const shapes = fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.constantFrom(2, 4, 8), fc.boolean(), fc.boolean(), fc.boolean());
    await fc.assert(
      fc.asyncProperty(shapes, async ([groups, perGroup, size, bias, mixed, swap]) => {
        const split = attention(groups * perGroup, groups, size, bias);
        const fused = fusedWith(split, "self_attn.qkv_proj", mixed ? (q, k, v) => interleaved(q, k, v, groups) : stacked);
        const found = await settled(...(swap ? [fused, split] as const : [split, fused] as const), { facts: facts(groups * perGroup, groups) });
        assertWhole(found);
        assert.deepEqual(new Set(described(found).map(([, , rule]) => rule)), new Set([mixed ? "qkv-interleaved" : "qkv"]));
      }),
      { numRuns: 40 },
    );
  });

  it("is tried with common sizes of heads where neither model says how many it has", async () => {
    const split = attention(4, 2, 16);
    const fused = fusedWith(split, "attention.query_key_value", (q, k, v) => interleaved(q, k, v, 2));
    const found = await settled(split, fused);
    assertWhole(found);
    assert.equal(described(found)[0]![2], "qkv-interleaved-16");
  });

  it("is taken for interleaved under GPT-NeoX's name, and for concatenated when that is switched off", () => {
    const split = attention(3, 3, 4);
    const fused = fusedWith(split, "attention.query_key_value", (q, k, v) => interleaved(q, k, v, 3));
    const found = paired(split, fused, { facts: facts(3, 3) });
    assertWhole(found);
    assert.deepEqual(described(found)[0], ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.attention.query_key_value.weight[0:4 of every 12]", "qkv-interleaved"]);
    const concatenated = paired(split, fused, { facts: facts(3, 3), off: new Set(["qkv-interleaved"]) });
    assert.deepEqual(concatenated.pairing.rules.map(({ id, on }) => [id, on]), [["qkv-interleaved", false], ["qkv", true]]);
    assert.throws(() => assertEqualValues(concatenated));
  });

  it("is left alone when every arrangement is switched off, or a part is missing, or rows do not add up", () => {
    const split = attention(2, 2, 4);
    const fused = fusedWith(split, "self_attn.qkv_proj", stacked);
    for (const [a, b, off] of [
      [split, fused, ["qkv", "qkv-interleaved"]],
      [Object.fromEntries(Object.entries(split).filter(([name]) => !name.includes("k_proj"))), fused, []],
      [{ ...split, ...Object.fromEntries([0, 1].map((i) => [`model.layers.${i}.self_attn.v_proj.weight`, randomTensor([9, HIDDEN], 1)])) }, fused, []],
    ] as const) {
      const { pairing } = paired(a, b, { off: new Set(off), facts: facts(2, 2) });
      assert.deepEqual(pairing.pairs, []);
      assert.equal(pairing.onlyInA.length, Object.keys(a).length);
      assert.equal(pairing.onlyInB.length, 2);
    }
  });

  it("holds in GPT-2's Conv1D, whose rows are inputs", () => {
    const split = attention(2, 2, 5);
    const fused = fusedWith(split, "attn.c_attn", (q, k, v) => transposed(stacked(q, k, v)));
    const found = paired(split, fused);
    assertWhole(found);
    assert.equal(described(found)[1]![1], "model.layers.0.attn.c_attn.weight[:, 10:20]");
  });

  it("holds in torch's MultiheadAttention", () => {
    const split = attention(2, 2, 4, true);
    const fused = Object.fromEntries(Object.entries(fusedWith(split, "self_attn.in_proj", stacked)).map(([name, values]) => [name.replace(/\.(weight|bias)$/, "_$1"), values]));
    assertWhole(paired(split, fused));
  });
});

describe("fused gate and up", () => {
  const split = { "l.0.mlp.gate_proj.weight": randomTensor([8, HIDDEN], 1), "l.0.mlp.up_proj.weight": randomTensor([8, HIDDEN], 2) };
  const [gate, up] = Object.values(split) as [Values, Values];

  for (const [rule, fused] of [
    ["gate-up", stacked(gate, up)],
    ["up-gate", stacked(up, gate)],
    ["gate-up-alternating", stacked(...range(0, 8).flatMap((i) => [rowsAt(gate, [i]), rowsAt(up, [i])]))],
  ] as const) {
    it(`is found by values: ${rule}`, async () => {
      const found = await settled(split, { "l.0.mlp.gate_up_proj.weight": fused });
      assertWhole(found);
      assert.equal(described(found)[0]![2], rule);
    });
  }

  it("may be called w12", () => {
    const found = paired({ "b.mlp.w1.weight": gate, "b.mlp.w2.weight": up }, { "b.mlp.w12.weight": stacked(gate, up) });
    assertWhole(found);
  });
});

describe("experts", () => {
  const experts = 3;
  const single: Tensors = {};
  for (const e of range(0, experts)) {
    for (const [i, name] of ["gate_proj", "up_proj", "down_proj"].entries()) single[`m.0.mlp.experts.${e}.${name}.weight`] = randomTensor(name === "down_proj" ? [HIDDEN, 8] : [8, HIDDEN], 10 * e + i);
  }
  const each = (name: string): Values[] => range(0, experts).map((e) => single[`m.0.mlp.experts.${e}.${name}.weight`]!);
  const stack = (of: Values[]): Values => ({ shape: [of.length, ...of[0]!.shape], data: stacked(...of).data });
  const gateUp = (turn: (of: Values) => Values): Values => stack(range(0, experts).map((e) => turn(stacked(each("gate_proj")[e]!, each("up_proj")[e]!))));

  it("are entries of a stack", () => {
    const stacks = Object.fromEntries(["gate_proj", "up_proj", "down_proj"].map((name) => [`m.0.mlp.experts.${name}.weight`, stack(each(name))]));
    for (const found of [paired(single, stacks), paired(stacks, single)]) {
      assertWhole(found);
      assert.equal(found.pairing.pairs.length, 9);
    }
    assert.deepEqual(described(paired(single, stacks))[4], ["m.0.mlp.experts.1.up_proj.weight", "m.0.mlp.experts.up_proj.weight[1:2]", "experts"]);
  });

  it("are entries of a stack of fused matrices, either way round", () => {
    for (const turn of [(of: Values) => of, transposed]) {
      const stacks = { "m.0.mlp.experts.gate_up_proj": gateUp(turn), "m.0.mlp.experts.down_proj": stack(each("down_proj").map(turn)) };
      const found = paired(single, stacks);
      assertWhole(found);
      assert.equal(described(found)[4]![1], `m.0.mlp.experts.gate_up_proj[1, ${turn === transposed ? ":, " : ""}8:16]`);
    }
  });

  it("are not paired with a stack of another number of experts", () => {
    const { pairing } = paired(single, { "m.0.mlp.experts.down_proj": stack(each("down_proj").slice(1)) });
    assert.deepEqual([pairing.pairs, pairing.onlyInB], [[], [0]]);
  });
});
