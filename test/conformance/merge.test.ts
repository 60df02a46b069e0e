/** Merges of tiny models agree with what mergekit wrote, by the conformance set's own rules; recipes with a mistake are refused before anything is written. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArguments } from "../../src/cli/arguments";
import { MERGE_OPTIONS, mergeSettings } from "../../src/cli/merge-options";
import { planRecipe, type PlannedMerge } from "../../src/cli/merge-plan";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import { writeMerge } from "../../src/merge/output/write-merge";
import { readRecipe } from "../../src/merge/recipe/read";
import { fixtures, root as repository, Scratch } from "../files";
import { checkOutput, expectationOf } from "./merging/check";

const root = join(fixtures, "merge");
const cases = readdirSync(join(root, "cases")).sort();

describe("merges of the conformance set", () => {
  let engine: EngineClient;
  let scratch: Scratch;
  const working = process.cwd();
  before(async () => {
    engine = await EngineClient.start(bundledEngine(join(repository, "dist")));
    // Where the recipes' paths start.
    process.chdir(root);
  });
  after(async () => {
    process.chdir(working);
    await engine.dispose();
  });
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  const planned = async (name: string, out: string): Promise<PlannedMerge[]> => {
    const { options = [] } = expectationOf(join(root, "cases", name));
    const settings = mergeSettings(parseArguments(["-o", out, ...options], MERGE_OPTIONS));
    const path = join(root, "cases", name, "recipe.yml");
    return planRecipe(readRecipe(readFileSync(path, "utf8"), path), settings, { engine });
  };

  it("are 105, and 40 refusals", () => {
    const refusals = cases.filter((name) => name.startsWith("err-")).length;
    assert.deepEqual([cases.length - refusals, refusals], [105, 40]);
  });

  for (const name of cases.filter((name) => !name.startsWith("err-"))) {
    it(name, async () => {
      const out = join(scratch.folder, "out");
      for (const { plan, report, layout } of await planned(name, out)) {
        assert.deepEqual(report.problems.filter(({ severity }) => severity === "error"), []);
        if (plan !== null && layout !== null) await writeMerge({ ...layout, plan, engine, engineVersion: engine.info.version, resume: false });
      }
      assert.deepEqual(checkOutput(out, join(root, "cases", name), root), []);
    });
  }

  for (const name of cases.filter((name) => name.startsWith("err-"))) {
    it(`${name} is refused`, async () => {
      const out = join(scratch.folder, "out");
      const errors = (await planned(name, out)).flatMap(({ report }) => (report.ok ? [] : report.problems.filter(({ severity }) => severity === "error")));
      assert.ok(errors.length > 0);
      const lines = readFileSync(join(root, "cases", name, "recipe.yml"), "utf8").split("\n").length;
      for (const { line, column, message } of errors) assert.ok(line >= 1 && line <= lines && column >= 1 && message.length > 20, `${line}:${column}: ${message}`);
      assert.ok(!existsSync(out));
    });
  }
});
