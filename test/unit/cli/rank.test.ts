/** `rank`: what it prints, what it suggests, and what it refuses. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { RankUsage } from "../../../src/protocol/rank";
import { fixtures } from "../../files";
import { json, weightLoupe } from "./command-line";

const ADAPTERS = join(fixtures, "adapters");
const UNDER_USED = join(ADAPTERS, "lora-under-used");
const BASE = join(ADAPTERS, "base", "llama-32");

describe("rank", () => {
  it("counts what is used of what is allocated, and keeps each module's scale", async () => {
    const { path, type, base, modules, suggestion, findings } = await json<RankUsage>(["rank", UNDER_USED, "--base", BASE]);
    assert.deepEqual([path, type, base], [UNDER_USED, "LORA", BASE]);
    // Planted: 3 of 12 directions in layer 0, 5 in layer 1, of which 4 hold .99.
    assert.deepEqual(modules.map(({ rank, scale, unused, suggestedRank }) => [rank, scale, unused, suggestedRank]), [[12, 1, 9, 3], [12, 1, 9, 3], [12, 1, 7, 4], [12, 1, 7, 4]]);
    assert.deepEqual(suggestion.rank_pattern, { "model.layers.0.self_attn.o_proj": 3, "model.layers.0.mlp.down_proj": 3, "model.layers.1.self_attn.o_proj": 4, "model.layers.1.mlp.down_proj": 4 });
    assert.deepEqual(suggestion.alpha_pattern, suggestion.rank_pattern);
    // Two matrices of 32 + 32 and two of 32 + 56 rows and columns.
    assert.deepEqual([suggestion.parametersNow, suggestion.parametersThen], [12 * 2 * (64 + 88), (3 + 4) * (64 + 88)]);
    assert.deepEqual(findings.map(({ rule }) => rule), ["unused-rank"]);
    for (const { spectrum, deltaNorm, perRankNorms } of modules) {
      assert.ok(Math.abs(Math.hypot(...spectrum.singularValues) - deltaNorm) < 1e-9 * deltaNorm);
      assert.equal(perRankNorms?.length, 12);
    }
  });

  it("takes another energy, and shares a budget", async () => {
    const most = await json<RankUsage>(["rank", UNDER_USED, "--energy", ".9"]);
    assert.deepEqual(most.modules.map(({ suggestedRank }) => suggestedRank), most.modules.map(({ spectrum }) => spectrum.energyRank["0.9"]));
    const shared = await json<RankUsage>(["rank", UNDER_USED, "--budget", "8"]);
    assert.equal(Object.values(shared.suggestion.rank_pattern).reduce((sum, rank) => sum + rank, 0), 8);
    assert.ok(shared.findings.some(({ rule }) => rule === "weight-only-allocation"));
    const short = await json<RankUsage>(["rank", UNDER_USED, "--budget", "1000"]);
    assert.equal(Object.values(short.suggestion.rank_pattern).reduce((sum, rank) => sum + rank, 0), 16);
    assert.ok(short.findings.some(({ rule }) => rule === "budget-not-spent"));
  });

  it("compares a whole model with its base", async () => {
    const { type, modules } = await json<RankUsage>(["rank", BASE, "--base", BASE]);
    assert.equal(type, "FULL");
    assert.ok(modules.length > 4 && modules.every(({ rank, deltaNorm, suggestedRank }) => rank === null && deltaNorm === 0 && suggestedRank === 0));
  });

  it("prints a table for people", async () => {
    const { stdout, stderr, status } = await weightLoupe(["rank", UNDER_USED]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /LORA · base base\/llama-32 · 4 matrices\n/);
    assert.match(stdout, /\n {2}model\.layers\.0\.self_attn\.o_proj +32 × 32 +12 +2 +3 +3 +9 +3 /);
  });

  it("refuses what has no ranks, and says why", async () => {
    for (const [args, line] of [
      [[], /: rank needs an ADAPTER: its file or folder$/],
      [[UNDER_USED, "--energy", "1.5"], /: --energy 1\.5 is no share: a number above 0, up to 1$/],
      [[UNDER_USED, "--budget", "2.5"], /: --budget 2\.5 is no number of ranks$/],
      [[UNDER_USED, "--budget", "4", "--energy", ".5"], /two ways to choose ranks; give one$/],
      [[BASE], /: this is not an adapter; name the base model to compare it with$/],
      [[join(ADAPTERS, "refuse-prompt-tuning")], /: adapters of the type PROMPT_TUNING have no weight update: .+$/],
    ] as const) {
      const { status, stderr, stdout } = await weightLoupe(["rank", ...args]);
      assert.deepEqual([status, stdout], [2, ""]);
      assert.match(stderr.trimEnd(), line);
    }
  });

  it("lists the updates that need the base, rather than leave them out", async () => {
    const { modules, findings } = await json<RankUsage>(["rank", join(ADAPTERS, "lora-dora")]);
    assert.deepEqual(modules, []);
    assert.ok(findings.length > 0 && findings.every(({ rule, message }) => rule === "not-analysed" && message.includes("name the base model")));
  });
});
