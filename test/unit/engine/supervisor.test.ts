/** The supervisor over the real engine: started when needed, again after a crash, and given up on in the end. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../../../src/engine/error";
import { bundledEngine, locateEngine } from "../../../src/engine/locate";
import type { Expression } from "../../../src/engine/protocol";
import { EngineSupervisor } from "../../../src/engine/supervisor";
import type { EngineStatus } from "../../../src/protocol/inspect";
import { root, Scratch } from "../../files";

const dist = join(root, "dist");

describe("engine supervisor", () => {
  let scratch: Scratch;
  let supervisor: EngineSupervisor;
  let states: EngineStatus["state"][];
  let pid: number | undefined;
  let path: string;
  let tensor: Expression;

  beforeEach(() => {
    scratch = new Scratch();
    path = bundledEngine(dist);
    const file = scratch.write("zeros.bin", "");
    truncateSync(file, 2 ** 40);
    tensor = { kind: "range", file, offset: 0, bytes: 400, dtype: "F32", shape: [100] };
    supervisor = new EngineSupervisor({ locate: async () => locateEngine(dist, path) });
    states = [];
    supervisor.onStatus(({ state }) => void states.push(state));
  });
  afterEach(async () => {
    await supervisor.dispose();
    scratch.remove();
  });

  const endless = (): Promise<unknown> => supervisor.request("statistics", { tensor: { ...tensor, bytes: 2 ** 40, shape: [2 ** 38] } as Expression });
  const small = async (): Promise<number> => (await supervisor.request("statistics", { tensor })).count;
  const failure = async (promise: Promise<unknown>): Promise<EngineError> => {
    const reason: unknown = await promise.then(() => assert.fail("it succeeded"), (error: unknown) => error);
    assert.ok(reason instanceof EngineError, String(reason));
    return reason;
  };
  /** The engine that is this process' child. */
  const kill = (): void => {
    const { stdout } = spawnSync("ps", ["-o", "pid=,comm=", "--ppid", String(process.pid)], { encoding: "utf8" });
    pid = Number(/(\d+) weight-loupe/.exec(stdout)?.[1]);
    process.kill(pid, "SIGKILL");
  };

  it("starts the engine with the first request, once for many", async () => {
    assert.equal(supervisor.status.state, "stopped");
    assert.deepEqual(await Promise.all([small(), small(), small()]), [100, 100, 100]);
    assert.deepEqual(states, ["starting", "running"]);
    assert.match(supervisor.status.version!, /^\d+\.\d+\.\d+/);
  });

  it("loses only what was under way when the engine is killed, and starts it again", async () => {
    await supervisor.start();
    const work = failure(endless());
    await small();
    kill();
    assert.match((await work).message, /The engine ended while it worked on a statistics request \(killed by SIGKILL\)/);
    assert.equal(await small(), 100);
    assert.deepEqual(states, ["starting", "running", "stopped", "starting", "running"]);
  });

  it("gives up after five crashes, says so, and starts again when told", async () => {
    for (let crash = 0; crash < 5; crash++) {
      await small();
      const gone = new Promise<void>((resolve) => {
        const remove = supervisor.onStatus(({ state }) => {
          if (state === "stopped" || state === "failed") {
            remove();
            resolve();
          }
        });
      });
      kill();
      await gone;
    }
    assert.equal(supervisor.status.state, "failed");
    const error = await failure(small());
    assert.deepEqual([error.code, error.message], ["failed", "The engine crashed 5 times within 3 minutes: see the log, then restart it."]);
    await supervisor.restart();
    assert.equal(await small(), 100);
    assert.equal(supervisor.status.state, "running");
  });

  it("says why there is no engine, without asking again until told", async () => {
    path = join(scratch.folder, "nowhere");
    assert.equal((await failure(small())).code, "missing");
    assert.equal(supervisor.status.state, "missing");
    assert.match(supervisor.status.message!, /There is no engine at .*nowhere/);
    path = bundledEngine(dist);
    assert.equal((await failure(small())).code, "missing");
    await supervisor.restart();
    assert.equal(await small(), 100);
  });

  it("restarts at another path", async () => {
    await small();
    const work = failure(endless());
    await supervisor.restart();
    assert.equal((await work).message, "The engine was stopped before it answered.");
    assert.equal(await small(), 100);
    assert.equal(supervisor.status.state, "running");
  });

  it("is done when disposed of, also while starting", async () => {
    const starting = failure(small());
    await supervisor.dispose();
    assert.ok(["failed", "crashed"].includes((await starting).code));
    assert.match((await failure(small())).message, /The engine was stopped/);
    const { stdout } = spawnSync("ps", ["-o", "comm=", "--ppid", String(process.pid)], { encoding: "utf8" });
    assert.doesNotMatch(stdout, /weight-loupe/);
  });

  it("does not make a cancelled request wait for the engine to start", async () => {
    let arrived = (): void => undefined;
    const slow = new EngineSupervisor({ locate: () => new Promise((resolve) => { arrived = () => resolve({ path }); }) });
    const controller = new AbortController();
    const work = failure(slow.request("statistics", { tensor }, { signal: controller.signal }));
    controller.abort();
    assert.equal((await work).code, "cancelled");
    arrived();
    assert.equal((await slow.request("statistics", { tensor })).count, 100);
    await slow.dispose();
  });

  it("does not start for a request that is already cancelled", async () => {
    assert.equal((await failure(supervisor.request("statistics", { tensor }, { signal: AbortSignal.abort() }))).code, "cancelled");
    assert.deepEqual(states, []);
  });
});
