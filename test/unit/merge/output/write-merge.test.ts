/** A merge's output is whole or not at all, whatever ends it; what is done is gone on with, to the same bytes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../../../src/analysis/engine";
import { openCheckpoint } from "../../../../src/checkpoint/registry";
import { cancelled, EngineError } from "../../../../src/engine/error";
import { NonFinite } from "../../../../src/merge/output/non-finite";
import { discardMerge } from "../../../../src/merge/output/working-folder";
import { unfinishedMerge, writeMerge, type WriteMergeOptions, type WrittenMerge } from "../../../../src/merge/output/write-merge";
import type { MergePlan } from "../../../../src/merge/plan/plan";
import { Scratch } from "../../../files";
import { at, copyingEngine, diskFull, planOf } from "./plans";

const LENGTHS = { "b.weight": 1000, "a.weight": 500, "layers.10.x": 700, "layers.2.x": 900, empty: 0, scalar: 1 };
/** Where each begins in the input, but for the empty one. */
const OFFSETS = ["0", "4000", "6000", "8800", "12400"];
const RECIPE = "merge_method: linear\n";

/** Relative path and content of every file below a folder. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.sort().map((name) => [name, readFileSync(join(folder, name)).toString("hex")]));
}

describe("writing a merge", () => {
  let scratch: Scratch;
  let input: string;
  let output: string;
  beforeEach(() => {
    scratch = new Scratch();
    input = scratch.write("models/a/model.bin", Uint8Array.from({ length: 4 * 3200 }, (_, i) => (i * 31) % 251));
    output = join(scratch.folder, "out");
  });
  afterEach(() => scratch.remove());

  const run = (engine: Engine, more: Partial<WriteMergeOptions> = {}): Promise<WrittenMerge> =>
    writeMerge({ plan: planOf(input, LENGTHS), recipe: RECIPE, card: "# A model\n", shardBytes: 4000, output, engine, engineVersion: "1", resume: false, ...more });
  const besides = (): string[] => readdirSync(scratch.folder).filter((name) => name !== "models");
  /** The bytes of an undisturbed run. */
  const undisturbed = async (): Promise<Record<string, string>> => {
    const whole = join(scratch.folder, "models", "whole");
    await run(copyingEngine(), { output: whole });
    return contents(whole);
  };

  it("gives the folder its name once all is in it: weights, index, configuration, tokenizer, recipe and card", async () => {
    const told: number[] = [];
    const { files, problems } = await run(copyingEngine(), { onProgress: ({ done, total }) => told.push(done / total) });
    assert.deepEqual(besides(), ["out"]);
    assert.deepEqual(files.map(({ path }) => path.slice(output.length + 1)), [
      ...[1, 2, 3, 4].map((i) => `model-0000${i}-of-00004.safetensors`), "model.safetensors.index.json", "config.json", "tokenizer.json", "mergekit_config.yml", "README.md",
    ]);
    for (const { path, bytes, sha256 } of files) {
      const written = readFileSync(path);
      assert.deepEqual([bytes, sha256], [written.length, createHash("sha256").update(written).digest("hex")], path);
    }
    assert.equal(readFileSync(join(output, "mergekit_config.yml"), "utf8"), RECIPE);
    assert.equal(told.at(-1), 1);
    assert.deepEqual(problems, []);
    const model = await openCheckpoint(output);
    assert.deepEqual(model.tensors.map(({ name }) => name).sort(), Object.keys(LENGTHS).sort());
    assert.deepEqual((await openCheckpoint(files[0]!.path)).metadata, { format: "pt", recipe: RECIPE });
    const source = readFileSync(input);
    let begin = 0;
    for (const [name, length] of Object.entries(LENGTHS)) {
      const tensor = model.tensors.find((each) => each.name === name)!;
      const stored = readFileSync(model.files[tensor.file]!.path).subarray(tensor.offset!, tensor.offset! + tensor.bytes);
      assert.ok(stored.equals(source.subarray(begin, (begin += 4 * length))), name);
    }
  });

  it("goes on after a full disk to the same bytes, without what was done", async () => {
    const whole = await undisturbed();
    const engine = copyingEngine(({ file }, _, call) => {
      if (call >= 2) throw diskFull(file);
    });
    await assert.rejects(run(engine), { code: "io", file: output, message: "there is no room left to write it; what is done is kept, and a resumed merge goes on from there" });
    assert.deepEqual(besides(), [".out.merging"]);
    // The empty one is never asked for.
    assert.deepEqual([engine.written.length, await unfinishedMerge(output)], [2, { tensors: 3 }]);
    const again = copyingEngine();
    const { resumed, files } = await run(again, { resume: true });
    assert.deepEqual([resumed, besides()], [3, ["out"]]);
    assert.deepEqual([...engine.written, ...again.written].sort(), [...OFFSETS].sort());
    assert.deepEqual(contents(output), whole);
    for (const { path, sha256 } of files) assert.equal(sha256, createHash("sha256").update(readFileSync(path)).digest("hex"));
  });

  it("goes on after it was cancelled, and from the start where it is not asked to", async () => {
    const whole = await undisturbed();
    const stop = new AbortController();
    const engine = copyingEngine((_, __, call) => {
      if (call < 2) return;
      stop.abort();
      throw cancelled();
    });
    await assert.rejects(run(engine, { signal: stop.signal }), { name: "AbortError" });
    assert.deepEqual(besides(), [".out.merging"]);
    const fresh = copyingEngine();
    assert.equal((await run(fresh)).resumed, 0);
    assert.equal(fresh.written.length, 5);
    assert.deepEqual(contents(output), whole);
  });

  it("leaves nothing where nothing was done", async () => {
    await assert.rejects(run(copyingEngine(({ file }) => { throw diskFull(file); }), { plan: planOf(input, { a: 2, b: 3 }) }), { message: "there is no room left to write it" });
    assert.deepEqual(besides(), []);
  });

  it("computes again what a torn journal, or another expression, leaves open", async () => {
    const whole = await undisturbed();
    await assert.rejects(run(copyingEngine(({ file }, _, call) => { if (call === 4) throw diskFull(file); })));
    const journal = join(scratch.folder, ".out.merging", "journal");
    const lines = readFileSync(journal, "utf8").split("\n");
    writeFileSync(journal, lines.slice(0, 4).join("\n") + "\n" + lines[4]!.slice(0, 20));
    const plan = planOf(input, LENGTHS);
    const first = (JSON.parse(lines[1]!) as { tensor: string }).tensor;
    const other = plan.tensors.map((tensor) => (tensor.name === first ? { ...tensor, read: async () => ({ kind: "reshape" as const, of: await tensor.read(), shape: [...tensor.shape] }) } : tensor));
    const engine = copyingEngine();
    const unwrapping: Engine = { request: (method, params, options) => engine.request(method, unwrapped(params), options) };
    const { resumed } = await run(unwrapping, { resume: true, plan: { ...plan, tensors: other } });
    // Of three whole lines the first is of another expression; the empty tensor is among the rest, or done.
    assert.equal(resumed, 2);
    assert.ok(engine.written.length >= 3);
    assert.deepEqual(contents(output), whole);
  });

  it("does not go on with another recipe, other inputs, or another engine", async () => {
    const half = (): Engine => copyingEngine(({ file }, _, call) => { if (call >= 2) throw diskFull(file); });
    await assert.rejects(run(half()));
    await assert.rejects(run(copyingEngine(), { resume: true, recipe: "merge_method: slerp\n" }), /belongs to another recipe, or the same with other options/);
    await assert.rejects(run(copyingEngine(), { resume: true, shardBytes: 0 }), /belongs to another recipe/);
    await assert.rejects(run(copyingEngine(), { resume: true, engineVersion: "2" }), /begun by version 1 of the engine, and this is 2/);
    assert.deepEqual(await unfinishedMerge(output), { tensors: 3 }, "kept");
    utimesSync(input, new Date(), new Date(Date.now() + 5000));
    await assert.rejects(run(copyingEngine(), { resume: true }), { file: input, message: /the file changed since the unfinished merge was begun/ });
    await discardMerge(output);
    assert.deepEqual(besides(), []);
  });

  it("ends when an input changes meanwhile: by size, by date, or in its header alone", async () => {
    const changes: [string, () => void][] = [
      ["size", () => appendFileSync(input, "more")],
      ["date", () => utimesSync(input, new Date(), new Date(Date.now() + 60_000))],
      ["header", () => {
        const date = new Date(Date.now() - 60_000);
        writeFileSync(input, Buffer.concat([Buffer.from("other"), readFileSync(input).subarray(5)]));
        utimesSync(input, date, date);
      }],
    ];
    for (const [what, change] of changes) {
      const date = new Date(Date.now() - 60_000);
      utimesSync(input, date, date);
      const engine = copyingEngine((_, __, call) => { if (call === 2) change(); });
      await assert.rejects(run(engine), { file: input, message: "the file changed while the merge was under way; begin it again" }, what);
      assert.deepEqual(besides(), [], what);
    }
    // Between the plan and the run.
    const plan = planOf(input, LENGTHS);
    appendFileSync(input, "x");
    await assert.rejects(run(copyingEngine(), { plan }), { file: input });
    assert.deepEqual(besides(), []);
  });

  it("asks again once when the engine's process ends, and no more", async () => {
    const whole = await undisturbed();
    let crashes = 0;
    const crash = (most: number): Engine => copyingEngine(({ offset }) => { if (offset > 500 && crashes++ < most) throw new EngineError("crashed", "The engine ended.", "/engine"); });
    await run(crash(1));
    assert.deepEqual(contents(output), whole);
    crashes = 0;
    await assert.rejects(run(crash(99), { output: `${output}2` }), { code: "crashed" });
    assert.ok(!existsSync(`${output}2`));
  });

  it("never writes where an input lies, under whatever name", async () => {
    const before = contents(join(scratch.folder, "models"));
    symlinkSync(join(scratch.folder, "models", "a"), join(scratch.folder, "link"));
    for (const name of [join("models", "a"), "models", "link"]) {
      await assert.rejects(run(copyingEngine(), { output: join(scratch.folder, name) }), { code: "usage", message: /the folder of one of the models that are merged/ });
    }
    assert.deepEqual(contents(join(scratch.folder, "models")), before);
    assert.deepEqual(besides(), ["link"]);
  });

  it("replaces an earlier merge and an empty folder, and nothing else", async () => {
    mkdirSync(output);
    await run(copyingEngine());
    const whole = contents(output);
    await run(copyingEngine(), { shardBytes: 0 });
    assert.deepEqual(Object.keys(contents(output)), ["README.md", "config.json", "mergekit_config.yml", "model.safetensors", "tokenizer.json"]);
    await run(copyingEngine());
    assert.deepEqual(contents(output), whole);
    scratch.write("out/notes.txt", "mine");
    await assert.rejects(run(copyingEngine()), { code: "usage", file: output, message: /something in this folder already/ });
    const file = scratch.write("file", "x");
    await assert.rejects(run(copyingEngine(), { output: file }), { code: "usage", message: /this is a file/ });
    // A model that no merge wrote.
    linkSync(input, join(scratch.folder, "models", "model.safetensors"));
    const folder = join(scratch.folder, "model");
    scratch.write("model/model.safetensors", new Uint8Array(100));
    await assert.rejects(run(copyingEngine(), { output: folder }), { code: "usage", message: /something in this folder already/ });
    assert.equal(readFileSync(join(output, "notes.txt"), "utf8"), "mine");
  });

  it("says in one sentence where it cannot write", async () => {
    const file = scratch.write("file", "x");
    await assert.rejects(run(copyingEngine(), { output: join(file, "out") }), { code: "io", message: /^it cannot be written \(E\w+\)$/ });
    await assert.rejects(run(copyingEngine(), { plan: { ...planOf(input, { a: 2 }), tensors: huge(input) } }), { code: "io", file: output, message: /^the file needs [\d,]+ bytes, and there is room for [\d,]+$/ });
    assert.deepEqual(besides(), ["file"]);
  });

  it("leaves the folder to the process that works in it, and takes it over from one that ended", async () => {
    const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
    try {
      scratch.write(".out.merging/lock", String(other.pid));
      scratch.write(".out.merging/files/x", "");
      await assert.rejects(run(copyingEngine()), { code: "usage", file: output, message: new RegExp(`^process ${other.pid} is merging into this folder`) });
      assert.ok(existsSync(join(scratch.folder, ".out.merging", "files", "x")));
    } finally {
      const ended = new Promise((resolve) => other.once("exit", resolve));
      other.kill("SIGKILL");
      await ended;
    }
    await run(copyingEngine());
    assert.deepEqual(besides(), ["out"]);
  });

  it("names the model whose values are not finite, and stops where the recipe says so", async () => {
    const named = { body: { form: "models" as const, at, inputs: [{ at, model: { value: { path: "models/a" }, at: { ...at, line: 7 } }, layerRange: null, parameters: {}, statistics: null }] } };
    const { problems } = await run(copyingEngine(undefined, 2), { plan: planOf(input, LENGTHS, named) });
    assert.deepEqual(problems.map(({ severity, code, tensor, at: { line } }) => [severity, code, tensor, line]), [["warning", "non-finite", "b.weight", 7]]);
    assert.match(problems[0]!.message, /^models\/a has 2 values that are not finite in "b\.weight", and in 4 other tensors/);
    const strict = planOf(input, LENGTHS, { ...named, nonFinite: { value: "error", at } });
    const engine = copyingEngine(undefined, 2);
    await assert.rejects(run(engine, { plan: strict, output: `${output}2` }), (error) => error instanceof NonFinite && error.problem.severity === "error" && error.problem.at.line === 7 && error.file === input);
    assert.deepEqual(engine.written, []);
    assert.deepEqual(besides(), ["out"]);
    // A result that overflows though its inputs do not.
    const overflow = copyingEngine(undefined, 1);
    const finite: Engine = { request: (method, params, options) => (method === "statistics" ? Promise.resolve({ count: 4, finite: 4 } as never) : overflow.request(method, params, options)) };
    assert.match((await run(finite)).problems[0]!.message, /where all inputs are finite: its parameters, or the range of F32, are the cause\.$/);
    await assert.rejects(run(finite, { plan: strict }), (error) => error instanceof NonFinite && /in the result/.test(error.message));
  });
});

/** A tensor that no disk holds. */
function huge(file: string): MergePlan["tensors"] {
  const [tensor] = planOf(file, { a: 2 }).tensors;
  return [{ ...tensor!, shape: [2 ** 50], bytes: 2 ** 52 }];
}

/** The reshape that makes another expression of the same values, taken off. */
function unwrapped<T>(params: T): T {
  const { tensor } = params as { tensor?: { kind: string; of?: unknown } };
  return tensor?.kind === "reshape" ? ({ ...params, tensor: tensor.of }) : params;
}
