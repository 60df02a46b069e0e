/** Rank usage against what the libraries that own the adapters compute: spectra, energy ranks, stable and effective ranks. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rankUsage } from "../../src/analysis/rank-usage";
import type { Engine } from "../../src/analysis/engine";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import type { RankModule } from "../../src/protocol/rank";
import { toNumber } from "../../src/protocol/results";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import { EvaluatedEngine } from "../evaluated-engine";
import { fixtures, root } from "../files";

interface Numbers {
  delta_norm: number;
  singular_values?: number[];
  energy_rank?: Record<"0.9" | "0.95" | "0.99", number>;
  stable_rank?: number;
  effective_rank?: number;
  matrix_rank?: number;
}
interface ExpectedModule extends Numbers {
  module: string;
  tensor: string;
  rank: number | null;
  relative: number;
  experts?: (Numbers & { expert: number })[];
}
interface Expected {
  base: string | Record<string, string>;
  file?: string;
  recoverable?: string;
  mergeable?: false;
  /** The base stores each expert's matrices by themselves; the adapter, and the numbers here, have them stacked. */
  base_names?: string;
  drift_AAT_minus_I?: Record<string, number>;
  modules?: ExpectedModule[];
}

const folder = join(fixtures, "adapters");
const { cases } = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { cases: { case: string }[] };
const sources = new LocalFiles();
/** Values that the file does not hold, or a tensor of the base under other names. */
const UNKNOWN = new Set(["randlora-no-projection", "unilora-no-indices", "lora-moe-per-expert"]);

/** Runs the comparison of every reference adapter on an engine. */
function comparesRanks(engine: () => Engine): void {
  for (const name of cases.map((entry) => entry.case)) {
    for (const file of readdirSync(join(folder, name)).filter((each) => /^expect.*\.json$/.test(each))) {
      const expected = JSON.parse(readFileSync(join(folder, name, file), "utf8")) as Expected;
      if (UNKNOWN.has(name) || expected.recoverable === "library") continue;
      const own = /^expect-(.+)\.json$/.exec(file)?.[1];
      it(own === undefined ? name : `${name} (${own})`, async () => {
        const checkpoint = await openCheckpoint(join(folder, name, own ?? "", expected.file ?? ""));
        const names = typeof expected.base === "string" ? [expected.base] : Object.values(expected.base);
        const bases = await Promise.all((expected.base_names === undefined ? names : []).map((base) => openCheckpoint(join(folder, "base", base))));
        const asked = rankUsage({ checkpoint, bases, sources, engine: engine(), target: { energy: 0.99 } });
        if (expected.mergeable === false) return assert.rejects(asked, /no weight update/);
        compare(await asked, expected);
      });
    }
  }
}

function compare({ modules, findings }: { modules: RankModule[]; findings: { rule: string; tensor?: string }[] }, expected: Expected): void {
  for (const wanted of expected.modules!) {
    const found = modules.filter(({ tensor }) => tensor === wanted.tensor);
    if (wanted.experts !== undefined) {
      assert.deepEqual(found.map(({ expert }) => expert), wanted.experts.map(({ expert }) => expert));
      wanted.experts.forEach((expert, i) => compareNumbers(found[i]!, expert));
    } else if (wanted.singular_values === undefined || wanted.rank === 0) {
      // A vector, or a module pruned to nothing, is said to have no spectrum.
      if (found.length === 0) assert.ok(findings.some(({ rule, tensor }) => rule === "not-analysed" && tensor === wanted.tensor), wanted.tensor);
    } else {
      assert.equal(found.length, 1, wanted.tensor);
      compareNumbers(found[0]!, wanted);
      assert.equal(found[0]!.rank, wanted.rank);
      if (found[0]!.relativeNorm !== undefined) near(found[0]!.relativeNorm, wanted.relative, 1e-5);
      else assert.ok(expected.base_names !== undefined, wanted.tensor);
      if (wanted.rank !== null && wanted.matrix_rank !== undefined) assert.equal(found[0]!.unused, Math.max(0, wanted.rank - wanted.matrix_rank), wanted.tensor);
    }
  }
  for (const [module, drift] of Object.entries(expected.drift_AAT_minus_I ?? {})) near(modules.find((each) => each.module === module)!.orthogonalityDrift!, drift, 1e-5);
}

function compareNumbers({ tensor, deltaNorm, spectrum, suggestedRank }: RankModule, wanted: Numbers): void {
  near(deltaNorm, wanted.delta_norm, 1e-5, tensor);
  const values = wanted.singular_values!;
  for (const [i, value] of values.entries()) assert.ok(Math.abs((spectrum.singularValues[i] ?? 0) - value) <= 1e-5 * values[0]!, `${tensor}: σ${i + 1} = ${spectrum.singularValues[i]}, not ${value}`);
  assert.deepEqual(spectrum.energyRank, wanted.energy_rank, tensor);
  assert.equal(suggestedRank, wanted.energy_rank!["0.99"]);
  near(toNumber(spectrum.stableRank), wanted.stable_rank!, 1e-5, tensor);
  // KaSA takes the smallest singular components from the base, which its library finds in f32: the entropy sees them most.
  near(toNumber(spectrum.effectiveRank), wanted.effective_rank!, 2e-5, tensor);
}

function near(found: number, wanted: number, tolerance: number, what = ""): void {
  assert.ok(Math.abs(found - wanted) <= tolerance * Math.abs(wanted), `${what}: ${found}, not ${wanted}`);
}

describe("rank usage conformance", () => {
  describe("by the independent evaluator", () => comparesRanks(() => new EvaluatedEngine()));

  describe("by the engine", () => {
    let client: EngineClient;
    before(async () => { client = await EngineClient.start(bundledEngine(join(root, "dist"))); });
    after(() => client.dispose());
    comparesRanks(() => client);
  });
});
