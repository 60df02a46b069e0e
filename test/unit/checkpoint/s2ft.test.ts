/** S2FT: the stored order of heads and channels is recovered from the base, and the update stands in the base's own order. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Adapter } from "../../../src/checkpoint/adapters/adapter";
import { readAdapter } from "../../../src/checkpoint/adapters/read-adapter";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { at, fileOf, randomTensor, tensorOf, type Tensors } from "../../adapters";
import { evaluate, type Values } from "../../expressions";
import { fixtures, Scratch } from "../../files";

const scratch = new Scratch();
const WIDTH = 8, CHANNELS = 9;

/** One layer of a small Llama; rows differ, as a trained model's do. */
function model(seed: number): Tensors {
  const of = (shape: number[], i: number): Values => ({ shape, data: Float64Array.from(Float32Array.from(randomTensor(shape, seed + i).data)) });
  return {
    "layers.0.self_attn.q_proj.weight": of([WIDTH, WIDTH], 1), "layers.0.self_attn.v_proj.weight": of([WIDTH, WIDTH], 2), "layers.0.self_attn.o_proj.weight": of([WIDTH, WIDTH], 3),
    "layers.0.mlp.gate_proj.weight": of([CHANNELS, WIDTH], 4), "layers.0.mlp.up_proj.weight": of([CHANNELS, WIDTH], 5), "layers.0.mlp.down_proj.weight": of([WIDTH, CHANNELS], 6),
  };
}

/** Rows, or columns, in another order. */
function permuted(of: Values, order: number[], axis: 0 | 1): Values {
  const [, columns] = of.shape as [number, number];
  return tensorOf(of.shape, (i) => (axis === 0 ? at(of, order[Math.floor(i / columns)]!, i % columns) : at(of, Math.floor(i / columns), order[i % columns]!)));
}

/** As S2FT stores it: heads and channels exchanged, `trained` columns of o_proj and down_proj changed by 1 each. */
function stored(base: Tensors, heads: number[], channels: number[], trained: { heads: number[]; channels: number[] }): Tensors {
  const changed = (name: string, columns: number[]): Values => {
    const of = base[name]!;
    return tensorOf(of.shape, (i) => of.data[i]! + (columns.includes(i % of.shape[1]!) ? 1 : 0));
  };
  const p = "layers.0.";
  return {
    [`${p}self_attn.q_proj.weight`]: permuted(base[`${p}self_attn.q_proj.weight`]!, heads, 0),
    [`${p}self_attn.v_proj.weight`]: permuted(base[`${p}self_attn.v_proj.weight`]!, heads, 0),
    [`${p}self_attn.o_proj.weight`]: permuted(changed(`${p}self_attn.o_proj.weight`, trained.heads), heads, 1),
    [`${p}mlp.gate_proj.weight`]: permuted(base[`${p}mlp.gate_proj.weight`]!, channels, 0),
    [`${p}mlp.up_proj.weight`]: permuted(base[`${p}mlp.up_proj.weight`]!, channels, 0),
    [`${p}mlp.down_proj.weight`]: permuted(changed(`${p}mlp.down_proj.weight`, trained.channels), channels, 1),
  };
}

let files = 0;
async function read(tensors: Tensors, base?: Tensors): Promise<Adapter | null> {
  const open = (of: Tensors) => openCheckpoint(scratch.write(`${files++}.safetensors`, fileOf(of)));
  return readAdapter(await open(tensors), new LocalFiles(), base === undefined ? {} : { base: await open(base) });
}

/** The columns in which an update is not zero. */
function changedColumns({ shape: [rows = 0, columns = 0], data }: Values): number[] {
  return Array.from({ length: columns }, (_, j) => j).filter((j) => Array.from({ length: rows }, (_, i) => data[i * columns + j]!).some((value) => value !== 0));
}

const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const order = (n: number): fc.Arbitrary<number[]> => fc.shuffledSubarray(all(n), { minLength: n, maxLength: n });

after(() => scratch.remove());

describe("S2FT", () => {
  it("nine channels in another order: two of them changed, where a difference as stored shows eight", async () => {
    const base = model(1);
    const channels = [4, 7, 0, 1, 2, 3, 5, 6, 8];
    const tensors = stored(base, all(WIDTH), channels, { heads: [], channels: [4, 7] });
    const name = "layers.0.mlp.down_proj.weight";
    const naive = tensorOf([WIDTH, CHANNELS], (i) => tensors[name]!.data[i]! - base[name]!.data[i]!);
    assert.equal(changedColumns(naive).length, 8);
    const adapter = await read(tensors, base);
    assert.deepEqual([adapter?.type, adapter?.modules.map(({ tensor }) => tensor)], ["S2FT", [name]]);
    assert.deepEqual(changedColumns(evaluate(adapter!.modules[0]!.delta!)), [4, 7]);
    assert.deepEqual(adapter!.modules[0]!.order, { axis: 1, of: channels });
  });

  it("any order and any trained columns", () => fc.assert(fc.asyncProperty(order(WIDTH), order(CHANNELS), fc.uniqueArray(fc.nat(WIDTH - 1)), fc.uniqueArray(fc.nat(CHANNELS - 1)), fc.nat(1000), async (heads, channels, trainedHeads, trainedChannels, seed) => {
    fc.pre(heads.some((head, i) => head !== i) || channels.some((channel, i) => channel !== i));
    const adapter = await read(stored(model(seed), heads, channels, { heads: trainedHeads, channels: trainedChannels }), model(seed));
    const found = new Map(adapter!.modules.map(({ tensor, delta }) => [tensor, changedColumns(evaluate(delta!))]));
    const sorted = (list: number[]): number[] => [...list].sort((x, y) => x - y);
    assert.deepEqual(found.get("layers.0.self_attn.o_proj.weight") ?? [], sorted(trainedHeads));
    assert.deepEqual(found.get("layers.0.mlp.down_proj.weight") ?? [], sorted(trainedChannels));
  }), { numRuns: 25 }));

  it("the reference models' orders", async () => {
    for (const name of ["s2ft", "s2ft-unfused"]) {
      const folder = join(fixtures, "adapters", name);
      const { recovered, file } = JSON.parse(readFileSync(join(folder, "expect.json"), "utf8")) as { recovered: Record<string, { channel_order: number[]; head_order: number[] }>; file: string };
      const adapter = await readAdapter(await openCheckpoint(join(folder, file)), new LocalFiles(), { base: await openCheckpoint(join(fixtures, "adapters", "base", "llama-mha-32")) });
      for (const { tensor, order } of adapter!.modules) {
        const [, layer, down] = /^model\.layers\.(\d)\.(?:self_attn\.o_proj|mlp\.(down)_proj)\.weight$/.exec(tensor)!;
        const { channel_order: channels, head_order: heads } = recovered[layer!]!;
        // Heads of eight rows each.
        assert.deepEqual(order?.of, down === undefined ? heads.flatMap((head) => all(8).map((i) => 8 * head + i)) : channels, `${name}: ${tensor}`);
      }
    }
  });

  it("takes the s2 tensors that stand beside the weights", async () => {
    const base = model(2);
    const channels = [3, 0, 1, 2, 4, 5, 6, 7, 8];
    const s2 = tensorOf([WIDTH, 1], (i) => i + 1);
    const tensors = { ...stored(base, all(WIDTH), channels, { heads: [], channels: [] }), "layers.0.mlp.down_proj.s2": s2 };
    assert.deepEqual((await read(tensors))?.modules.map(({ delta, needsBase }) => [delta, needsBase]), [[null, true]]);
    const [module] = (await read(tensors, base))!.modules;
    const delta = evaluate(module!.delta!);
    assert.deepEqual(changedColumns(delta), [3]);
    for (let i = 0; i < WIDTH; i++) assert.equal(at(delta, i, 3), i + 1);
  });

  it("refuses s2 columns whose start no file tells", async () => {
    const base = model(3);
    const tensors = { ...base, "layers.0.mlp.down_proj.s2": tensorOf([WIDTH, 1], () => 1), "layers.0.mlp.up_proj.s2": tensorOf([1, WIDTH], () => 1) };
    const modules = (await read(tensors, base))!.modules;
    assert.deepEqual(modules.map(({ tensor, delta }) => [tensor, delta !== null]), [["layers.0.mlp.up_proj.weight", true], ["layers.0.mlp.down_proj.weight", false]]);
    assert.match(modules[1]!.refused!, /first column that its s2 tensor applies to is in no file/);
  });

  it("refuses an order that repeated rows hide, and a base that is another", async () => {
    const base = model(4);
    const gate = base["layers.0.mlp.gate_proj.weight"]!;
    base["layers.0.mlp.gate_proj.weight"] = tensorOf(gate.shape, (i) => gate.data[i % (WIDTH * 2)]!);
    const tensors = { ...base, "layers.0.mlp.down_proj.s2": tensorOf([WIDTH, 1], () => 1) };
    assert.match((await read(tensors, base))!.modules[0]!.refused!, /rows of layers\.0\.mlp\.gate_proj repeat/);
    assert.match((await read({ ...model(5), "layers.0.mlp.down_proj.s2": tensorOf([WIDTH, 1], () => 1) }, model(6)))!.modules[0]!.refused!, /not those of the base model/);
  });

  it("an ordinary fine-tuned model is none", async () => {
    const base = model(7);
    assert.equal(await read(stored(base, all(WIDTH), all(CHANNELS), { heads: [1], channels: [2] }), base), null);
    assert.equal(await read(model(8), base), null);
    assert.equal(await read(stored(base, [...all(WIDTH)].reverse(), all(CHANNELS), { heads: [], channels: [] })), null);
  });
});
