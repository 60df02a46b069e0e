/** The order, bounds and reports of whole-model analysis. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Rate } from "../../../src/analysis/rate";
import { analyseWholeModel, type Task, type WholeModelOptions } from "../../../src/analysis/whole-model";
import type { Tensor } from "../../../src/checkpoint/checkpoint";
import type { AnalysisProgress } from "../../../src/protocol/inspect";

function tensor(name: string, shape: number[], unreadable?: string): Tensor {
  const parameters = shape.reduce((product, n) => product * n, 1);
  const range = { kind: "range", file: "/m", offset: 0, bytes: 4 * parameters, dtype: "F32", shape } as const;
  return { name, dtype: "F32", shape, parameters, bytes: 4 * parameters, file: 0, offset: 0, ...(unreadable === undefined ? { expression: { ...range, shape } } : { expression: null, unreadable }) };
}

const tensors = [tensor("large", [64, 64]), tensor("vector", [64]), tensor("bad", [32, 32]), tensor("odd", [8], "of unknown dtype"), tensor("small", [8, 8]), tensor("none", [0, 8])];
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function run(options: Partial<WholeModelOptions> & Pick<WholeModelOptions, "run">): ReturnType<typeof analyseWholeModel> {
  return analyseWholeModel({
    tensors,
    selection: tensors.map((_, i) => i),
    parts: ["spectrum", "norms", "statistics"],
    mode: "exact",
    concurrency: 1,
    signal: new AbortController().signal,
    suspicion: (index) => (tensors[index]!.name === "bad" ? 3 : 0),
    onFailed: () => undefined,
    onProgress: () => undefined,
    ...options,
  });
}

describe("whole-model analysis", () => {
  it("does statistics in file order, then norms, then spectra: suspects first, then the cheapest", async () => {
    const done: string[] = [];
    const result = await run({
      run: async ({ part, tensor }) => {
        await pause();
        done.push(`${part} ${tensors[tensor]!.name}`);
        return { fromCache: false };
      },
    });
    assert.deepEqual(done, [
      ...["large", "vector", "bad", "small", "none"].map((name) => `statistics ${name}`),
      ...["norms", "spectrum"].flatMap((part) => ["bad", "small", "large"].map((name) => `${part} ${name}`)),
    ]);
    assert.deepEqual(result, { done: 11, failed: [], cancelled: false });
  });

  it("has no more under way than it may, and ends a part before the next", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(3), { minLength: 11, maxLength: 11 }), async (concurrency, pauses) => {
        let underWay = 0;
        let most = 0;
        const parts: string[] = [];
        let i = 0;
        await run({
          concurrency,
          run: async ({ part }) => {
            most = Math.max(most, ++underWay);
            parts.push(part);
            for (let n = pauses[i++]!; n > 0; n--) await pause();
            underWay--;
            return { fromCache: false };
          },
        });
        assert.ok(most <= concurrency);
        assert.deepEqual(parts, [...parts].sort((a, b) => ["statistics", "norms", "spectrum"].indexOf(a) - ["statistics", "norms", "spectrum"].indexOf(b)));
      }),
      { numRuns: 50 },
    );
  });

  it("lists failures with their reason and goes on", async () => {
    const told: [Task, string][] = [];
    const result = await run({
      run: ({ part, tensor }) => (part === "norms" && tensors[tensor]!.name === "small" ? Promise.reject(new Error("the disk is gone")) : Promise.resolve({ fromCache: false })),
      onFailed: (task, message) => told.push([task, message]),
    });
    assert.deepEqual(result.failed, [{ part: "norms", tensor: 4, message: "the disk is gone" }]);
    assert.deepEqual(told, [[{ part: "norms", tensor: 4 }, "the disk is gone"]]);
    assert.equal(result.done, 11);
  });

  it("stops when cancelled, without calling what was under way a failure", async () => {
    const controller = new AbortController();
    let started = 0;
    const result = await run({
      concurrency: 2,
      signal: controller.signal,
      run: async () => {
        if (++started === 3) controller.abort();
        await pause();
        controller.signal.throwIfAborted();
        return { fromCache: false };
      },
    });
    assert.equal(result.cancelled, true);
    assert.deepEqual(result.failed, []);
    assert.ok(started <= 4, `${started} started`);
  });

  it("reports how far it is, and that it ended", async () => {
    const reports: AnalysisProgress[] = [];
    await run({ run: () => pause().then(() => ({ fromCache: false })), onProgress: (progress) => reports.push(progress) });
    assert.equal(reports[0]!.running, true);
    assert.equal(reports[0]!.total, 11);
    const last = reports.at(-1)!;
    assert.deepEqual([last.running, last.done, last.total, last.current, last.secondsLeft], [false, 11, 11, undefined, 0]);
    assert.ok(last.bytesPerSecond > 0);
  });

  it("counts what long tasks have done before they end", async () => {
    const reports: AnalysisProgress[] = [];
    const large = tensor("large", [100_000, 100_000]);
    await run({
      tensors: [large, tensor("short", [4])],
      selection: [0, 1],
      parts: ["statistics"],
      suspicion: () => 0,
      run: async ({ tensor }, onShare) => {
        assert.equal(onShare === undefined, tensor === 1);
        for (const share of [0.25, 0.5, 0.4, 2]) {
          onShare?.(share);
          await new Promise((resolve) => setTimeout(resolve, 120));
        }
        return { fromCache: false };
      },
      onProgress: (progress) => reports.push(progress),
    });
    const early = reports.find(({ bytesPerSecond }) => bytesPerSecond > 0)!;
    assert.deepEqual([early.done, early.total], [0, 2]);
    assert.ok(early.secondsLeft! > 0);
    assert.ok(Math.abs(reports.at(-1)!.secondsLeft!) < 1e-6);
  });

  it("takes an empty selection", async () => {
    assert.deepEqual(await run({ selection: [], run: () => Promise.reject(new Error()) }), { done: 0, failed: [], cancelled: false });
  });
});

describe("rate", () => {
  it("is what was done in the last five seconds", () => {
    const rate = new Rate(0);
    for (let second = 0; second < 10; second++) rate.add(1000, 2, second * 1000);
    const { bytes, work } = rate.perSecond(9500);
    assert.ok(bytes > 900 && bytes < 1150, String(bytes));
    assert.ok(Math.abs(work - bytes / 500) < 1e-9);
    assert.deepEqual(rate.perSecond(60_000), { bytes: 0, work: 0 });
  });

  it("counts a young run from its start", () => {
    const rate = new Rate(0);
    rate.add(1000, 1, 100);
    assert.deepEqual(rate.perSecond(500), { bytes: 2000, work: 2 });
  });
});
