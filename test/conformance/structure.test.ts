/** What the changes of the reference pairs look like, against what was planted in them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../src/analysis/engine";
import { StructureFinder } from "../../src/analysis/structure/finder";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import type { AttentionHeads } from "../../src/protocol/compare";
import type { Structure } from "../../src/protocol/results";
import { EvaluatedEngine } from "../evaluated-engine";
import { fixtures, root } from "../files";

const folder = join(fixtures, "adapters", "compare");
const LLAMA_40: AttentionHeads = { size: 8, query: 5, keyValue: 5 };

function expectation<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as T;
}

/** Of every tensor of a model and its namesake in the other. */
async function structures(engine: Engine, a: string, b: string, heads: AttentionHeads | null = LLAMA_40): Promise<Map<string, Structure>> {
  const [first, second] = await Promise.all([openCheckpoint(join(folder, a)), openCheckpoint(join(folder, b))]);
  const pairs = first.tensors.map((tensor) => {
    const other = second.tensors.find(({ name }) => name === tensor.name)!;
    return { a: tensor.name, b: other.name, shape: tensor.shape, dtypeA: tensor.dtype, dtypeB: other.dtype, expressions: () => Promise.resolve({ a: tensor.expression!, b: other.expression! }) };
  });
  const finder = new StructureFinder({ engine, pairs, heads });
  return new Map(await Promise.all(pairs.map(async (pair, i) => [pair.a, await finder.of(i)] as const)));
}

function findsWhatWasPlanted(engine: () => Engine): void {
  for (const [name, base] of [["rank16-f32", "../base/llama-40"], ["rank16-bf16", "rank16-bf16/base"]] as const) {
    it(name, async () => {
      const { planted_rank: ranks } = expectation<{ planted_rank: Record<string, number> }>(name);
      for (const [tensor, { kind, rank, sentence }] of await structures(engine(), base, `${name}/tuned`)) {
        if ((ranks[tensor] ?? 0) === 0) assert.deepEqual([kind, sentence], ["none", "equal"], tensor);
        else assert.deepEqual([kind, rank, sentence], ["low-rank", ranks[tensor], `a rank-${ranks[tensor]} update`], tensor);
      }
    });
  }

  for (const heads of [LLAMA_40, null]) {
    it(`head-sparse${heads === null ? ", without a configuration" : ""}`, async () => {
      const { planted } = expectation<{ planted: Record<string, { o_proj_heads: number[]; v_proj_heads: number[]; down_proj_channels: number[] }> }>("head-sparse");
      const found = await structures(engine(), "../base/llama-40", "head-sparse/tuned", heads);
      for (const [layer, { o_proj_heads, v_proj_heads, down_proj_channels }] of Object.entries(planted)) {
        for (const [module, kind, axis, indices, units] of [["self_attn.o_proj", "heads", 1, o_proj_heads, 5], ["self_attn.v_proj", "heads", 0, v_proj_heads, 5], ["mlp.down_proj", "columns", 1, down_proj_channels, 64]] as const) {
          const structure = found.get(`model.layers.${layer}.${module}.weight`)!;
          if (indices.length === 0) assert.equal(structure.sentence, "equal");
          else assert.deepEqual([structure.kind, structure.axis, structure.indices, structure.size, structure.share], [kind, axis, indices, kind === "heads" ? 8 : undefined, indices.length / units], module);
        }
      }
      assert.equal([...found.values()].filter(({ sentence }) => sentence === "equal").length, 16);
    });
  }

  it("permuted-neurons", async () => {
    const { permutation } = expectation<{ permutation: Record<string, number[]> }>("permuted-neurons");
    const found = await structures(engine(), "../base/llama-40", "permuted-neurons/permuted");
    for (const [layer, order] of Object.entries(permutation)) {
      for (const [module, axis] of [["gate_proj", 0], ["up_proj", 0], ["down_proj", 1]] as const) {
        const structure = found.get(`model.layers.${layer}.mlp.${module}.weight`)!;
        assert.deepEqual([structure.kind, structure.axis, structure.permutation], ["permuted", axis, order]);
        assert.match(structure.sentence, /^6\d hidden units of 64 in another place, values as in A$/);
      }
    }
    assert.equal([...found.values()].filter(({ sentence }) => sentence === "equal").length, 15);
  });

  it("shallow-restored", async () => {
    const { planted } = expectation<{ planted: Record<string, { restored_share: number }> }>("shallow-restored");
    for (const [tensor, { kind, unchangedShare, sentence }] of await structures(engine(), "../base/llama-40", "shallow-restored/tuned")) {
      const share = planted[tensor]?.restored_share;
      assert.equal(kind, "none");
      if (share === undefined) assert.equal(sentence, "equal", tensor);
      else {
        assert.ok(Math.abs(unchangedShare! - share) < 1e-8, `${tensor}: ${unchangedShare}`);
        assert.match(sentence, /^a dense change of full rank; 2\d\.\d % of the elements are exactly A's though their neighbours changed/);
      }
    }
  });

  it("three-elements", async () => {
    const { elements } = expectation<{ elements: { tensor: string }[] }>("three-elements");
    for (const [tensor, { kind, share, sentence }] of await structures(engine(), "../base/llama-40", "three-elements/b")) {
      assert.equal(kind, "none", tensor);
      if (elements.some((element) => element.tensor === tensor)) assert.match(sentence, /^1 element of [\d,]+ changed, in no pattern$/, `${tensor} ${share}`);
      else assert.equal(sentence, "equal", tensor);
    }
  });
}

describe("structure conformance", () => {
  describe("by the independent evaluator", () => findsWhatWasPlanted(() => new EvaluatedEngine()));

  describe("by the engine", () => {
    let client: EngineClient;
    before(async () => { client = await EngineClient.start(bundledEngine(join(root, "dist"))); });
    after(() => client.dispose());
    findsWhatWasPlanted(() => client);
  });
});
