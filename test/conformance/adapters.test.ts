/** What the libraries that own them compute from the reference adapters, we read from the same files. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Adapter, AdapterModule } from "../../src/checkpoint/adapters/adapter";
import { readAdapter } from "../../src/checkpoint/adapters/read-adapter";
import type { Checkpoint } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { bundledEngine } from "../../src/engine/locate";
import { EngineClient } from "../../src/engine/client";
import { toNumber } from "../../src/protocol/results";
import { evaluate } from "../expressions";
import { fixtures, root } from "../files";

interface ExpectedModule {
  module: string;
  tensor: string;
  type: string;
  rank: number | null;
  scale: number;
  shape: number[];
  stored?: string;
}
interface Expected {
  base: string | Record<string, string>;
  type: string;
  file?: string;
  recoverable?: "files" | "base" | "prng" | "library";
  mergeable?: false;
  why?: string;
  base_names?: string;
  modules?: ExpectedModule[];
  tasks?: Record<string, ExpectedModule[]>;
}

const folder = join(fixtures, "adapters");
const json = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const { cases } = json(join(folder, "index.json")) as { cases: { case: string }[] };

/** One expected adapter: its folder, its file, what it holds. */
interface Case {
  name: string;
  path: string;
  expected: Expected;
  delta: string;
}
const all: Case[] = cases.map((entry) => entry.case).flatMap((name) =>
  readdirSync(join(folder, name)).filter((file) => /^expect.*\.json$/.test(file)).map((file) => {
    const expected = json(join(folder, name, file)) as Expected;
    const own = /^expect-(.+)\.json$/.exec(file)?.[1];
    const path = join(folder, name, ...(own === undefined ? [] : [own]), ...(expected.file === undefined ? [] : [expected.file]));
    return { name: own === undefined ? name : `${name} (${own})`, path, expected, delta: join(folder, name, own === undefined ? "delta.safetensors" : `delta-${own}.safetensors`) };
  }),
);

const sources = new LocalFiles();
const opened = new Map<string, Promise<Checkpoint>>();
function baseOf({ base }: Expected): Promise<Checkpoint[]> {
  const names = typeof base === "string" ? [base] : Object.values(base);
  return Promise.all(names.map((name) => {
    const path = join(folder, "base", name);
    if (!opened.has(path)) opened.set(path, openCheckpoint(path));
    return opened.get(path)!;
  }));
}

/** Random numbers that no file lets one draw again: bfloat16 of one version of torch, NumPy's generator over the model's order. */
const NOT_REPRODUCED = new Set(["randlora-no-projection", "unilora-no-indices"]);

/** Types whose factors leave the shape of the weight open. */
const SHAPED_BY_BASE = new Set(["BONE", "MISS", "VERA", "PVERA", "RANDLORA", "SHIRA", "SUPERTUNING"]);

describe("adapter conformance", () => {
  it("finds the reference adapters", () => assert.ok(all.length >= 100, String(all.length)));

  for (const { name, path, expected, delta } of all) {
    it(name, async () => {
      const checkpoint = await openCheckpoint(path);
      const alone = await readAdapter(checkpoint, sources);
      const adapter = await readAdapter(checkpoint, sources, { base: await baseOf(expected) });
      assert.ok(adapter !== null);
      if (expected.mergeable === false) return refusesAll(alone, adapter, expected);
      if (NOT_REPRODUCED.has(name)) {
        for (const reason of adapter.notMergeable === undefined ? adapter.modules.map(({ refused }) => refused) : [adapter.notMergeable]) assert.match(reason ?? "", /not stored|in no file/);
        return;
      }
      assert.equal(adapter.notMergeable, undefined);
      const perExpert = expected.base_names === undefined ? undefined : join(path, expected.base_names);
      const modules = new Map(adapter.modules.map((module) => [module.tensor, module]));
      if (expected.recoverable === "library") {
        for (const { tensor } of expected.modules!) assert.match(modules.get(tensor)?.refused ?? "", /./, tensor);
        return;
      }
      if (perExpert === undefined) compareModules(adapter, expected);
      const deltas = await openCheckpoint(perExpert ?? delta);
      const pruned = adapter.modules.filter(({ type, rank }) => type === "ADALORA" && rank === 0);
      const changed = adapter.modules.filter((module) => !pruned.includes(module)).map(({ tensor }) => tensor);
      assert.deepEqual(changed.sort(), deltas.tensors.map((tensor) => tensor.name).sort());
      for (const module of pruned) assert.ok(evaluate(module.delta!).data.every((value) => value === 0), module.tensor);
      for (const tensor of deltas.tensors) compareDelta(modules.get(tensor.name)!, tensor.expression!, expected, checkpoint);
      for (const task of Object.keys(expected.tasks ?? {}).map(Number)) await compareTask(checkpoint, expected, task, delta);
      if (alone !== null && expected.recoverable === "files") for (const module of alone.modules) assert.ok(module.delta !== null || (module.needsBase === true && SHAPED_BY_BASE.has(module.type)), `${module.tensor} without a base`);
      if (alone !== null && expected.recoverable === "base") for (const module of alone.modules) assert.ok(module.delta !== null || module.needsBase === true, module.tensor);
    });
  }
});

describe("adapter conformance of the engine", () => {
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());

  for (const { name, path, expected } of all) {
    if (expected.mergeable === false) continue;
    it(name, async () => {
      const adapter = await readAdapter(await openCheckpoint(path), sources, { base: await baseOf(expected) });
      for (const { tensor, delta } of adapter!.modules) {
        if (delta === null) continue;
        const { shape, data } = evaluate(delta);
        const rows = shape[0] ?? 1;
        const window = { rowStart: 0, rowStop: rows, columnStart: 0, columnStop: data.length / rows };
        const found = (await engine.request("values", { tensor: delta, window })).rows.flat().map(toNumber);
        assert.equal(found.length, data.length, tensor);
        const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (const [i, value] of data.entries()) assert.ok(Math.abs(found[i]! - value) <= 1e-9 * largest, `${tensor}[${i}] is ${found[i]}, not ${value}`);
      }
    });
  }
});

function refusesAll(alone: Adapter | null, adapter: Adapter, { type }: Expected): void {
  for (const each of [alone, adapter]) {
    assert.equal(each?.type, type);
    assert.match(each.notMergeable ?? "", /./);
    assert.deepEqual(each.modules, []);
  }
}

async function compareTask(checkpoint: Checkpoint, expected: Expected, task: number, delta: string): Promise<void> {
  const adapter = await readAdapter(checkpoint, sources, { base: await baseOf(expected), task });
  assert.equal(adapter?.modules[0]?.tasks, Object.keys(expected.tasks!).length);
  const wanted = await openCheckpoint(task === 0 ? delta : delta.replace(/(?=\.safetensors$)/, `-task${task}`));
  const modules = new Map(adapter.modules.map((module) => [module.tensor, module]));
  for (const { name, expression } of wanted.tensors) compareDelta(modules.get(name)!, expression!, expected, checkpoint);
}

/** A DyLoRA file is a LoRA file: only two-dimensional `lora_up` of convolutions tell it apart. */
const sameType = (found: string, wanted: string): boolean => found === wanted || (wanted === "DyLora" && found === "LoCon");

function compareModules(adapter: Adapter, expected: Expected): void {
  const found = new Map(adapter.modules.map((module) => [module.tensor, module]));
  assert.equal(found.size, adapter.modules.length, "each tensor once");
  for (const wanted of expected.modules!) {
    const module = found.get(wanted.tensor);
    assert.ok(module !== undefined, `${wanted.tensor} is missing`);
    const shape = wanted.stored === "in_out" ? [...wanted.shape].reverse() : wanted.shape;
    const { rank, stored } = module;
    assert.deepEqual({ module: module.module, rank, shape: module.shape }, { module: wanted.module, rank: wanted.rank, shape }, wanted.tensor);
    assert.ok(sameType(module.type, wanted.type), `${wanted.tensor} is ${module.type}, not ${wanted.type}`);
    if (wanted.stored !== undefined) assert.equal(stored, wanted.stored, wanted.tensor);
    assert.ok(Math.abs((module.scale ?? 1) - wanted.scale) <= 1e-8 * Math.abs(wanted.scale), `scale ${module.scale} of ${wanted.tensor}, not ${wanted.scale}`);
  }
}

function compareDelta(module: AdapterModule, reference: Parameters<typeof evaluate>[0], expected: Expected, checkpoint: Checkpoint): void {
  assert.equal(module.refused, undefined, `${module.tensor}: ${module.refused}`);
  assert.ok(module.delta !== null, `${module.tensor} has no update`);
  const found = evaluate(module.delta);
  const wanted = evaluate(reference);
  assert.deepEqual(found.shape, wanted.shape, module.tensor);
  let [difference, total] = [0, 0];
  for (const [i, value] of wanted.data.entries()) {
    difference += (found.data[i]! - value) ** 2;
    total += value ** 2;
  }
  const narrow = module.factors.some((index) => /^(?:BF16|F16)$/.test(checkpoint.tensors[index]?.dtype ?? ""));
  const bound = narrow ? 1e-2 : 1e-5;
  const relative = Math.sqrt(difference / total);
  assert.ok(relative <= bound, `${module.tensor} differs by ${relative} (${expected.recoverable})`);
}
