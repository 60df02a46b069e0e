/** The client against the real engine, and against processes that are no engine or a bad one. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { EngineClient } from "../../../src/engine/client";
import { EngineError } from "../../../src/engine/error";
import { bundledEngine, locateEngine } from "../../../src/engine/locate";
import { PROTOCOL_VERSION, type Expression, type Progress } from "../../../src/engine/protocol";
import { root, Scratch } from "../../files";

const dist = join(root, "dist");
const engine = bundledEngine(dist);
const version = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;

describe("engine client", () => {
  let scratch: Scratch;
  const started: EngineClient[] = [];
  before(() => { scratch = new Scratch(); });
  after(() => scratch.remove());
  afterEach(async () => { await Promise.all(started.splice(0).map(async (client) => client.dispose())); });

  const start = async (path = engine): Promise<EngineClient> => {
    const client = await EngineClient.start(path);
    started.push(client);
    return client;
  };
  const zeros = (name: string, bytes: number): Expression => {
    const file = scratch.write(name, "");
    truncateSync(file, bytes);
    return { kind: "range", file, offset: 0, bytes, dtype: "F32", shape: [bytes / 4] };
  };
  /** Hours of work: what is asked of it is still under way when the test goes on. */
  const endless = (): Expression => zeros("endless.bin", 2 ** 40);
  const script = (name: string, body: string): string => {
    const path = scratch.write(name, `#!${process.execPath}\n${body}`);
    chmodSync(path, 0o755);
    return path;
  };
  const failure = async (promise: Promise<unknown>): Promise<EngineError> => {
    const reason: unknown = await promise.then(() => assert.fail("it succeeded"), (error: unknown) => error);
    assert.ok(reason instanceof EngineError, String(reason));
    return reason;
  };

  it("shakes hands", async () => {
    const { info } = await start();
    assert.equal(info.protocol, PROTOCOL_VERSION);
    assert.equal(info.version, version);
    assert.ok(info.cpu.threads >= 1);
  });

  it("answers with the numbers of a known tensor", async () => {
    const values = Float32Array.from([1, -2, 3, 0, Number.NaN, 6]);
    const file = scratch.write("known.bin", new Uint8Array(values.buffer));
    const client = await start();
    const tensor: Expression = { kind: "range", file, offset: 0, bytes: 24, dtype: "F32", shape: [2, 3] };
    const statistics = await client.request("statistics", { tensor });
    assert.deepEqual([statistics.count, statistics.nan, statistics.zeros, statistics.min, statistics.max, statistics.mean], [6, 1, 1, -2, 6, 1.6]);
    const window = { rowStart: 1, rowStop: 2, columnStart: 0, columnStop: 3 };
    assert.deepEqual((await client.request("values", { tensor, window })).rows, [[0, "NaN", 6]]);
  });

  it("hashes with BLAKE3, as its published test vectors say", async () => {
    const bytes = Uint8Array.from({ length: 1024 }, (_, i) => i % 251);
    const file = scratch.write("vectors.bin", bytes);
    const client = await start();
    const hash = async (length: number): Promise<string> =>
      (await client.request("hash", { tensor: { kind: "range", file, offset: 0, bytes: length, dtype: "U8", shape: [length] } })).hash;
    assert.equal(await hash(0), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    assert.equal(await hash(1), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
    assert.equal(await hash(1024), "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7");
  });

  it("answers many requests at once, each its own", async () => {
    const values = Float32Array.from({ length: 500 }, (_, i) => i);
    const file = scratch.write("many.bin", new Uint8Array(values.buffer));
    const client = await start();
    const answers = await Promise.all(Array.from(values, async (value, i) => {
      const tensor: Expression = { kind: "range", file, offset: 4 * i, bytes: 4, dtype: "F32", shape: [] };
      return [(await client.request("statistics", { tensor })).max, value];
    }));
    for (const [answer, value] of answers) assert.equal(answer, value);
  });

  it("tells of progress", async () => {
    const client = await start();
    const seen: Progress[] = [];
    await client.request("statistics", { tensor: zeros("progress.bin", 2 ** 30) }, { onProgress: (progress) => void seen.push(progress) });
    for (const { done, total } of seen) {
      assert.ok(done >= 0 && done <= total);
    }
  });

  it("says which file and byte a failure is about", async () => {
    const client = await start();
    const missing: Expression = { kind: "range", file: join(scratch.folder, "none"), offset: 0, bytes: 4, dtype: "F32", shape: [1] };
    const io = await failure(client.request("statistics", { tensor: missing }));
    assert.deepEqual([io.code, io.file], ["io", missing.file]);
    const short = scratch.write("short.bin", new Uint8Array(10));
    const truncated = await failure(client.request("statistics", { tensor: { ...missing, file: short, bytes: 40, shape: [10] } }));
    assert.deepEqual([truncated.code, truncated.file], ["truncated", short]);
    assert.equal(typeof truncated.where.offset, "number");
    const vector = await failure(client.request("spectrum", { tensor: { ...missing, file: short, bytes: 8, shape: [2] }, mode: "exact" }));
    assert.equal(vector.code, "undefined");
    const wrong = await failure(client.request("statistics", { tensor: { ...missing, file: short, bytes: 5 } }));
    assert.equal(wrong.code, "invalidParams");
  });

  it("cancels, before and while it works, and goes on", async () => {
    const client = await start();
    assert.equal((await failure(client.request("statistics", { tensor: endless() }, { signal: AbortSignal.abort() }))).code, "cancelled");
    const controller = new AbortController();
    const work = failure(client.request("statistics", { tensor: endless() }, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    assert.equal((await work).code, "cancelled");
    // The engine has stopped working on it: a whole-file pass over another tensor completes.
    assert.equal((await client.request("statistics", { tensor: zeros("after.bin", 4000) })).zeros, 1000);
  });

  it("has the engine itself answer the cancelled request", async () => {
    const client = await start();
    const controllers = Array.from({ length: 20 }, () => new AbortController());
    const work = controllers.map(async ({ signal }) => failure(client.request("statistics", { tensor: endless() }, { signal })));
    setTimeout(() => controllers.forEach((controller) => controller.abort()), 20);
    for (const error of await Promise.all(work)) assert.equal(error.code, "cancelled");
    // Closing its input ends the engine, though a terabyte was asked for twenty times.
    await client.dispose();
    assert.equal((await client.ended).signal, null);
  });

  it("fails the requests of a killed engine with one sentence", async () => {
    const client = await start();
    const work = [1, 2, 3].map(async () => failure(client.request("statistics", { tensor: endless() })));
    setTimeout(() => process.kill(client.pid, "SIGKILL"), 50);
    for (const error of await Promise.all(work)) {
      assert.equal(error.code, "crashed");
      assert.equal(error.message, "The engine ended while it worked on a statistics request (killed by SIGKILL).");
    }
    assert.equal((await failure(client.request("statistics", { tensor: endless() }))).code, "crashed");
  });

  it("fails what is under way when it is disposed of", async () => {
    const client = await start();
    const work = failure(client.request("statistics", { tensor: endless() }));
    await client.dispose();
    assert.deepEqual([(await work).code, (await work).message], ["crashed", "The engine was stopped before it answered."]);
    assert.throws(() => process.kill(client.pid, 0), { code: "ESRCH" });
  });

  it("ends with the process that started it", () => {
    const parent = `
      const { spawn } = require("node:child_process");
      const engine = spawn(${JSON.stringify(engine)}, [], { stdio: ["pipe", "ignore", "ignore"] });
      engine.on("spawn", () => { console.log(engine.pid); setTimeout(() => process.kill(process.pid, "SIGKILL"), 50); });
      setInterval(() => undefined, 1000);`;
    const pid = Number(spawnSync(process.execPath, ["-e", parent], { encoding: "utf8" }).stdout);
    assert.ok(pid > 0);
    for (const deadline = Date.now() + 5000; ; ) {
      // A process that has ended but whose parent is gone is reaped by init: gone, or a zombie until then.
      const alive = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim();
      if (alive === "" || alive.startsWith("Z")) break;
      assert.ok(Date.now() < deadline, `engine ${pid} outlived its parent`);
    }
  });

  it("says that there is no engine at a wrong path", async () => {
    const path = join(scratch.folder, "nothing");
    const error = await failure(start(path));
    assert.deepEqual([error.code, error.message], ["missing", `There is no engine at ${path}.`]);
    assert.equal((await failure(start(scratch.write("not-executable", "x")))).code, "missing");
  });

  it("refuses an engine of another protocol", async () => {
    const path = script("other-protocol.js", `
      process.stdin.once("data", () => {
        const body = JSON.stringify({ jsonrpc: "2.0", id: 0, result: { version: "9.9.9", protocol: 99, cpu: { features: [], threads: 1 }, gpu: [] } });
        process.stdout.write("Content-Length: " + body.length + "\\r\\n\\r\\n" + body);
      });
      process.stdin.resume();`);
    const error = await failure(start(path));
    assert.equal(error.code, "version");
    assert.match(error.message, new RegExp(`speaks protocol 99 but ${PROTOCOL_VERSION} is needed`));
  });

  it("says how an engine ended that ends at once", async () => {
    const error = await failure(start(script("ends.js", `process.exit(3);`)));
    assert.equal(error.code, "crashed");
    assert.match(error.message, /ended before it said its version \(exit code 3\)/);
  });

  it("passes standard error on, line by line", async () => {
    const lines: string[] = [];
    await failure(EngineClient.start(script("talks.js", `process.stderr.write("one\\ntw"); process.stderr.write("o\\nthree"); process.exitCode = 1; process.stdin.destroy();`), (line) => void lines.push(line)));
    assert.deepEqual(lines, ["one", "two", "three"]);
  });

  describe("locating", () => {
    it("finds the bundled engine and asks its version", async () => {
      assert.deepEqual(await locateEngine(dist), { path: engine, version });
      assert.deepEqual(await locateEngine("/nowhere", engine), { path: engine, version });
    });

    it("says what to do when there is none", async () => {
      const bundled = await failure(locateEngine(scratch.folder));
      assert.match(bundled.message, /There is no engine at .*: this package was built without one/);
      const configured = await failure(locateEngine(dist, join(scratch.folder, "none")));
      assert.match(configured.message, /none: check the setting weightLoupe\.engine\.path/);
      assert.match((await failure(locateEngine(dist, "engine"))).message, /must be absolute/);
      assert.match((await failure(locateEngine(dist, scratch.write("plain", "x")))).message, /may not be executed/);
    });

    it("refuses what is no engine, or one of another protocol", async () => {
      assert.match((await failure(locateEngine(dist, process.execPath))).message, /is not Weight Loupe's engine/);
      assert.match((await failure(locateEngine(dist, script("fails.js", `process.exit(1)`)))).message, /does not run here/);
      const other = await failure(locateEngine(dist, script("newer.js", `console.log("weight-loupe-engine 9.0.0 (protocol 7)")`)));
      assert.deepEqual([other.code, other.message.includes(`speaks protocol 7 but ${PROTOCOL_VERSION} is needed`)], ["version", true]);
    });
  });
});
