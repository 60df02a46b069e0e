/** An open checkpoint with the real engine, on real files. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ResultCache } from "../../../src/analysis/cache";
import { Inspection, type InspectionEvents, type InspectionOptions } from "../../../src/analysis/inspection";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import type { Params, RequestOptions } from "../../../src/engine/client";
import type { EngineMethod, EngineRequests } from "../../../src/engine/protocol";
import type { Snapshot } from "../../../src/protocol/inspect";
import { decodeTable } from "../../../src/protocol/tensor-table";
import { headerOf, root, safetensorsBytes, Scratch } from "../../files";
import { CountedEngine } from "./engine";

const example = (name: string): string => join(root, "examples", name);
const LLAMA = example("tiny-llama/checkpoint-1200/model.safetensors");
const EARLIER = example("tiny-llama/checkpoint-100/model.safetensors");
const DIVERGED = example("diverged/checkpoint-450/model.safetensors");

type Ready = Extract<Snapshot, { status: "ready" }>;

function ready(snapshot: Snapshot): Ready {
  assert.ok(snapshot.status === "ready", JSON.stringify(snapshot).slice(0, 300));
  return snapshot;
}

async function until(condition: () => boolean, ms = 20_000): Promise<void> {
  for (const end = performance.now() + ms; !condition(); ) {
    assert.ok(performance.now() < end, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("inspection", () => {
  let scratch: Scratch;
  const engine = new CountedEngine();
  const opened: Inspection[] = [];
  const open = (path: string, options: Partial<InspectionOptions> = {}): Inspection => {
    const inspection = new Inspection({ path, open: openCheckpoint, engine, ...options });
    opened.push(inspection);
    return inspection;
  };
  const cache = (): ResultCache => new ResultCache({ folder: join(scratch.folder, "cache"), engine: "tested" });
  /** All events of one kind, as they come. */
  const events = <K extends keyof InspectionEvents>(inspection: Inspection, kind: K): Parameters<InspectionEvents[K]>[0][] => {
    const seen: Parameters<InspectionEvents[K]>[0][] = [];
    inspection.on({ [kind]: (event: Parameters<InspectionEvents[K]>[0]) => seen.push(event) });
    return seen;
  };

  beforeEach(() => {
    scratch = new Scratch();
    engine.forget();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((inspection) => inspection.dispose()));
    scratch.remove();
  });
  after(() => engine.dispose());

  it("answers with all that a view needs, without the engine", async () => {
    const { overview, table, results, revision } = ready(await open(LLAMA).snapshot());
    assert.deepEqual([overview.name, overview.parameters, overview.layers, overview.trusted], ["model.safetensors", 16_248, 2, true]);
    assert.equal(decodeTable(table)[0]!.name, "model.embed_tokens.weight");
    assert.deepEqual([results, revision], [[], 1]);
    assert.deepEqual(engine.asked, []);
  });

  it("says in one sentence why a file cannot be opened", async () => {
    const path = scratch.write("bad.safetensors", "not a checkpoint at all");
    const snapshot = await open(path).snapshot();
    assert.equal(snapshot.status, "failed");
    assert.ok(snapshot.status === "failed" && snapshot.error.file === path && snapshot.error.message.length > 20);
    await assert.rejects(open(path).statistics(0), { name: "CheckpointError" });
  });

  it("asks the engine once for those who ask at the same time", async () => {
    const inspection = open(LLAMA);
    const [one, two] = await Promise.all([inspection.statistics(0), inspection.statistics(0)]);
    assert.equal(one.value, two.value);
    assert.deepEqual(engine.asked, ["statistics"]);
    assert.equal(inspection.known(0)?.statistics, one.value);
  });

  it("refuses what does not exist and what cannot be decoded", async () => {
    await assert.rejects(open(LLAMA).statistics(99), /There is no tensor 99/);
    const path = scratch.write("odd.safetensors", safetensorsBytes(headerOf({ odd: { dtype: "Q7", shape: [2], bytes: 3 } }), 3));
    await assert.rejects(open(path).statistics(0), { name: "CheckpointError", code: "unsupported", file: path });
  });

  it("knows on reopening what was computed before, and tells it at once", async () => {
    const first = open(LLAMA, { cache: cache() });
    const { value } = await first.statistics(3);
    await first.dispose();
    engine.forget();

    const again = open(LLAMA, { cache: cache() });
    const told = events(again, "results");
    await again.snapshot();
    await until(() => told.length > 0);
    assert.deepEqual(told[0]!.results.map(({ tensor, fromCache, statistics }) => [tensor, fromCache, statistics]), [[3, true, value]]);
    const answer = await again.statistics(3);
    assert.deepEqual([answer.fromCache, answer.value], [true, value]);
    assert.deepEqual(engine.asked, []);
    assert.deepEqual(ready(await again.snapshot()).results.map(({ tensor }) => tensor), [3]);
  });

  it("does not believe the cache when the file is another", async () => {
    const path = join(scratch.folder, "model.safetensors");
    copyFileSync(LLAMA, path);
    const first = open(path, { cache: cache() });
    const before = await first.statistics(0);
    await first.dispose();
    copyFileSync(EARLIER, path);
    const after = await open(path, { cache: cache() }).statistics(0);
    assert.equal(after.fromCache, false);
    assert.notDeepEqual(after.value, before.value);
  });

  it("keeps nothing that was computed while the file changed", async () => {
    const path = join(scratch.folder, "model.safetensors");
    copyFileSync(LLAMA, path);
    const touching = new (class extends CountedEngine {
      override request<M extends EngineMethod>(method: M, params: Params<M>, options?: RequestOptions): Promise<EngineRequests[M]["result"]> {
        const now = new Date();
        utimesSync(path, now, now);
        return super.request(method, params, options);
      }
    })();
    const inspection = open(path, { cache: cache(), engine: touching });
    await inspection.statistics(0);
    assert.equal((await inspection.statistics(0)).fromCache, false);
    await touching.dispose();
  });

  it("analyses a whole model: results, findings and progress as they come", async () => {
    const inspection = open(LLAMA);
    const [results, findings, progress] = [events(inspection, "results"), events(inspection, "findings"), events(inspection, "progress")];
    const outcome = await inspection.analyse({ parts: ["statistics", "norms", "spectrum"] });
    assert.deepEqual(outcome, { done: 20 + 15 + 15, failed: [], cancelled: false });
    assert.deepEqual([...new Set(results.flatMap((event) => event.results.map(({ tensor }) => tensor)))].sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i));
    assert.ok(engine.most > 1 && engine.most <= 16, `${engine.most} requests at a time`);
    assert.deepEqual(progress.at(-1), { ...progress.at(-1)!, running: false, done: 50, total: 50, failed: [] });
    assert.deepEqual(findings.at(-1)?.findings, []);
  });

  it("finds what is wrong with a diverged model, worst first", async () => {
    const inspection = open(DIVERGED);
    const outcome = await inspection.analyse({ parts: ["statistics", "norms", "spectrum"] });
    const findings = inspection.findings();
    assert.equal(findings.filter(({ rule, severity }) => rule === "nan" && severity === "error").length, 20);
    assert.equal(findings[0]!.severity, "error");
    // A spectrum of NaN is not defined: said for each tensor, not passed over.
    assert.ok(outcome.failed.every(({ part }) => part === "spectrum"));
    assert.equal(findings.filter(({ rule }) => rule === "not-analysed").length, outcome.failed.length);
    assert.ok(outcome.failed.length === 15);
  });

  it("stops an analysis", async () => {
    const bytes = 64 * 2 ** 20;
    const tensors = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`t${i}`, { dtype: "F32", shape: [bytes / 4], bytes }]));
    const path = scratch.write("large.safetensors", safetensorsBytes(headerOf(tensors)));
    truncateSync(path, statSync(path).size + 40 * bytes);
    const inspection = open(path);
    const run = inspection.analyse({ parts: ["statistics"] });
    const waiting = inspection.analyse({ parts: ["statistics"] });
    await until(() => engine.underWay > 0);
    inspection.stopAnalysis();
    const outcome = await run;
    assert.ok(outcome.cancelled && outcome.done < 40 && outcome.failed.length === 0);
    assert.equal((await waiting).cancelled, true);
    // Stopping is not for ever.
    assert.equal((await inspection.analyse({ parts: ["statistics"], tensors: [0] })).done, 1);
  });

  it("finds duplicates by content, on request, in trusted workspaces", async () => {
    const [a, b] = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)];
    const vectors = { a, copy: a, b, wide: Buffer.concat([a, a]), again: a };
    const header = headerOf(Object.fromEntries(Object.entries(vectors).map(([name, data]) => [name, { dtype: "F16", shape: [data.length / 2], bytes: data.length }])));
    const path = scratch.write("equal.safetensors", Buffer.concat([safetensorsBytes(header), ...Object.values(vectors)]));
    const inspection = open(path);
    assert.deepEqual(await inspection.duplicates(), [[0, 1, 4]]);
    assert.equal(engine.asked.filter((method) => method === "hash").length, 4);
    assert.deepEqual(inspection.findings().filter(({ rule }) => rule === "duplicate-tensors").map(({ tensor }) => tensor), ["a"]);
    await assert.rejects(open(path, { trusted: () => false }).duplicates(), /Restricted Mode/);
  });

  it("reads again when asked, and keeps the old structure when that fails", async () => {
    const path = join(scratch.folder, "model.safetensors");
    copyFileSync(LLAMA, path);
    const inspection = open(path);
    const changed = events(inspection, "changed");
    await inspection.statistics(0);
    writeFileSync(path, readFileSync(LLAMA).subarray(0, 5000));
    await inspection.reload();
    let snapshot = ready(changed.at(-1)!);
    assert.equal(snapshot.table.length, 20);
    assert.deepEqual(snapshot.overview.findings.map(({ rule, severity }) => [rule, severity]), [["stale", "error"]]);
    assert.match(snapshot.overview.findings[0]!.message, /cannot be read now, so this is what it held before: the file/);
    copyFileSync(EARLIER, path);
    await inspection.reload();
    snapshot = ready(changed.at(-1)!);
    assert.deepEqual(snapshot.overview.findings, []);
    assert.deepEqual(snapshot.results, []);
    assert.ok(snapshot.revision > 1);
  });

  it("keeps on reloading what is known of shards that did not change", async () => {
    const folder = join(scratch.folder, "model");
    mkdirSync(folder);
    for (const name of ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]) copyFileSync(join(example("tiny-llama-sharded"), name), join(folder, name));
    const inspection = open(join(folder, "model.safetensors.index.json"));
    await inspection.analyse({ parts: ["statistics"] });
    const { tensors, files } = await inspection.checkpoint();
    const now = new Date();
    utimesSync(files[1]!.path, now, now);
    await inspection.reload();
    const { results } = ready(await inspection.snapshot());
    assert.deepEqual(results.map(({ tensor }) => tensor), tensors.flatMap(({ file }, i) => (file === 0 ? [i] : [])));
  });

  it("follows the file: overwritten in place, replaced, half-written, gone and back", async () => {
    const path = join(scratch.folder, "model.safetensors");
    copyFileSync(LLAMA, path);
    const inspection = open(path, { patienceMs: 1500 });
    const changed = events(inspection, "changed");
    await inspection.snapshot();
    inspection.watch();
    await inspection.statistics(0);
    await new Promise((resolve) => setTimeout(resolve, 200));

    copyFileSync(EARLIER, path);
    await until(() => changed.length === 1);
    assert.deepEqual(ready(changed[0]!).results, []);

    copyFileSync(LLAMA, `${path}.tmp`);
    renameSync(`${path}.tmp`, path);
    await until(() => changed.length === 2);

    // Half of it, then the rest before patience ends: one change, never a broken state.
    const whole = readFileSync(EARLIER);
    writeFileSync(path, whole.subarray(0, whole.length / 2));
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(changed.length, 2);
    writeFileSync(path, whole);
    await until(() => changed.length === 3);
    assert.deepEqual(ready(changed[2]!).overview.findings, []);

    rmSync(path);
    await until(() => changed.length === 4);
    assert.deepEqual(ready(changed[3]!).overview.findings.map(({ rule }) => rule), ["stale"]);
    copyFileSync(LLAMA, path);
    await until(() => changed.length === 5);
    assert.deepEqual(ready(changed[4]!).overview.findings, []);
  });

  it("opens a file that was broken at first as soon as it is whole", async () => {
    const path = scratch.write("model.safetensors", readFileSync(LLAMA).subarray(0, 100));
    const inspection = open(path);
    const changed = events(inspection, "changed");
    assert.equal((await inspection.snapshot()).status, "failed");
    inspection.watch();
    await new Promise((resolve) => setTimeout(resolve, 200));
    copyFileSync(LLAMA, path);
    await until(() => changed.length > 0);
    assert.equal(ready(changed[0]!).table.length, 20);
  });

  it("ends what is under way when it is disposed", async () => {
    const bytes = 8 * 2 ** 30;
    const path = scratch.write("large.safetensors", safetensorsBytes(headerOf({ t: { dtype: "F32", shape: [bytes / 4], bytes } })));
    truncateSync(path, statSync(path).size + bytes);
    const inspection = open(path);
    const statistics = assert.rejects(inspection.statistics(0));
    await until(() => engine.underWay > 0);
    await inspection.dispose();
    await statistics;
    assert.equal(engine.underWay, 0);
  });

  it("serves fifty checkpoints at once", async () => {
    const inspections = Array.from({ length: 50 }, (_, i) => {
      const path = join(scratch.folder, `${i}.safetensors`);
      copyFileSync(i % 2 === 0 ? LLAMA : EARLIER, path);
      const inspection = open(path, { cache: cache() });
      inspection.watch();
      return inspection;
    });
    const outcomes = await Promise.all(inspections.map((inspection) => inspection.analyse({ parts: ["statistics"] })));
    assert.ok(outcomes.every(({ done, failed }) => done === 20 && failed.length === 0));
  });
});
